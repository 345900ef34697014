"""What a terminal shows of tables and long lines, whatever its width."""

from __future__ import annotations

import contextlib
import io
import re
import time

import pytest
from reex.cli import output, progress, views
from reex.cli.output import Column
from reex.types import LabelCount, SplitSummary


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_is_waited_for_is_told_only_when_it_takes_long(monkeypatch, capsys):
    monkeypatch.setattr(progress, "PATIENCE_S", 0.01)
    with progress.told_when_slow("reading"):
        deadline = time.monotonic() + 10
        while not (told := capsys.readouterr().err) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "reading" in told
    monkeypatch.setattr(progress, "PATIENCE_S", 0.2)
    with progress.told_when_slow("reading"):
        pass
    time.sleep(0.4)
    assert not capsys.readouterr().err


@pytest.fixture
def narrow(screen):
    """A table on a terminal of 60 columns."""
    return lambda columns, *rows: screen(lambda: output.table(columns, rows))


@pytest.fixture
def screen(monkeypatch):
    """A terminal of 60 columns: what a call shows on it, line by line."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    output.console.cache_clear()

    def shown(call):
        with contextlib.redirect_stdout(Screen()) as screen:
            call()
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


def test_the_labels_of_a_split_are_all_there(screen):
    labels = tuple(LabelCount(label=n, name=f"class-{n}", count=40) for n in range(5))
    shown = screen(lambda: views.splits([SplitSummary("train", 200, labels)], False))
    assert max(map(len, shown)) <= 60
    said = " ".join(" ".join(shown).split())
    assert all(f"class-{n} 40 (20.0%)" in said for n in range(5))


@pytest.mark.parametrize(
    ("text", "shown"), [("a" * 61, "a" * 59 + "…"), ("語" * 31, "語" * 29 + " …"), ("語" * 30, "語" * 30)]
)
def test_a_line_has_the_width_of_the_terminal_whatever_its_characters(text, shown):
    assert output.shorten(text, 60) == shown
