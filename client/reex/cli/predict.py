"""`reexctl predict`: a split or a file against the live classifier."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reex.cli import completion
from reex.cli.answers import predictions as show_predictions
from reex.cli.options import AsJson, Coverage, Format, Name, Neighbors, Where, example, readable
from reex.cli.rejections import Rejections
from reex.cli.session import connected

if TYPE_CHECKING:
    from reex import Client
    from reex.texts import TextLike
    from reex.types import Prediction

EXAMPLES = example(
    "reexctl predict sentiment --split test --json > predictions.jsonl",
    'reexctl predict sentiment --split test --where "wrong and admitted" --sort -probability',
    "reexctl predict sentiment new.csv",
    "zcat new.csv.gz | reexctl predict sentiment - --format csv",
)


def predict(
    name: Name,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]", callback=readable, help="Lines as for upload, not stored; - is stdin."
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option("--split", help="Documents that are stored.", autocompletion=completion.splits),
    ] = None,
    where: Where = "",
    order_by: Annotated[
        str,
        typer.Option(
            "--sort",
            metavar="KEY",
            help="alpha, reliability, probability, q or d; with a dash before it, -q, the largest first.",
        ),
    ] = "",
    form: Format = None,
    neighbors: Neighbors = 5,
    coverage: Coverage = 0.9,
    as_json: AsJson = False,
) -> None:
    """Predict every document of a split (the answers are kept and reused) or of a file, in order.

    What trained the live version is scored with itself excluded.
    """
    if (file is None) == (split is None):
        raise typer.BadParameter("give either --split NAME or a FILE")
    if file is not None and (where or order_by):
        raise typer.BadParameter(
            "--where and --sort are of a --split; what is not stored is answered in its order"
        )
    rejections = Rejections("stdin" if str(file) == "-" else str(file))
    with connected() as client:
        classes = client.get_project(name).classes
        if file is None:
            answers = client.predict_split(
                name, split or "", neighbors=neighbors, coverage=coverage, where=where, order_by=order_by
            )
        else:
            asking = partial(
                client.predict,
                name,
                neighbors=neighbors,
                coverage=coverage,
                on_rejection=rejections.add,
            )
            answers = _of_file(client, name, file, form, classes, rejections, asking)
        show_predictions(answers, classes, as_json)
    rejections.end()


def _of_file(
    client: Client,
    name: str,
    file: Path,
    form: str | None,
    classes: Sequence[str],
    rejections: Rejections,
    ask: Callable[[Iterable[TextLike]], Iterator[Prediction]],
) -> Iterator[Prediction]:
    from reex.checking import Checker
    from reex.reading import OpenSource
    from reex.streaming import file_texts

    limits = client.server_info()
    given = sys.stdin.buffer if str(file) == "-" else file
    with OpenSource(given, form, limits.document_size_max_bytes) as source:
        checker = Checker(
            limits,
            cells=source.cells,
            classes=classes,
            attribute_count=client.get_classifier(name).attribute_count,
        )
        yield from ask(file_texts(source, checker, classes, rejections.add))
