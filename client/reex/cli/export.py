"""`reexctl export`: the documents of a split as a folder that the official tools read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reex.cli import completion, output, views
from reex.cli.options import AsJson, Name, example
from reex.cli.progress import Progress
from reex.cli.session import connected

EXAMPLES = example(
    "reexctl export sentiment --split test --out test.sdmdataset",
    "sdm score --model sentiment.sdmkitmodel --input test.sdmdataset --output scored.jsonl",
)


def export(
    name: Name,
    split: Annotated[
        str,
        typer.Option("--split", help="Whose documents to write.", autocompletion=completion.splits),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="A new folder that ends in .sdmdataset.")
    ],
    no_vectors: Annotated[
        bool,
        typer.Option("--no-vectors", help="Ids, labels and texts alone: no language model runs."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the documents of a split with the hidden states that the live version reads, as a .sdmdataset.

    Documents that were not embedded yet are. `reexctl upload` takes such a folder back.
    """
    with connected() as client, Progress() as progress:
        progress.show(f"exporting {split}", 0, 0)
        written = client.export_documents(name, split, out, with_vectors=not no_vectors)
    views.done(
        {"project": name, "split": split, "folder": str(written)},
        f"wrote {output.safe(str(written))}",
        as_json,
    )
