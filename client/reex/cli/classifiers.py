"""`reexctl classifiers`: the versions of a project: list, show, compare, use, delete, export, import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reex.cli import completion, figures, output, overview, views
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
    """Make a version live, at once for everyone: the way back from a training or `recalibrate`.

    Documents stay as they are: what `add` set of labels and splits goes back with `reexctl add NAME --undo`.
    """
    with connected() as client:
        found = client.use_classifier(name, version)
    views.done(found.to_dict(), f"{found.name} is live", as_json)


@app.command(epilog=example("reexctl classifiers delete sentiment v1"))
def delete(name: Name, version: Version, as_json: AsJson = False) -> None:
    """Delete a version that is not live, with its predictions."""
    with connected() as client:
        client.delete_classifier(name, version)
    views.done({"deleted": version}, f"deleted {version}", as_json)


@app.command(
    epilog=example(
        "reexctl classifiers export sentiment --out sentiment.sdmkitmodel",
        "reexctl classifiers export sentiment v3 --out v3.sdmkitmodel --with-documents",
    )
)
def export(
    name: Name,
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="A new folder that ends in .sdmkitmodel.")
    ],
    version: Annotated[
        str | None,
        typer.Argument(
            metavar="[VERSION]",
            help="Like v3. Default: the live one.",
            autocompletion=completion.versions,
        ),
    ] = None,
    with_documents: Annotated[
        bool,
        typer.Option("--with-documents", help="Put the texts of the support into it. Default: ids alone."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a version as a .sdmkitmodel, which the official package scores to the same numbers."""
    with connected() as client, Progress() as progress:
        progress.show("exporting", 0, 0)
        written = client.export_classifier(name, out, version, with_documents=with_documents)
    facts = {"project": name, "version": version or "live", "folder": str(written)}
    views.done(facts, f"wrote {output.safe(str(written))}", as_json)


@app.command("import", epilog=example("reexctl classifiers import sentiment theirs.sdmkitmodel"))
def import_classifier(
    name: Name,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A .sdmkitmodel of the project's classes.")
    ],
    assume_model: Annotated[
        bool,
        typer.Option(
            "--assume-model",
            help="It was trained on hidden states of the project's language model, whatever it calls them.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take a .sdmkitmodel as the next version of the project. It is live only where there was none."""
    with connected() as client:
        with Progress() as progress:
            progress.show("importing", 0, 0)
            found = client.import_classifier(name, folder, assume_model=assume_model)
        overview.imported(found, name, as_json)
