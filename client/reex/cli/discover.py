"""`reexctl discover`: what the data tells that nobody asked for: drift."""

from __future__ import annotations

from typing import Annotated

import typer

from reex.cli import completion, figures
from reex.cli.options import AsJson, Name, example
from reex.cli.progress import Progress
from reex.cli.session import connected

app = typer.Typer(no_args_is_help=True, help="What the documents tell: whether new ones are like the old.")


@app.command(
    epilog=example(
        "reexctl discover drift sentiment --split incoming",
        "reexctl discover drift sentiment --split incoming --last 500 --json",
    )
)
def drift(
    name: Name,
    split: Annotated[
        str,
        typer.Option(
            "--split", help="Documents that arrive; labels are not needed.", autocompletion=completion.splits
        ),
    ],
    last: Annotated[
        int,
        typer.Option("--last", metavar="N", min=0, help="Only the last N of them by upload. Default: all."),
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Tell whether documents of a split are like those that the live version was calibrated on.

    Compares q, d0 and q' of both by a permutation test, corrected for testing three; and what is admitted. After `add`
    nothing is tested until `recalibrate`.
    """
    with connected() as client:
        with Progress() as progress:
            progress.show(f"scoring {split}", 0, 0)
            report = client.drift(name, split, last=last)
        figures.drift(report, client.get_project(name).classes, as_json)
