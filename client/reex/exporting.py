"""Documents as lines or tables for other programs: JSON Lines, CSV, TSV, Parquet; with what the live version says.

Owns names, order and cells of the columns. What is written can be uploaded again; it appears whole or not at all, and
never over anything. `ExportCalls` and `AsyncExportCalls` are the parts of `Client` and `AsyncClient` that write it.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import IO, Any

from reex.errors import Conflict, InvalidArgument
from reex.portable import umask
from reex.reading import form_of
from reex.tables import write_parquet
from reex.types import OUT_OF_DISTRIBUTION, UNLABELLED, Document, Prediction

FORMS = ("jsonl", "csv", "tsv", "parquet")
# Of a prediction, what is written unless fields are named: one value a cell.
PREDICTED = [
    "label_name",
    "prediction",
    "prediction_name",
    "probability",
    "probability_lower",
    "probability_upper",
    "probability_documents",
    "region_alpha",
    "lower_region_alpha",
    "reliability",
    "reason",
    "q",
    "d0",
    "d",
    "q_prime",
    "role",
    "classifier",
    "stale",
]
_SAID = (
    "label_name",
    *(each.name for each in fields(Prediction) if each.name not in ("id", "label", "text")),
)
_STORED = (
    "id",
    "label",
    "document",
    "prompt",
    "info",
    "group",
    "attributes",
    "split",
    "revision",
    "update_time",
)
_NO_CLASS = {UNLABELLED: "unlabelled", OUT_OF_DISTRIBUTION: "out-of-distribution"}


@dataclass
class Table:
    """The rows of one export. Raises InvalidArgument for another ending, Conflict when something is there."""

    path: Path
    wanted: tuple[str, ...]
    predicted: bool  # whether predictions are needed
    classes: tuple[str, ...] = ()
    said: dict[str, Prediction] = field(default_factory=dict)  # by id
    rows: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def at(cls, path: str | os.PathLike[str], wanted: Sequence[str], predictions: bool) -> Table:
        if isinstance(wanted, str):
            raise InvalidArgument(f"expected fields as a list of names, received the string {wanted!r:.60}")
        target = Path(path).absolute()
        if target.suffix.lstrip(".").lower() not in (*FORMS, "ndjson"):
            raise InvalidArgument(
                f"expected a file that ends in .{', .'.join(FORMS)}, or a new folder that ends in .sdmdataset;"
                f" received {target.name!r}"
            )
        _refuse_existing(target)
        return cls(target, tuple(wanted), predictions or any(name in _SAID for name in wanted))

    def asked(self, neighbors: int) -> int:
        """How many neighbours to ask for: none where they are not written."""
        return neighbors if "neighbors" in self.wanted else 0

    def add(self, document: Document) -> None:
        row = document.to_dict()
        if self.predicted:
            label = document.label
            known = 0 <= label < len(self.classes)
            row["label_name"] = self.classes[label] if known else _NO_CLASS.get(label, str(label))
            answer = self.said.get(document.id)
            row |= {} if answer is None else {k: v for k, v in answer.to_dict().items() if k in _SAID}
        self.rows.append(row)

    def columns(self) -> list[str]:
        """The fields that were named, or what is stored, other keys of any document, and PREDICTED where wanted. Raises
        InvalidArgument for a name that is none of these."""
        held = dict.fromkeys(name for row in self.rows for name in row)
        if unknown := [name for name in self.wanted if name not in (*_STORED, *_SAID, *held)]:
            others = ", ".join(name for name in held if name not in (*_STORED, *_SAID))
            raise InvalidArgument(
                f"there is no field {unknown[0]!r}; expected some of {', '.join(_STORED)};"
                f" {', '.join(_SAID)}{'; ' * bool(others)}{others}"
            )
        if self.wanted:
            return list(dict.fromkeys(self.wanted))
        stored = [name for name in _STORED if name in held or (not self.rows and name in _STORED[:3])]
        others = [name for name in held if name not in (*_STORED, *_SAID)]
        return [*stored[:3], *(PREDICTED if self.predicted else ()), *stored[3:], *others]

    def write(self) -> Path:
        """On disk, then under its name."""
        columns = self.columns()
        rows = [{name: row[name] for name in columns if name in row} for row in self.rows]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, building = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                _WRITERS[form_of(self.path)](stream, columns, rows)
                stream.flush()
                os.fsync(stream.fileno())
            _refuse_existing(self.path)
            Path(building).chmod(0o666 & ~umask())
            Path(building).rename(self.path)
        finally:
            Path(building).unlink(missing_ok=True)
        return self.path


def _refuse_existing(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise Conflict(
            f"{str(path)!r} exists, and exports never overwrite; move it away or choose another name"
        )


def _lines(stream: IO[bytes], _columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        stream.write((json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n").encode())


def _delimited(delimiter: str) -> Any:
    def write(stream: IO[bytes], columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
        text.flush()
        text.detach()

    return write


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


_WRITERS: dict[str, Any] = {
    "jsonl": _lines,
    "csv": _delimited(","),
    "tsv": _delimited("\t"),
    "parquet": write_parquet,
}


class ExportCalls:
    """The part of `Client` that writes lines and tables."""

    def export_table(
        self,
        project: str,
        path: str | os.PathLike[str],
        *,
        split: str | None = None,
        label: int | None = None,
        predictions: bool = False,
        fields: Sequence[str] = (),
        neighbors: int = 5,
    ) -> Path:
        """Write the documents of a split, or all, as a new file: JSON Lines, CSV, TSV or Parquet by its name.

        `predictions`: with what the live version says of each; what is not scored yet is. `fields` names exactly what
        is written, of the keys of a document and of a prediction, `neighbors` and `probabilities` for instance. Cells
        of CSV that are no text or number are JSON. Raises NotFound, NotTrained, InvalidArgument, Conflict when
        something is there.
        """
        client: Any = self
        table = Table.at(path, fields, predictions)
        table.classes = client.get_project(project).classes
        if table.predicted:
            names = (
                [split] if split else [each.split for each in client.split_summary(project) if each.documents]
            )
            for name in names:
                for answer in client.predict_split(project, name, neighbors=table.asked(neighbors)):
                    table.said[answer.id] = answer
        for document in client.list_documents(project, split, label=label):
            table.add(document)
        return table.write()


class AsyncExportCalls:
    """The part of `AsyncClient` that writes lines and tables; see `ExportCalls`. The file is written in a thread."""

    async def export_table(
        self,
        project: str,
        path: str | os.PathLike[str],
        *,
        split: str | None = None,
        label: int | None = None,
        predictions: bool = False,
        fields: Sequence[str] = (),
        neighbors: int = 5,
    ) -> Path:
        client: Any = self
        table = Table.at(path, fields, predictions)
        table.classes = (await client.get_project(project)).classes
        if table.predicted:
            summary = await client.split_summary(project)
            for name in [split] if split else [each.split for each in summary if each.documents]:
                answers = client.predict_split(project, name, neighbors=table.asked(neighbors))
                async with aclosing(answers) as stream:
                    async for answer in stream:
                        table.said[answer.id] = answer
        async with aclosing(client.list_documents(project, split, label=label)) as documents:
            async for document in documents:
                table.add(document)
        return await asyncio.to_thread(table.write)
