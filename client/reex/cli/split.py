"""`reexctl split`: what the splits of a project hold; rename, empty and merge them."""

from __future__ import annotations

from typing import Annotated

import typer

from reex.cli import completion, documents, edit, views
from reex.cli.options import AsJson, Name, WouldChange, Yes, example
from reex.cli.session import connected, label_of

app = typer.Typer(no_args_is_help=True, help="Splits: train, calibration, test, and any other.")

Split = Annotated[
    str, typer.Argument(metavar="SPLIT", help="Name of a split.", autocompletion=completion.splits)
]


@app.callback()
def group() -> None:
    """Splits: train, calibration, test, and any other."""


@app.command(epilog=example("reexctl split summary sentiment"))
def summary(name: Name, as_json: AsJson = False) -> None:
    """Documents and labels by split."""
    with connected() as client:
        views.splits(client.split_summary(name), as_json)


@app.command(epilog=example("reexctl split rename sentiment incoming december"))
def rename(
    name: Name,
    split: Split,
    new_name: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.")],
    as_json: AsJson = False,
) -> None:
    """Give a split another name; train, calibration and test keep theirs."""
    with connected() as client:
        client.rename_split(name, split, new_name)
    views.done({"split": split, "new_name": new_name}, f"{split} is {new_name} now", as_json)


@app.command(
    epilog=example(
        "reexctl split transfer sentiment incoming train",
        "reexctl split transfer sentiment incoming train --label positive --dry-run",
    )
)
def transfer(
    name: Name,
    split: Split,
    target: Annotated[
        str,
        typer.Argument(
            metavar="TO", help="The split to move to, or a new one.", autocompletion=completion.splits
        ),
    ],
    label: Annotated[
        str | None,
        typer.Option("--label", help="Only this class: its name or index; -1 unlabelled, -99 none."),
    ] = None,
    dry_run: WouldChange = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Move the documents of a split into another one."""
    with connected() as client:
        number = None if label is None else label_of(label, client.get_project(name).classes)
        options = {"split": split, "label": number, "set_split": target}
        edit.run(client, name, (), options, dry_run, yes, as_json)


@app.command(epilog=example("reexctl split delete sentiment incoming"))
def delete(
    name: Name, split: Split, dry_run: WouldChange = False, yes: Yes = False, as_json: AsJson = False
) -> None:
    """Delete the documents of a split, like `documents delete --split`."""
    documents.delete(name, split=split, dry_run=dry_run, yes=yes, as_json=as_json)
