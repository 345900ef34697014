"""`reexctl documents`: list and show what is stored."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from reex.cli import completion, views
from reex.cli.options import AsJson, Name, example
from reex.cli.session import connected, label_of

app = typer.Typer(no_args_is_help=True, help="Documents as they are stored.")


@app.command("list", epilog=example("reexctl documents list sentiment --split train --label positive --json"))
def list_documents(
    name: Name,
    split: Annotated[
        str | None,
        typer.Option("--split", help="Only this split.", autocompletion=completion.splits),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option("--label", help="Only this class: its name or index; -1 unlabelled, -99 none."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="At most so many.")] = None,
    as_json: AsJson = False,
) -> None:
    """List documents in the order they were first uploaded. With --json, lines that can be uploaded again."""
    with connected() as client:
        project = client.get_project(name)
        number = None if label is None else label_of(label, project.classes)
        documents = client.list_documents(name, split, label=number)
        views.documents(islice(documents, limit), project.classes, as_json)


@app.command(epilog=example("reexctl documents show sentiment review-17"))
def show(
    name: Name,
    document_id: Annotated[str, typer.Argument(metavar="ID", help="The document's id.")],
    as_json: AsJson = False,
) -> None:
    """Show one document in full."""
    with connected() as client:
        document = client.get_document(name, document_id)
        views.document(document, client.get_project(name).classes, as_json)
