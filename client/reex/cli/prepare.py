"""`reexctl prepare`: public data sets into files that `upload` takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from reex.cli import output
from reex.cli.options import AsJson, example

app = typer.Typer(no_args_is_help=True, help="Public data sets into files for upload.")


@app.callback()
def group() -> None:
    """Public data sets into files for upload."""


@app.command(
    "financial-phrasebank",
    epilog=example("reexctl prepare financial-phrasebank all-data.csv --out phrasebank"),
)
def financial_phrasebank(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="all-data.csv, as it is downloaded."
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", file_okay=False, help="Folder to write to; made when missing.")
    ],
    as_json: AsJson = False,
) -> None:
    """Remake the published split: 900 train, 3,046 calibration, 900 test. Needs no daemon."""
    from reex.phrasebank import CLASSES, split

    splits = split(file)
    out.mkdir(parents=True, exist_ok=True)
    labels = [{"label": label, "name": name} for label, name in enumerate(CLASSES)]
    files = {
        "train.jsonl": splits.train,
        "calibration.jsonl": splits.calibration,
        "test.jsonl": splits.test,
        "labels.jsonl": labels,
    }
    for name, lines in files.items():
        _write(out / name, lines)
    counts = {name: len(lines) for name, lines in files.items()}
    if as_json:
        output.object_line({"folder": str(out), "lines": counts})
    else:
        for name, count in counts.items():
            output.line(f"{out / name}: {count:,} lines")
        output.note(f"next: reexctl project create phrasebank --labels {out / 'labels.jsonl'}")
        for name in ("train", "calibration", "test"):
            output.note(f"      reexctl upload phrasebank {out / name}.jsonl --split {name}")


def _write(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    fresh = path.with_name(f".{path.name}.part")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
