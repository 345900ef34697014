"""Arguments and options that several commands share, so that each has one name, one help and one completion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reex.cli import completion
from reex.portable import is_dataset

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the project.", autocompletion=completion.projects)
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON: an object, or one a line where results are many.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Documents by their ids.")]
WholeSplit = Annotated[
    str | None,
    typer.Option("--split", help="Every document of this split.", autocompletion=completion.splits),
]
Where = Annotated[
    str,
    typer.Option(
        "--where", metavar="FILTER", help="Only documents that a filter holds for: docs/filters.md."
    ),
]
WouldChange = Annotated[bool, typer.Option("--dry-run", help="Say what would be changed, change nothing.")]
Neighbors = Annotated[
    int,
    typer.Option(
        "--neighbors",
        "-n",
        metavar="N",
        min=0,
        help="Nearest training documents with each answer. Default: 5.",
    ),
]
Coverage = Annotated[
    float,
    typer.Option(
        "--coverage",
        metavar="SHARE",
        min=0.5,
        max=0.999,
        help="How often, approximately, the prediction set is to hold the class of documents like those of "
        "calibration. Default: 0.9.",
    ),
]
Offline = Annotated[
    bool, typer.Option("--offline", help="Fail rather than download a missing language model.")
]
Format = Annotated[
    str | None,
    typer.Option("--format", help="jsonl, csv, tsv or parquet. Default: by the file's name; stdin jsonl."),
]
JobName = Annotated[
    str, typer.Argument(metavar="JOB", help="Name of the job, like train-12.", autocompletion=completion.jobs)
]
Version = Annotated[
    str, typer.Argument(metavar="VERSION", help="Like v3.", autocompletion=completion.versions)
]


def readable(file: Path | None) -> Path | None:
    """Typer's own check of `exists` takes the dash of stdin for a file. A pipe is one: <(zcat lines.jsonl.gz)."""
    if file is None or str(file) == "-" or is_dataset(file):
        return file
    if file.is_dir():
        raise typer.BadParameter(f"expected a file, received the folder {str(file)!r}")
    if not file.exists():
        raise typer.BadParameter(f"there is no file {str(file)!r}")
    return file


def example(*lines: str) -> str:
    """The end of a help text. The leading \\b keeps the lines as they are."""
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\n".join(["\b", title, *(f"  {line}" for line in lines)])
