"""What reaches the terminal. The only file of the command line that writes: data to stdout, the rest to stderr.

Text that came from documents never reaches a terminal raw: control characters are shown as escapes. Tables are drawn
for a terminal and aligned with blanks otherwise; `--json` prints one object, or one a line where results are many.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

_LEAST_WIDTH = 20  # of a column that gives way to the others; those are never cut, least of all numbers

# C0 and C1 controls, lone surrogates, line separators, and what reorders the text around it.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    right: bool = False  # numbers
    long: bool = False  # cut to the width of a terminal
    prose: bool = False  # wrapped to it


def safe(text: str) -> str:
    """`text` on one line, without anything that a terminal would obey."""
    return _UNSAFE.sub(lambda found: _SHORT.get(found[0]) or _escape(found[0]), text)


def _escape(character: str) -> str:
    return f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}"


def line(text: str = "") -> None:
    """One line of data, already safe."""
    _write(sys.stdout, text + "\n")


def note(text: str) -> None:
    """One line that is not data: progress, hints, warnings."""
    _write(sys.stderr, text + "\n")


def object_line(value: dict[str, Any]) -> None:
    """One JSON object on a line. Numbers are finite already: records turn what is not into null."""
    plain = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    text = json.dumps(value, ensure_ascii=plain, allow_nan=False)
    _write(sys.stdout, _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Cells must be safe already."""
    if sys.stdout.isatty():
        _drawn(columns, rows)
        return
    cells = [[column.title for column in columns], *map(list, rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
    for row in cells:
        aligned = (
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        )
        line("  ".join(aligned).rstrip())


def _drawn(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    wide = any(column.long for column in columns)
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, expand=wide)
    for column in columns:
        drawn.add_column(
            Text(column.title),
            justify="right" if column.right else "left",
            no_wrap=not column.prose,
            overflow="ellipsis",
            ratio=1 if column.long else None,
        )
    cells = [list(row) for row in rows]
    for row in cells:
        drawn.add_row(*map(Text, row))
    # Beyond the width of the terminal it wraps the lines itself: rich would cut what does not give way.
    least = _least_width(columns, cells)
    with _guarded():
        (console() if least <= console().width else console(width=least)).print(drawn)


def _least_width(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> int:
    from rich.cells import cell_len

    total = 3 * (len(columns) - 1)
    for place, column in enumerate(columns):
        width = max(cell_len(text) for text in (column.title, *(row[place] for row in rows)))
        total += min(width, _LEAST_WIDTH) if column.long or column.prose else width
    return total


def styled(text: str, style: str) -> None:
    """One line of data in a style that a terminal with colours shows."""
    if not sys.stdout.isatty():
        line(text)
        return
    with _guarded():
        console().print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def marked(pieces: Iterable[tuple[str, str]]) -> None:
    """Pieces of one text, each in its style, or in none."""
    from rich.text import Text

    whole = Text()
    for text, style in pieces:
        whole.append(text, style)
    if not sys.stdout.isatty():
        line(whole.plain)
        return
    with _guarded():
        console().print(whole, soft_wrap=True)


@cache
def console(stderr: bool = False, width: int | None = None) -> Console:
    """rich's console; it minds NO_COLOR and TERM itself."""
    from rich.console import Console

    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)


def percent(share: float | None) -> str:
    return "-" if share is None or share != share else f"{share:.1%}"


def size(count: int) -> str:
    """Bytes for a person, in powers of ten."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def terminal_width() -> int:
    """Columns for text; unlimited when nobody looks."""
    return console().width if sys.stdout.isatty() else sys.maxsize


def shorten(text: str, width: int) -> str:
    """`text` in `width` columns of a terminal, of which some characters take two."""
    if 2 * len(text) <= width:
        return text
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= width else set_cell_size(text, max(1, width - 1)) + "…"


class _guarded:
    """A reader that has seen enough (`| head`) ends the program quietly and well."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, BrokenPipeError):
            leave_broken_pipe()


def leave_broken_pipe() -> None:
    """Exit 0. What is still buffered goes nowhere, else the interpreter would complain on its way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(0)


def _write(stream: TextIO, text: str) -> None:
    with _guarded():
        stream.write(text)
        stream.flush()
