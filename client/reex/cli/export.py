"""`reexctl export`: documents as lines or a table, or as a folder that the official tools read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reex.cli import completion, output, views
from reex.cli.options import AsJson, Name, Where, example
from reex.cli.progress import Progress
from reex.cli.session import connected, label_of

EXAMPLES = example(
    "reexctl export sentiment --split test --out test.csv --predictions",
    "reexctl export sentiment --out everything.jsonl",
    "reexctl export sentiment --split test --out q.parquet --fields id,label,prediction,q,d,neighbors",
    "reexctl export sentiment --split test --out test.sdmdataset",
    "sdm score --model sentiment.sdmkitmodel --input test.sdmdataset --output scored.jsonl",
)


def export(
    name: Name,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="PATH",
            help="A new file that ends in .jsonl, .csv, .tsv or .parquet, or a new folder that ends in .sdmdataset.",
        ),
    ],
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            help="Whose documents to write. Default: of all splits.",
            autocompletion=completion.splits,
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option("--label", help="Only this class: its name or index; -1 unlabelled, -99 none."),
    ] = None,
    where: Where = "",
    predictions: Annotated[
        bool, typer.Option("--predictions", help="With what the live version says of each document.")
    ] = False,
    fields: Annotated[
        str | None,
        typer.Option(
            "--fields",
            metavar="A,B,...",
            help="Exactly these, of a document's keys and a prediction's, as `predict --json` names them.",
        ),
    ] = None,
    no_vectors: Annotated[
        bool,
        typer.Option(
            "--no-vectors", help="A .sdmdataset of ids, labels and texts alone: no language model runs."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write documents as JSON Lines, CSV, TSV or Parquet, with predictions where asked, or as a .sdmdataset.

    A .sdmdataset holds one split with the hidden states that the live version reads; documents that were not embedded
    yet are. `reexctl upload` takes back whatever is written here, predictions as unknown keys.
    """
    dataset = out.suffix == ".sdmdataset"
    if dataset and (split is None or label is not None or where or predictions or fields):
        raise typer.BadParameter(
            "a .sdmdataset holds a whole --split, without --label, --where, --predictions and --fields"
        )
    if no_vectors and not dataset:
        raise typer.BadParameter("--no-vectors is of a .sdmdataset; lines and tables hold none")
    with connected() as client, Progress() as progress:
        progress.show(f"exporting {split or name}", 0, 0)
        if dataset:
            written = client.export_documents(name, split or "", out, with_vectors=not no_vectors)
        else:
            number = None if label is None else label_of(label, client.get_project(name).classes)
            wanted = [each.strip() for each in fields.split(",")] if fields else ()
            written = client.export_table(
                name, out, split=split, label=number, where=where, predictions=predictions, fields=wanted
            )
    kind = "folder" if dataset else "file"
    views.done(
        {"project": name, "split": split, kind: str(written)}, f"wrote {output.safe(str(written))}", as_json
    )
