"""Records of CSV and TSV out of physical lines. Owns quotes and columns; knows nothing of documents.

A quoted cell may hold newlines, so that a quote which is never closed would take the lines after it along. A record
of several lines that cannot be read therefore costs its first line only: the others are read again.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

RawLine = tuple[int, bytes | None, int]  # number, bytes or None when too long to hold, bytes read so far

# A record is read on over this many columns more than the header's: each line that opens a quote and is swallowed
# by an earlier one adds a column, so this bounds how often a line is read again.
_SPARE_COLUMNS = 16

_RETURN = (
    "expected a newline at the end of each line, received a carriage return alone, as old Macs wrote it; save the file "
    "as CSV UTF-8, or put a cell that holds one in quotes"
)


@dataclass(frozen=True, slots=True)
class Record:
    """`problem` says why its cells cannot be read. The first record is the header."""

    line: int  # its first one
    cells: list[str]
    problem: str
    offset: int  # bytes read up to and including it


def records(lines: Iterator[RawLine], delimiter: str, size_max_bytes: int) -> Iterator[Record]:
    """Every record that is not an empty line. Holds the lines of one, up to `size_max_bytes`."""
    # The csv module keeps one limit for the whole process; it may only grow.
    csv.field_size_limit(max(csv.field_size_limit(), size_max_bytes))
    source = _Lines(lines)
    columns: int | None = None  # of the header
    while source.advance():
        number, offset = source.number, source.offset
        taken, problem = _gather(source, delimiter.encode(), columns, size_max_bytes)
        cells: list[str] = []
        again = bool(problem)
        if not problem:
            cells, problem, again = _parse(number, taken, delimiter, columns)
        if again:
            source.put_back(taken[1:])
        else:
            offset = source.offset
        if cells or problem:
            columns = len(cells) if columns is None else columns
            yield Record(number, cells, problem, offset)


class _Lines:
    """Physical lines with a way back. A line too long to hold is its size alone."""

    def __init__(self, fresh: Iterator[RawLine]) -> None:
        self._fresh = fresh
        self._back: deque[bytes | int] = deque()
        self.line: bytes | int = 0
        self.number = self.offset = 0  # of `line`: 1-based; bytes up to and including it

    def advance(self) -> bool:
        """Make the next line `line`; False at the end."""
        if self._back:
            self.line = self._back.popleft()
            self.offset += _size(self.line)
        else:
            fresh = next(self._fresh, None)
            if fresh is None:
                return False
            _, raw, offset = fresh
            self.line = offset - self.offset if raw is None else raw
            self.offset = offset
        self.number += 1
        return True

    def put_back(self, lines: list[bytes | int]) -> None:
        """The last lines that were read, to be read again."""
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)
        self.offset -= sum(map(_size, lines))


def _size(line: bytes | int) -> int:
    return line if isinstance(line, int) else len(line)


def _gather(
    source: _Lines, delimiter: bytes, columns: int | None, size_max_bytes: int
) -> tuple[list[bytes | int], str]:
    """The lines of one record from the present one on, and why it cannot end where the last of them does."""
    taken: list[bytes | int] = []
    size, found, inside = 0, 1, False
    while True:
        line = source.line
        taken.append(line)
        size += _size(line)
        if isinstance(line, int) and len(taken) == 1:
            return taken, f"the line is longer than {size_max_bytes:,} bytes"
        if isinstance(line, int) or size > size_max_bytes:
            return taken, f"a quote is opened here and not closed within {size_max_bytes:,} bytes"
        inside, separators, broken = _scan(line, delimiter, inside)
        found += separators
        if broken:
            return taken, (
                "not a record: expected a delimiter or the end of the line after a quoted cell, received more text "
                f'in line {source.number}; write a quote inside a quoted cell twice (""), and close every cell'
            )
        if not inside:
            return taken, ""
        if columns is not None and found > columns + _SPARE_COLUMNS:
            return taken, f"expected {columns} columns like the header, received {found} and an open quote"
        if not source.advance():
            return taken, "a quote is opened here and never closed"


def _scan(line: bytes, delimiter: bytes, inside: bool) -> tuple[bool, int, bool]:
    """Whether a quoted cell goes on after `line`; delimiters between its cells; whether text follows a quote.

    `inside` says whether one goes on into it. On bytes: quotes and delimiters are single ones in UTF-8.
    """
    at = separators = 0
    while True:
        if not inside and line[at : at + 1] == b'"':
            inside, at = True, at + 1
        if not inside:
            at = line.find(delimiter, at)
            if at < 0:
                return False, separators, False
        else:
            at = line.find(b'"', at)
            if at < 0:
                return True, separators, False
            following = line[at + 1 : at + 2]
            if following == b'"':  # one quote, written twice
                at += 2
                continue
            if following in (b"", b"\r", b"\n"):
                return False, separators, False
            if following != delimiter:
                return False, separators, True
            inside, at = False, at + 1
        separators, at = separators + 1, at + 1


def _parse(
    number: int, taken: list[bytes | int], delimiter: str, columns: int | None
) -> tuple[list[str], str, bool]:
    """Cells, why they are not what was expected, and whether the lines after the first must be read again."""
    raw = b"".join(line for line in taken if isinstance(line, bytes))
    undecodable = ""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        undecodable = _not_utf8_in(raw, error.start, number)
        text = raw.decode("utf-8", "replace")
    try:
        cells = next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        reason = _RETURN if "\r" in text.rstrip("\r\n") else str(error)
        return [], undecodable or f"not a record: {reason}", True
    if not cells or columns in (None, len(cells)):
        return cells, undecodable, False
    # An odd quote lies inside a cell that is not quoted: here a cell began with a delimiter, and the quote before
    # it, meant to open that cell, closed an older one.
    until = f" up to line {number + len(taken) - 1}; is a quote not closed?" if len(taken) > 1 else ""
    problem = undecodable or f"expected {columns} columns like the header, received {len(cells)}{until}"
    return cells, problem, raw.count(b'"') % 2 == 1


def not_utf8(raw: bytes, position: int) -> str:
    """Why bytes cannot be read as text. `position` counts from 0, the message from 1."""
    return f"not UTF-8: byte 0x{raw[position]:02x} at position {position + 1}; save the file as UTF-8"


def _not_utf8_in(raw: bytes, position: int, number: int) -> str:
    """The same, of a record whose first line is `number`."""
    before = raw.count(b"\n", 0, position)
    begin = raw.rfind(b"\n", 0, position) + 1
    reason = not_utf8(raw[begin:], position - begin)
    return f"line {number + before}: {reason}" if before else reason
