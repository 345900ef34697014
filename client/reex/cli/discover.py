"""`reexctl discover`: what the data tells: drift, wrong labels, duplicates, what to label next."""

from __future__ import annotations

from typing import Annotated

import typer

from reex.cli import completion, discoveries, figures
from reex.cli.options import AsJson, Name, example
from reex.cli.progress import Progress
from reex.cli.session import connected

app = typer.Typer(
    no_args_is_help=True,
    help="What the documents tell: drift, labels that may be wrong, what to label next, texts that stand twice.",
)

Splits = Annotated[
    list[str] | None,
    typer.Option(
        "--split", help="Only this split; may be repeated. Default: all.", autocompletion=completion.splits
    ),
]


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


@app.command(
    "label-errors",
    epilog=example(
        "reexctl discover label-errors sentiment -k 20",
        "reexctl discover label-errors sentiment --split train --json > to-check.jsonl",
    ),
)
def label_errors(
    name: Name,
    split: Splits = None,
    limit: Annotated[
        int,
        typer.Option("--limit", "-k", metavar="N", min=1, max=10_000, help="At most so many. Default: 100."),
    ] = 100,
    as_json: AsJson = False,
) -> None:
    """List documents whose label the live version contradicts, the most suspected first.

    First come those whose label their nearest training documents, themselves excluded, have the least, and the version
    finds least likely; `alike` counts the nearest 25 with that label.
    """
    with connected() as client:
        with Progress() as progress:
            progress.show("scoring", 0, 0)
            found = client.find_label_errors(name, splits=split or (), limit=limit)
        discoveries.label_errors(found, name, client.get_project(name).classes, as_json)


@app.command(
    "next",
    epilog=example(
        "reexctl discover next sentiment --split incoming",
        "reexctl discover next sentiment -k 50 --json > to-label.jsonl",
    ),
)
def next_to_label(
    name: Name,
    split: Splits = None,
    limit: Annotated[
        int,
        typer.Option("--limit", "-k", metavar="N", min=1, max=1_000, help="At most so many. Default: 20."),
    ] = 20,
    as_json: AsJson = False,
) -> None:
    """Suggest which unlabelled documents to label next, and say why.

    Those that the live version is least likely right on, that many others are like, and that are unlike those suggested
    before them.
    """
    with connected() as client:
        with Progress() as progress:
            progress.show("scoring", 0, 0)
            found = client.suggest_labelling(name, splits=split or (), limit=limit)
        discoveries.suggestions(found, name, as_json)


@app.command(
    epilog=example(
        "reexctl discover duplicates sentiment",
        "reexctl discover duplicates sentiment --split train --split test --similarity 0.99 --json",
    )
)
def duplicates(
    name: Name,
    split: Splits = None,
    similarity: Annotated[
        float,
        typer.Option(
            "--similarity",
            metavar="X",
            min=0.5,
            max=1.0,
            help="Least cosine with a group's first. Default: 0.95.",
        ),
    ] = 0.95,
    limit: Annotated[
        int, typer.Option("--limit", "-k", metavar="N", min=1, max=10_000, help="Groups. Default: 100.")
    ] = 100,
    as_json: AsJson = False,
) -> None:
    """Find documents that read nearly the same, by the language model's own reading.

    Groups whose labels differ come first, then those over several splits: a test document that reads like a training
    document measures little.
    """
    with connected() as client:
        with Progress() as progress:
            progress.show("comparing", 0, 0)
            found = client.find_duplicates(name, splits=split or (), similarity_min=similarity, limit=limit)
        discoveries.duplicates(found, client.get_project(name).classes, as_json)
