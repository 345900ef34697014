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
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import fields
from pathlib import Path
from typing import IO, Any, TypeAlias

from reex.errors import Conflict, InvalidArgument
from reex.reading import CSV, FORMATS, JSON_LINES, PARQUET, TSV, form_of
from reex.tables import write_parquet
from reex.types import OUT_OF_DISTRIBUTION, UNLABELLED, Document, Prediction

ANSWERS_AHEAD = 2_000  # held while a document has none
Rows: TypeAlias = Callable[[], Iterator[dict[str, Any]]]  # from the first one, as often as called
Writer: TypeAlias = Callable[[IO[bytes], Sequence[str], Rows], None]
# Of a prediction, what is written unless fields are named: one value a cell.
PREDICTED = [
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
_LABEL_NAME = "label_name"  # needs no prediction
_SAID = tuple(each.name for each in fields(Prediction) if each.name not in ("id", "label", "text"))
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


class Table:
    """The rows of one export: first laid aside on disk, for only the last one tells which columns there are.

    Use it as a context manager: whatever was not written is gone.
    """

    def __init__(self, path: str | os.PathLike[str], wanted: Sequence[str], predictions: bool) -> None:
        """Raises InvalidArgument for another ending, Conflict when something is there."""
        if isinstance(wanted, str):
            raise InvalidArgument(f"expected fields as a list of names, received the string {wanted!r:.60}")
        self.path = Path(path).absolute()
        if self.path.suffix.lower() not in (*(f".{form}" for form in FORMATS), ".ndjson"):
            raise InvalidArgument(
                f"expected a file that ends in .{', .'.join(FORMATS)}, or a new folder that ends in .sdmdataset;"
                f" received {self.path.name!r}"
            )
        _refuse_existing(self.path)
        self.predicted = predictions or any(name in _SAID for name in wanted)
        self.classes: tuple[str, ...] = ()
        self._wanted = tuple(dict.fromkeys(wanted))
        self._held: dict[str, None] = {}  # names of what any row has
        self._aside: IO[bytes] | None = None

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._aside is not None:
            self._aside.close()

    def asked(self, neighbors: int) -> int:
        """How many neighbours to ask for: none where they are not written."""
        return neighbors if "neighbors" in self._wanted else 0

    def add(self, document: Document, answer: Prediction | None = None) -> None:
        row = document.to_dict()
        if self.predicted or _LABEL_NAME in self._wanted:
            label = document.label
            known = 0 <= label < len(self.classes)
            row[_LABEL_NAME] = self.classes[label] if known else _NO_CLASS.get(label, str(label))
        if self.predicted:
            row |= {} if answer is None else {k: v for k, v in answer.to_dict().items() if k in _SAID}
        self._held |= dict.fromkeys(row)
        if self._aside is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._aside = tempfile.TemporaryFile(dir=self.path.parent)  # noqa: SIM115 - closed with the table
        self._aside.write(_line(row))

    def columns(self) -> list[str]:
        """The fields that were named, or what is stored, other keys of any document, and PREDICTED where wanted. Raises
        InvalidArgument for a name that is none of these."""
        held = self._held
        taken = (*_STORED, *_SAID, _LABEL_NAME) if self.predicted else _STORED
        others = [name for name in held if name not in taken]
        if unknown := [name for name in self._wanted if name not in (*_STORED, *_SAID, _LABEL_NAME, *held)]:
            raise InvalidArgument(
                f"there is no field {unknown[0]!r}; expected some of {', '.join(_STORED)}, {_LABEL_NAME};"
                f" {', '.join(_SAID)}{'; ' * bool(others)}{', '.join(others)}"
            )
        if self._wanted:
            return list(self._wanted)
        stored = [name for name in _STORED if name in held or (not held and name in _STORED[:3])]
        return [*stored[:3], *((_LABEL_NAME, *PREDICTED) if self.predicted else ()), *stored[3:], *others]

    def write(self) -> Path:
        """On disk, then under its name."""
        columns = self.columns()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        building = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        try:
            with building.open("xb") as stream:
                _WRITERS[form_of(self.path)](stream, columns, lambda: self._rows(columns))
                stream.flush()
                os.fsync(stream.fileno())
            _refuse_existing(self.path)
            building.rename(self.path)
        finally:
            building.unlink(missing_ok=True)
        return self.path

    def _rows(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        if self._aside is None:
            return
        self._aside.seek(0)
        for line in self._aside:
            row = json.loads(line)
            yield {name: row[name] for name in columns if name in row}


class Answers:
    """What was said of the documents of a split, found by id while both come in the same order.

    Either may lack some: a document that was deleted meanwhile, or one that the version cannot read. Holds a few.
    """

    def __init__(self, label: int | None) -> None:
        self._label = label  # of the documents that come, if of one only
        self._held: dict[str, Prediction] = {}

    def lacks(self, id: str) -> bool:
        """Whether more should be put before `take`."""
        return id not in self._held and len(self._held) < ANSWERS_AHEAD

    def put(self, answer: Prediction) -> None:
        if self._label is None or answer.label == self._label:
            self._held[answer.id] = answer

    def take(self, id: str) -> Prediction | None:
        if id not in self._held:
            return None
        for earlier in list(self._held):  # of documents that will not come
            found = self._held.pop(earlier)
            if earlier == id:
                return found
        return None


def _refuse_existing(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise Conflict(
            f"{str(path)!r} exists, and exports never overwrite; move it away or choose another name"
        )


def _line(row: Mapping[str, Any]) -> bytes:
    return (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _lines(stream: IO[bytes], _columns: Sequence[str], rows: Rows) -> None:
    stream.writelines(map(_line, rows()))


def _delimited(delimiter: str) -> Writer:
    def write(stream: IO[bytes], columns: Sequence[str], rows: Rows) -> None:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(row.get(name)) for name in columns] for row in rows())
        text.flush()
        text.detach()

    return write


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


_WRITERS: dict[str, Writer] = {
    JSON_LINES: _lines,
    CSV: _delimited(","),
    TSV: _delimited("\t"),
    PARQUET: write_parquet,
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
        where: str = "",
        predictions: bool = False,
        fields: Sequence[str] = (),
        neighbors: int = 5,
    ) -> Path:
        """Write the documents of a split, or all, as a new file: JSON Lines, CSV, TSV or Parquet by its name.

        `predictions`: with what the live version says of each; what is not scored yet is, and splits come one after
        the other. `fields` names exactly what
        is written, of the keys of a document and of a prediction, `neighbors` and `probabilities` for instance. Cells
        of CSV that are no text or number are JSON. Raises NotFound, NotTrained, InvalidArgument, Conflict when
        something is there.
        """
        client: Any = self
        with Table(path, fields, predictions) as table:
            table.classes = client.get_project(project).classes
            if not table.predicted:
                for document in client.list_documents(project, split, label=label, where=where):
                    table.add(document)
                return table.write()
            for name in [split] if split else [each.split for each in client.split_summary(project)]:
                answers = client.predict_split(project, name, neighbors=table.asked(neighbors), where=where)
                said = Answers(label)
                for document in client.list_documents(project, name, label=label, where=where):
                    while said.lacks(document.id) and (answer := next(answers, None)) is not None:
                        said.put(answer)
                    table.add(document, said.take(document.id))
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
        where: str = "",
        predictions: bool = False,
        fields: Sequence[str] = (),
        neighbors: int = 5,
    ) -> Path:
        client: Any = self
        with Table(path, fields, predictions) as table:
            table.classes = (await client.get_project(project)).classes
            if not table.predicted:
                async with aclosing(
                    client.list_documents(project, split, label=label, where=where)
                ) as documents:
                    async for document in documents:
                        table.add(document)
                return await asyncio.to_thread(table.write)
            summary = await client.split_summary(project)
            for name in [split] if split else [each.split for each in summary]:
                said = Answers(label)
                async with (
                    aclosing(
                        client.predict_split(project, name, neighbors=table.asked(neighbors))
                    ) as answers,
                    aclosing(client.list_documents(project, name, label=label, where=where)) as documents,
                ):
                    async for document in documents:
                        while said.lacks(document.id) and (answer := await anext(answers, None)) is not None:
                            said.put(answer)
                        table.add(document, said.take(document.id))
            return await asyncio.to_thread(table.write)
