"""What is asked before something is deleted, or changed at large."""

from __future__ import annotations

import sys

import typer

from reex.cli import exits, output


def confirm(question: str) -> None:
    """Returns when the answer is yes. Exits where it is no, or nobody is there to ask."""
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} Nobody is there to ask: say --yes")
    if not typer.confirm(question, err=True):
        output.note("nothing was changed")
        raise typer.Exit(exits.CANCELLED)
