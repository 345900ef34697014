"""`reexctl documents`: list, show, edit and delete what is stored."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from reex.cli import completion, edit, views
from reex.cli.confirm import confirm
from reex.cli.options import AsJson, Ids, Name, Where, WholeSplit, Yes, example
from reex.cli.session import connected, label_of

app = typer.Typer(no_args_is_help=True, help="Documents as they are stored.")


@app.command(
    "list",
    epilog=example(
        "reexctl documents list sentiment --split train --label positive --json",
        'reexctl documents list sentiment --where "wrong and alpha >= 0.9"',
    ),
)
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
    where: Where = "",
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="At most so many.")] = None,
    as_json: AsJson = False,
) -> None:
    """List documents in the order they were first uploaded. With --json, lines that can be uploaded again."""
    with connected() as client:
        project = client.get_project(name)
        number = None if label is None else label_of(label, project.classes)
        documents = client.list_documents(name, split, label=number, where=where)
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


app.command(epilog=edit.EXAMPLES)(edit.edit)


@app.command(
    epilog=example(
        "reexctl documents delete sentiment review-17 review-18",
        "reexctl documents delete sentiment --split incoming --dry-run",
        "reexctl documents delete sentiment --where \"group = 'import 7' and not labelled\"",
    )
)
def delete(
    name: Name,
    ids: Ids = None,
    split: WholeSplit = None,
    where: Where = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be deleted, delete nothing.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete documents with their predictions. Versions that were trained on them answer on, and are stale."""
    if bool(ids) == bool(split or where):
        raise typer.BadParameter("give either ids, or --split NAME, --where FILTER or both")
    with connected() as client:
        found = client.delete_documents(name, ids or (), split=split, where=where, validate_only=True)
        if found.deleted and not dry_run:
            if not yes:
                confirm(
                    f"delete {edit.counted(found.deleted)} of {name}?{edit.used(found, 'would be stale')}"
                )
            found = client.delete_documents(name, ids or (), split=split, where=where)
    done = f"{'would delete' if dry_run else 'deleted'} {edit.counted(found.deleted)}."
    edit.end(found, done + edit.used(found, "would be stale" if dry_run else "is stale"), as_json)
