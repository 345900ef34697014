"""`reexctl add`: documents into the support of the live classifier, without training."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated

import typer

from reex.cli import overview
from reex.cli.options import AsJson, Name, example
from reex.cli.session import connected, label_of
from reex.errors import InvalidDocument, NotFound
from reex.types import OUT_OF_DISTRIBUTION

if TYPE_CHECKING:
    from reex import Client

EXAMPLES = example(
    "reexctl add sentiment --id review-17 --id review-18 --label positive",
    'reexctl add sentiment "Shares were flat." --label neutral',
    'reexctl add sentiment "Win a free phone now" --label -99',
    "reexctl add sentiment --undo",
)


def add(
    name: Name,
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="A text; a new one is stored in the split train.")
    ] = None,
    ids: Annotated[
        list[str] | None,
        typer.Option("--id", metavar="ID", help="A stored document; may be given several times."),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            "--label",
            metavar="CLASS",
            help="Name or index of a class; -99 for what belongs to none. Default: each document's own.",
        ),
    ] = None,
    undo: Annotated[
        bool,
        typer.Option(
            "--undo",
            help="Take back the `add` that made the live version, with the labels and splits it set.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add documents to the support of the live classifier, as a new version that is live at once.

    Neighbours and similarity follow; no prediction changes. Documents near one labelled -99 lose reliability. Stored
    documents outside train and calibration move to train. With --undo the version before is live again, and labels and
    splits are what they were, but for documents that were edited since. A new TEXT stays in train, without a label.
    """
    if undo:
        if text is not None or ids or label is not None:
            raise typer.BadParameter(
                "--undo takes the last `add` back whole: leave out TEXT, --id and --label"
            )
        with connected() as client:
            overview.undone(client.undo_add_to_support(name), as_json)
        return
    if (text is None) == (not ids):
        raise typer.BadParameter("give either a TEXT or documents with --id ID")
    if text is not None and label is None:
        raise typer.BadParameter("say what the TEXT is with --label CLASS, or --label -99")
    with connected() as client:
        number = None
        if label is not None:
            number = label_of(label, client.get_project(name).classes, none=(OUT_OF_DISTRIBUTION,))
        chosen = ids or [_stored(client, name, text or "")]
        found = client.add_to_support(name, chosen, label=number)
        overview.made(found, name, as_json)


def _stored(client: Client, name: str, text: str) -> str:
    """The id of a text, under the digest that a document without id has. One that is new is stored in train.

    It gets no label here, and one that is there is left alone: what `add` changes of a document, it can give back.
    A text is asked about before it is stored: one that the live version cannot read would stay behind.
    """
    document_id = hashlib.sha256(text.encode()).hexdigest()[:32]
    try:
        if client.get_document(name, document_id).text == text:
            return document_id
    except NotFound:
        pass
    client.query(name, text, neighbors=0)
    result = client.upload(name, [{"id": document_id, "document": text}], "train")
    for rejection in result.rejections:
        raise InvalidDocument(f"{rejection.field}: {rejection.reason}")
    return document_id
