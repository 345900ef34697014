"""`reexctl labels`: read and write the file of class names."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from reex.cli import output, views
from reex.cli.options import AsJson, Name, example, readable
from reex.cli.session import connected

app = typer.Typer(no_args_is_help=True, help='Class names as lines like {"label": 2, "name": "positive"}.')


@app.command("set", epilog=example("reexctl labels set sentiment labels.jsonl"))
def set_labels(
    name: Name,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", callback=readable, help="One JSON object a line; - is stdin.")
    ],
    as_json: AsJson = False,
) -> None:
    """Rename classes, or append new ones."""
    from reex.labels import merge, read_labels

    with connected() as client:
        names = merge(
            client.get_project(name).classes, read_labels(sys.stdin.buffer if str(file) == "-" else file)
        )
        views.project(client.update_project(name, classes=names), as_json)


@app.command(epilog=example("reexctl labels export sentiment > labels.jsonl"))
def export(name: Name, _as_json: AsJson = False) -> None:
    """Print the class names, one JSON object a line, with or without --json."""
    with connected() as client:
        for label, class_name in enumerate(client.get_project(name).classes):
            output.object_line({"label": label, "name": class_name})
