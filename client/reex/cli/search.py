"""`reexctl search`: documents nearest in meaning, or with the same words."""

from __future__ import annotations

from typing import Annotated

import typer

from reex.cli import completion, views
from reex.cli.options import AsJson, Name, Where, example
from reex.cli.progress import told_when_slow
from reex.cli.session import connected, label_of

EXAMPLES = example(
    'reexctl search sentiment "profit fell sharply" -k 10',
    'reexctl search sentiment "profit fell" --split train --label negative --json',
    "reexctl search sentiment Nokia --mode keyword",
    "reexctl search sentiment --like review-17 --split incoming",
)


def search(
    name: Name,
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="What to look for.")] = None,
    like: Annotated[
        str | None,
        typer.Option(
            "--like", metavar="ID", help="In place of a text: more like this document, itself left out."
        ),
    ] = None,
    limit: Annotated[
        int,
        typer.Option("-k", "--limit", metavar="N", min=1, max=1000, help="Number of results. Default: 10."),
    ] = 10,
    split: Annotated[
        list[str] | None,
        typer.Option("--split", help="Only this split; may be repeated.", autocompletion=completion.splits),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option("--label", help="Only this class, by name or index; may be repeated.")
    ] = None,
    where: Where = "",
    mode: Annotated[
        str,
        typer.Option(
            "--mode",
            metavar="WORD",
            help="semantic, keyword (BM25 over words) or hybrid (both, by reciprocal rank fusion). Default: semantic.",
        ),
    ] = "semantic",
    as_json: AsJson = False,
) -> None:
    """Semantic search: by the language model's own reading, not by the classifier's classes; or by words, or both.

    Documents that were not embedded yet are, for up to 30 seconds; how many were not searched is told.
    """
    if bool(like) == (text is not None):
        raise typer.BadParameter("give either a TEXT or --like ID")
    with connected() as client:
        labels = []
        if label:
            classes = client.get_project(name).classes
            labels = [label_of(each, classes) for each in label]
        with told_when_slow(
            "searching; documents that were not read yet are read first, for up to 30 seconds"
        ):
            found = client.search(
                name,
                text or "",
                like=like or "",
                limit=limit,
                splits=split or (),
                labels=labels,
                where=where,
                mode=mode,
            )
    views.search(found, as_json)
