"""Arguments and options that several commands share, so that each has one name, one help and one completion."""

from __future__ import annotations

from typing import Annotated

import typer

from reex.cli import completion

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the project.", autocompletion=completion.projects)
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON: an object, or one a line where results are many.")
]
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
JobName = Annotated[
    str, typer.Argument(metavar="JOB", help="Name of the job, like train-12.", autocompletion=completion.jobs)
]
Version = Annotated[
    str, typer.Argument(metavar="VERSION", help="Like v3.", autocompletion=completion.versions)
]


def example(*lines: str) -> str:
    """The end of a help text. The leading \\b keeps the lines as they are."""
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\n".join(["\b", title, *(f"  {line}" for line in lines)])
