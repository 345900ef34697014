"""`reexctl query`: one text, or a stream of them, against the live classifier."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from reex.cli import answers, output
from reex.cli.explaining import explanation
from reex.cli.options import AsJson, Coverage, Name, Neighbors, Offline, example
from reex.cli.pulling import with_model
from reex.cli.rejections import Rejections
from reex.cli.session import connected, label_of

if TYPE_CHECKING:
    from reex import Client
    from reex.texts import TextLike
    from reex.types import Prediction

EXAMPLES = example(
    'reexctl query sentiment "Operating profit rose to EUR 13.1 mn."',
    'reexctl query sentiment -- "-5 degrees."',
    'reexctl query sentiment --explain "Sales rose, yet the loss widened."',
    'reexctl query sentiment --coverage 0.95 "Sales were flat."',
    "tail -f headlines.txt | reexctl query sentiment - > answers.jsonl",
)


def query(
    name: Name,
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="The text; - reads stdin: one text a line, or JSON Lines.")
    ],
    neighbors: Neighbors = 5,
    coverage: Coverage = 0.9,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Also say what each token and sentence adds to the class's logit."),
    ] = False,
    explained: Annotated[
        str | None,
        typer.Option("--class", metavar="CLASS", help="With --explain: this class, not the predicted one."),
    ] = None,
    offline: Offline = False,
    as_json: AsJson = False,
) -> None:
    """Ask for the class of a text, how probable it is, whether it can be trusted, and the training documents behind it.

    With - the answers are JSON Lines, in order, each as soon as it is there.
    """
    if text == "-" and explain:
        raise typer.BadParameter("--explain is of one TEXT, not of stdin")
    if explained is not None and not explain:
        raise typer.BadParameter("--class is of --explain")
    with connected() as client:
        if text == "-":
            _stream(client, name, neighbors, coverage, offline)
            return
        if explain:
            classes = client.get_project(name).classes
            label = None if explained is None else label_of(explained, classes)
            ask = partial(client.explain, name, text, label=label, neighbors=neighbors)
            explanation(with_model(client, name, ask, offline=offline), classes, as_json)
            return
        answer = _ask(client, name, text, neighbors, coverage, offline)
        answers.prediction(answer, client.get_project(name).classes, as_json)


def _ask(
    client: Client, name: str, text: TextLike, neighbors: int, coverage: float, offline: bool
) -> Prediction:
    def ask() -> tuple[Prediction, ...]:
        return client.query(name, text, neighbors=neighbors, coverage=coverage)

    return with_model(client, name, ask, offline=offline)[0]


def _stream(client: Client, name: str, neighbors: int, coverage: float, offline: bool) -> None:
    """The first text alone, so that a missing model or classifier is said before stdin is consumed."""
    from reex.checking import Checker
    from reex.streaming import text_lines

    rejections = Rejections("stdin")
    classes = client.get_project(name).classes
    checker = Checker(client.server_info(), attribute_count=client.get_classifier(name).attribute_count)
    texts = text_lines(sys.stdin.buffer, checker, classes, rejections.add)
    for first in texts:
        output.object_line(_ask(client, name, first, neighbors, coverage, offline).to_dict())
        for answer in client.predict(
            name, texts, neighbors=neighbors, coverage=coverage, on_rejection=rejections.add
        ):
            output.object_line(answer.to_dict())
    rejections.end()
