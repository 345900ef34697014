"""`reexctl documents edit`, and what `reexctl split` changes: labels, splits, info and groups of stored documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from reex.cli import completion, exits, output, views
from reex.cli.confirm import confirm
from reex.cli.options import AsJson, Ids, Name, Where, WholeSplit, WouldChange, Yes, example
from reex.cli.session import connected, label_of

if TYPE_CHECKING:
    from reex import Client
    from reex.types import DocumentDeletion, DocumentEdit

EXAMPLES = example(
    "reexctl documents edit sentiment review-17 review-18 --set-label positive",
    "reexctl documents edit sentiment --split incoming --label positive --set-split train --dry-run",
    "reexctl documents edit sentiment --where \"text contains 'profit warning'\" --set-group warnings",
)


def edit(
    name: Name,
    ids: Ids = None,
    split: WholeSplit = None,
    label: Annotated[
        str | None,
        typer.Option(
            "--label", help="Of the split, only this class: its name or index; -1 unlabelled, -99 none."
        ),
    ] = None,
    where: Where = "",
    set_label: Annotated[
        str | None,
        typer.Option(
            "--set-label", metavar="CLASS", help="Name or index of a class; -1 no label, -99 no class."
        ),
    ] = None,
    set_split: Annotated[
        str | None,
        typer.Option(
            "--set-split", metavar="SPLIT", help="The split to move to.", autocompletion=completion.splits
        ),
    ] = None,
    set_info: Annotated[str | None, typer.Option("--set-info", metavar="TEXT", help="The new info.")] = None,
    set_group: Annotated[
        str | None, typer.Option("--set-group", metavar="TEXT", help="The new group.")
    ] = None,
    dry_run: WouldChange = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Set the label, split, info or group of documents, by id, of a split or of a filter.

    Labels that are set so are kept by `upload`, unless it is told otherwise. A version that was made from documents
    whose label changes, or that leave train and calibration, answers on and is stale.
    """
    if bool(ids) == bool(split or where):
        raise typer.BadParameter("give either ids, or --split NAME, --where FILTER or both")
    if ids and label is not None:
        raise typer.BadParameter("--label chooses documents of a --split; a new label is --set-label")
    if set_label is set_split is set_info is set_group is None:
        raise typer.BadParameter("say what to set: --set-label, --set-split, --set-info or --set-group")
    with connected() as client:
        classes = client.get_project(name).classes
        changes = {"set_split": set_split, "set_info": set_info, "set_group": set_group}
        if set_label is not None:
            changes["set_label"] = label_of(set_label, classes)
        number = None if label is None else label_of(label, classes)
        run(
            client,
            name,
            ids or (),
            {"split": split, "label": number, "where": where, **changes},
            dry_run,
            yes,
            as_json,
        )


def run(
    client: Client, name: str, ids: Any, options: dict[str, Any], dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Edit, after a question where a whole split is meant; exit code 3 where an id has no document."""
    rehearse = dry_run or not (yes or ids)
    found = client.edit_documents(name, ids, validate_only=rehearse, **options)
    if rehearse and not dry_run:
        if found.changed:
            confirm(f"change {counted(found.changed)} of {name}?{used(found, 'would be stale')}")
        found = client.edit_documents(name, ids, **options)
    said = f"{'would change' if dry_run else 'changed'} {counted(found.changed)}"
    if found.unchanged:
        said += f"; {found.unchanged:,} {'is' if found.unchanged == 1 else 'are'} so already"
    end(found, f"{said}.{used(found, 'would be stale' if dry_run else 'is stale')}", as_json)


def end(found: DocumentEdit | DocumentDeletion, said: str, as_json: bool) -> None:
    """What was done, and the ids that no document has; exit code 3 where there are such."""
    for each in found.missing_ids:
        output.note(f"there is no document with the id {output.safe(repr(each))}")
    views.done(found.to_dict(), said, as_json)
    if found.missing_ids:
        raise typer.Exit(exits.NOT_FOUND)


def counted(documents: int) -> str:
    return f"{documents:,} document{'' if documents == 1 else 's'}"


def used(found: DocumentEdit | DocumentDeletion, becomes: str) -> str:
    """That the live version is concerned, as a sentence to follow; empty where it is not."""
    if not found.used_by_live:
        return ""
    return (
        f" {found.classifier}, the live version, was made from {found.used_by_live:,} of them and {becomes}."
    )
