"""What a terminal shows of tables and long lines, whatever its width."""

from __future__ import annotations

import contextlib
import io
import re

import pytest
from reex.cli import output
from reex.cli.output import Column


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def narrow(monkeypatch):
    """A terminal of 60 columns: what a table looks like on it, line by line."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    output.console.cache_clear()

    def shown(columns, *rows):
        with contextlib.redirect_stdout(Screen()) as screen:
            output.table(columns, rows)
        return re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()).splitlines()

    yield shown
    output.console.cache_clear()


def test_figures_are_never_cut(narrow):
    columns = [Column(f"column {n}", right=True) for n in range(9)]
    row = [f"{n}0.{n}% to 9{n}.9%" for n in range(9)]
    head, _, shown = narrow(columns, row)
    assert re.split(" {3,}", head.strip()) == [column.title for column in columns]
    assert shown.split("   ") == row


def test_prose_is_wrapped_and_a_long_text_cut(narrow):
    number = Column("n", right=True)
    wrapped = narrow([number, Column("why", prose=True)], ["1,234", "word " * 20 + "end"])
    assert max(map(len, wrapped)) <= 60
    assert wrapped[2].startswith("1,234   word")
    assert wrapped[-1].strip().endswith("end")
    _, _, cut = narrow([number, Column("text", long=True)], ["1,234", "word " * 20])
    assert re.fullmatch("1,234   word.*…", cut)
    assert len(cut) == 60


@pytest.mark.parametrize(
    ("text", "shown"), [("a" * 61, "a" * 59 + "…"), ("語" * 31, "語" * 29 + " …"), ("語" * 30, "語" * 30)]
)
def test_a_line_has_the_width_of_the_terminal_whatever_its_characters(text, shown):
    assert output.shorten(text, 60) == shown
