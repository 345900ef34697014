"""`reexctl classifiers`: the versions of a project: list, show, compare, use, delete."""

from __future__ import annotations

from typing import Annotated

import typer

from reex.cli import completion, figures, overview, views
from reex.cli.options import AsJson, Name, Version, example
from reex.cli.progress import Progress
from reex.cli.session import connected

app = typer.Typer(no_args_is_help=True, help="Versions of the classifier. Each is immutable; one is live.")


@app.command("list", epilog=example("reexctl classifiers list sentiment"))
def list_classifiers(name: Name, as_json: AsJson = False) -> None:
    """List all versions, newest first."""
    with connected() as client:
        overview.versions(client.list_classifiers(name), name, as_json)


@app.command(
    epilog=example("reexctl classifiers show sentiment", "reexctl classifiers show sentiment v3 --json")
)
def show(
    name: Name,
    version: Annotated[
        str | None,
        typer.Argument(
            metavar="[VERSION]",
            help="Like v3. Default: the live one.",
            autocompletion=completion.versions,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a version: its counts, regions and warnings; with --json also settings, curves and digests."""
    with connected() as client:
        overview.version(client.get_classifier(name, version), name, as_json)


@app.command(epilog=example("reexctl classifiers compare sentiment v3 v4 --split test"))
def compare(
    name: Name,
    first: Version,
    second: Version,
    split: Annotated[
        str,
        typer.Option(
            "--split", help="Documents with labels. Default: test.", autocompletion=completion.splits
        ),
    ] = "test",
    as_json: AsJson = False,
) -> None:
    """Compare two versions on the documents of a split that neither of them used."""
    with connected() as client:
        with Progress() as progress:
            progress.show(f"scoring {split}", 0, 0)
            found = client.compare_classifiers(name, first, second, split)
        figures.comparison(found, as_json)


@app.command(epilog=example("reexctl classifiers use sentiment v3"))
def use(name: Name, version: Version, as_json: AsJson = False) -> None:
    """Make a version live, at once for everyone: the way back from a training, `add` or `recalibrate`."""
    with connected() as client:
        found = client.use_classifier(name, version)
    views.done(found.to_dict(), f"{found.name} is live", as_json)


@app.command(epilog=example("reexctl classifiers delete sentiment v1"))
def delete(name: Name, version: Version, as_json: AsJson = False) -> None:
    """Delete a version that is not live, with its predictions."""
    with connected() as client:
        client.delete_classifier(name, version)
    views.done({"deleted": version}, f"deleted {version}", as_json)
