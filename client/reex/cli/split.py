"""`reexctl split`: what the splits of a project hold."""

from __future__ import annotations

import typer

from reex.cli import views
from reex.cli.options import AsJson, Name, example
from reex.cli.session import connected

app = typer.Typer(no_args_is_help=True, help="Splits: train, calibration, test, and any other.")


@app.callback()
def group() -> None:
    """Splits: train, calibration, test, and any other."""


@app.command(epilog=example("reexctl split summary sentiment"))
def summary(name: Name, as_json: AsJson = False) -> None:
    """Documents and labels by split."""
    with connected() as client:
        views.splits(client.split_summary(name), as_json)
