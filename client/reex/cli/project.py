"""`reexctl project`: create, list, show, set, delete."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reex.cli import completion, output, views
from reex.cli.confirm import confirm
from reex.cli.options import AsJson, Name, Yes, example
from reex.cli.session import connected
from reex.errors import DataLoss

if TYPE_CHECKING:
    from reex import Client

app = typer.Typer(no_args_is_help=True, help="Projects: documents, classes, and what was trained on them.")

Classes = Annotated[
    str | None, typer.Option("--classes", metavar="A,B,...", help="Class names; the position is the label.")
]
LabelsFile = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        exists=True,
        dir_okay=False,
        help='Class names from lines like {"label": 0, "name": "negative"}.',
    ),
]
Model = Annotated[
    str | None,
    typer.Option("--model", help="Language model. Default: minilm.", autocompletion=completion.models),
]
Pooling = Annotated[
    str | None,
    typer.Option(
        "--pooling",
        metavar="WORD+...",
        help="How token states become a vector: mean, max, first, last joined by +, @4 for an average of the last"
        " four layers, :unit for vectors of one length. Default: the model's own.",
    ),
]
DocumentPrefix = Annotated[
    str | None,
    typer.Option(
        "--document-prefix",
        metavar="TEXT",
        help='Read before each document and each text to classify, like "passage: "; none for nothing. Default: the'
        " model's own.",
    ),
]
QueryPrefix = Annotated[
    str | None,
    typer.Option(
        "--query-prefix",
        metavar="TEXT",
        help='Read before the question of a search, like "query: "; none for nothing. Default: the model\'s own.',
    ),
]
Prompt = Annotated[
    str | None, typer.Option("--prompt", help="Instruction for language models that read one.")
]
Alpha = Annotated[
    float | None,
    typer.Option(
        "--alpha", metavar="X", help="Reliability asked for by default, in (0.5, 1). Default: 0.95."
    ),
]


@app.command(
    epilog=example(
        "reexctl project create sentiment --classes negative,neutral,positive",
        "reexctl project create intents --labels labels.jsonl --model minilm --pooling mean+max@4",
    )
)
def create(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Small letters, digits, dot, dash, underscore.")
    ],
    classes: Classes = None,
    labels: LabelsFile = None,
    model: Model = None,
    pooling: Pooling = None,
    document_prefix: DocumentPrefix = None,
    query_prefix: QueryPrefix = None,
    prompt: Prompt = None,
    alpha: Alpha = None,
    as_json: AsJson = False,
) -> None:
    """Create a project."""
    with connected() as client:
        project = client.create_project(
            name,
            _class_names(classes, labels),
            model=model,
            pooling=pooling,
            document_prefix=document_prefix,
            query_prefix=query_prefix,
            prompt=prompt,
            alpha=alpha,
        )
    views.project(project, as_json)
    if not as_json:
        output.note(f"next: reexctl upload {name} FILE --split train")


def _class_names(classes: str | None, labels: Path | None) -> list[str]:
    from reex.labels import merge, read_labels

    given = [each.strip() for each in classes.split(",")] if classes else []
    if labels is not None:
        return merge(given, read_labels(labels))
    if not given:
        raise typer.BadParameter("give the class names with --classes A,B,... or --labels FILE")
    return given


@app.command("list", epilog=example("reexctl project list"))
def list_projects(as_json: AsJson = False) -> None:
    """List all projects."""
    with connected() as client:
        views.projects(client.list_projects(), as_json)


@app.command(epilog=example("reexctl project show sentiment"))
def show(name: Name, as_json: AsJson = False) -> None:
    """Show a project's settings."""
    with connected() as client:
        views.project(client.get_project(name), as_json)


@app.command(
    "set",
    epilog=example(
        "reexctl project set sentiment --classes bad,neutral,good,mixed --alpha 0.9",
        "reexctl project set sentiment --document-prefix 'passage: ' --query-prefix 'query: '",
    ),
)
def change(
    name: Name,
    classes: Classes = None,
    model: Model = None,
    pooling: Pooling = None,
    document_prefix: DocumentPrefix = None,
    query_prefix: QueryPrefix = None,
    prompt: Prompt = None,
    alpha: Alpha = None,
    as_json: AsJson = False,
) -> None:
    """Change settings. Classes may be renamed and appended, never removed or renumbered."""
    named = [each.strip() for each in classes.split(",")] if classes else None
    given: dict[str, Any] = {
        "classes": named,
        "model": model,
        "pooling": pooling,
        "document_prefix": document_prefix,
        "query_prefix": query_prefix,
        "prompt": prompt,
        "alpha": alpha,
    }
    changes = {key: value for key, value in given.items() if value is not None}
    if not changes:
        raise typer.BadParameter(
            "give at least one of --classes, --model, --pooling, --document-prefix, --query-prefix, --prompt, --alpha"
        )
    with connected() as client:
        views.project(client.update_project(name, **changes), as_json)


def _held(client: Client, name: str) -> str:
    """What would go with a project; nobody can count it in a damaged store, which is deleted all the same."""
    try:
        return f"its {client.get_project(name).document_count:,} documents"
    except DataLoss as error:
        output.note(f"warning: {output.safe(error.message)}")
        return "all that its damaged store holds"


@app.command(epilog=example("reexctl project delete old-experiment --yes"))
def delete(
    name: Name,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete a project with its documents, classifiers and predictions."""
    with connected() as client:
        if not yes:
            confirm(f"delete {name} and {_held(client, name)}?")
        client.delete_project(name)
    views.done({"deleted": name}, f"deleted {name}", as_json)
