"""`reexctl evaluate`: how right the live classifier is, and on what it may speak."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reex.cli import completion, figures, output
from reex.cli.options import AsJson, Name, example
from reex.cli.progress import Progress
from reex.cli.session import connected

EXAMPLES = example(
    "reexctl evaluate sentiment --split test",
    "reexctl evaluate sentiment --split test --json",
    "reexctl evaluate sentiment --split test --html test.html",
)


def evaluate(
    name: Name,
    split: Annotated[
        str,
        typer.Option(
            "--split", help="Documents with labels. Default: test.", autocompletion=completion.splits
        ),
    ] = "test",
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Also write one page with plots, for a browser; replaces FILE."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Accuracy, confusion, and accuracy within each reliability region, on documents the version never used."""
    with connected() as client:
        with Progress() as progress:
            progress.show(f"scoring {split}", 0, 0)
            found = client.evaluate(name, split)
        if html is not None:  # before what is printed, of which a reader may take the first lines only
            from reex.cli.report import page

            html.write_text(page(found, name), encoding="utf-8")
        figures.evaluation(found, as_json)
    if html is not None:
        output.note(f"wrote {output.safe(str(html))}")
