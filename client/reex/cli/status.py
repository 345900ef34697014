"""`reexctl status`: the engine, projects and jobs at a glance."""

from __future__ import annotations

from typing import Annotated

import typer

from reex.cli import completion, overview
from reex.cli.options import AsJson, example
from reex.cli.session import connected

EXAMPLES = example("reexctl status", "reexctl status sentiment --json")


def status(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Only this project.", autocompletion=completion.projects),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Documents and labels by split, the live classifier and what makes it stale, regions, jobs, the engine."""
    with connected() as client:
        overview.status(client.status(name), client.server_info(), as_json)
