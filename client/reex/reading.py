"""Sources of an upload, line by line: JSON Lines, CSV, TSV, Parquet, data frames, dicts. Owns lines and encodings.

A source is read as a stream; a line that cannot be read becomes an entry with a `problem` and costs no other
line.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from reex.columns import check_header
from reex.delimited import Record, not_utf8, records
from reex.errors import InvalidArgument
from reex.tables import DataFrame, rows_of_file, rows_of_frame

Source: TypeAlias = str | os.PathLike[str] | BinaryIO | DataFrame | Iterable[Mapping[str, Any]]

JSON_LINES, CSV, TSV, PARQUET = "jsonl", "csv", "tsv", "parquet"
FORMATS = (JSON_LINES, CSV, TSV, PARQUET)
_SUFFIXES = {
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), JSON_LINES),
    **{f".{form}": form for form in (CSV, TSV, PARQUET)},
}
_DELIMITERS = {CSV: ",", TSV: "\t"}

# In JSON one byte of text may be written as six (\u001f), and a line holds a few small fields beside its
# text.
_ESCAPED_SIZE = 6
_LINE_OVERHEAD_BYTES = 1 << 20

_ARRAY = (
    "expected a JSON object on each line, received the beginning of an array; write its objects on lines of their own, "
    "as `jq -c '.[]'` does"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line that held something. `value` is what it says; `problem` says why it cannot be read."""

    line: int  # 1-based; of a CSV record its first line, of Parquet its row, of dicts their position
    value: Any = None
    problem: str = ""
    offset: int = 0  # bytes read up to and including it


class OpenSource:
    """A source ready to be iterated once. Use it as a context manager; it closes only what it opened."""

    def __init__(self, source: Source, form: str | None, document_size_max_bytes: int) -> None:
        """Raises InvalidArgument for a format or a source that is none, OSError for a file that cannot be opened."""
        self._stack = ExitStack()
        self._line_size_max_bytes = document_size_max_bytes * _ESCAPED_SIZE + _LINE_OVERHEAD_BYTES
        self.total_bytes = 0
        self.form: str | None = None
        if isinstance(source, str | os.PathLike):
            path = Path(source)
            self.form = form or form_of(path)
            self.total_bytes = path.stat().st_size
            self._source: Any = self._stack.enter_context(path.open("rb"))
        elif isinstance(source, io.TextIOBase):
            raise InvalidArgument('expected a file opened in binary mode, "rb", received one of text')
        elif hasattr(source, "readline"):
            self.form = form or JSON_LINES
            self._source = source
        else:
            self._source = source if isinstance(source, DataFrame) else _lines(source)
        self._start = self._source.tell() if _seekable(self._source) else None
        if self.form not in (None, *FORMATS):
            raise InvalidArgument(f"expected one of the formats {', '.join(FORMATS)}, received {self.form!r}")

    def rewind(self) -> None:
        """Make it ready to be iterated again. Raises InvalidArgument for what can be read only once."""
        if self._start is not None:
            self._source.seek(self._start)
        elif self.form is not None or isinstance(self._source, Iterator):
            raise InvalidArgument(
                "this has to be read twice: expected a file or a list, received what can be read once"
            )

    def __enter__(self) -> OpenSource:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    @property
    def cells(self) -> bool:
        """Whether what it says are cells of text, whatever they mean."""
        return self.form in _DELIMITERS

    def entries(self) -> Iterator[Entry]:
        """Raises InvalidArgument when a table has no column `document`, or a Parquet file cannot be read."""
        if self.form is None and not isinstance(self._source, DataFrame):
            return (Entry(line, value) for line, value in enumerate(self._source, start=1))
        if self.form in (None, PARQUET):
            rows = rows_of_frame if self.form is None else rows_of_file
            return (
                Entry(row.number, row.value, row.problem, int(row.share * self.total_bytes))
                for row in rows(self._source)
            )
        if self.form == JSON_LINES:
            return _json_lines(self._source, self._line_size_max_bytes)
        return _delimited(self._source, _DELIMITERS[self.form], self._line_size_max_bytes)


def _seekable(source: Any) -> bool:
    return hasattr(source, "seekable") and source.seekable()


def _lines(source: Any) -> Iterable[Mapping[str, Any]]:
    if not isinstance(source, Iterable) or isinstance(source, Mapping | bytes | bytearray):
        raise InvalidArgument(
            "expected a path, a file opened in binary mode, or several dicts with the keys of a line, "
            f"received {type(source).__name__}"
        )
    return source


def form_of(path: Path) -> str:
    """The format that a file's name promises."""
    try:
        return _SUFFIXES[path.suffix.lower()]
    except KeyError:
        raise InvalidArgument(
            f"expected a file named {', '.join(_SUFFIXES)}, received {path.name!r}; "
            f"say which format it is: {', '.join(FORMATS)}"
        ) from None


def _raw_lines(file: BinaryIO, size_max_bytes: int) -> Iterator[tuple[int, bytes | None, int]]:
    """(line number, bytes with the newline, or None when longer than `size_max_bytes`, bytes read so far)."""
    number = offset = 0
    while raw := file.readline(size_max_bytes):
        number += 1
        offset += len(raw)
        whole: bytes | None = raw
        while len(raw) >= size_max_bytes and not raw.endswith(b"\n"):
            whole = None
            raw = file.readline(size_max_bytes)
            offset += len(raw)
        if number == 1 and whole is not None:
            whole = whole.removeprefix(b"\xef\xbb\xbf")
        yield number, whole, offset


def _json_lines(file: BinaryIO, size_max_bytes: int) -> Iterator[Entry]:
    for number, raw, offset in _raw_lines(file, size_max_bytes):
        if raw is None:
            yield Entry(number, problem=f"the line is longer than {size_max_bytes:,} bytes", offset=offset)
            continue
        if not raw.strip():
            continue
        try:
            yield Entry(number, json.loads(raw.decode("utf-8")), offset=offset)
        except UnicodeDecodeError as error:
            yield Entry(number, problem=not_utf8(error.object, error.start), offset=offset)
        except json.JSONDecodeError as error:
            array = number == 1 and raw.strip() == b"["
            problem = _ARRAY if array else f"not JSON: {error.msg} (column {error.colno})"
            yield Entry(number, problem=problem, offset=offset)
        except (ValueError, RecursionError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            yield Entry(number, problem=f"not JSON: {reason}", offset=offset)


def _delimited(file: BinaryIO, delimiter: str, size_max_bytes: int) -> Iterator[Entry]:
    header: list[str] | None = None
    lines = _raw_lines(file, size_max_bytes)
    first = list(islice(lines, 1))
    if delimiter == _DELIMITERS[CSV] and first and _semicolons(first[0][1] or b""):
        delimiter = ";"
    for record in records(chain(first, lines), delimiter, size_max_bytes):
        if header is None:
            header = _header(record, delimiter)
        elif record.problem:
            yield Entry(record.line, problem=record.problem, offset=record.offset)
        else:
            yield Entry(record.line, dict(zip(header, record.cells, strict=True)), offset=record.offset)
    if header is None:
        raise InvalidArgument("expected a header line with a column named document, received an empty file")


def _semicolons(header: bytes) -> bool:
    """Whether they separate its columns: spreadsheets write so where the comma is decimal, and offer nothing else."""
    return b";" in header and b"," not in header


def _header(record: Record, delimiter: str) -> list[str]:
    names = [cell.strip() for cell in record.cells]
    if record.problem:
        raise InvalidArgument(f"the header line cannot be read: {record.problem}")
    check_header(names, _otherwise_separated(names, delimiter))
    return names


def _otherwise_separated(names: list[str], delimiter: str) -> str:
    """What to do about a header that is one column to us and several to whoever wrote it."""
    if len(names) > 1:
        return ""
    told = {
        "\t": "tabs: its format is tsv",
        ",": "commas: its format is csv",
        ";": "semicolons: its format is csv",
    }
    found = next((each for each in told if each != delimiter and each in names[0]), None)
    return f"; its columns are separated by {told[found]}" if found else ""
