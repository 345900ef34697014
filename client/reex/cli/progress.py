"""Progress of long work on stderr: a bar on a terminal, a line every ten seconds otherwise, nothing when quiet."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from reex.cli import output

LINE_INTERVAL_S = 10.0
PATIENCE_S = 2.0


@contextmanager
def told_when_slow(text: str) -> Iterator[None]:
    """Say what is being waited for, once, where a call that has no progress to tell takes longer than a moment."""
    timer = threading.Timer(PATIENCE_S, output.note, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Progress:
    """Use as a context manager; call `show` as often as there is news."""

    def __init__(self, *, announce: bool = False) -> None:
        """`announce`: off a terminal, say each new label at once instead of after ten seconds."""
        self._announce = announce
        self._bar: Any = None
        self._task: Any = None
        self._label = ""
        self._started_at = self._shown_at = time.monotonic()

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.progress import BarColumn, SpinnerColumn, TextColumn
            from rich.progress import Progress as RichProgress

            self._bar = RichProgress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.fields[figures]}", markup=False),
                console=output.console(stderr=True),
                transient=True,
            )
            self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(
        self,
        label: str,
        done: int,
        total: int,
        *,
        unit: str = "",
        rate: float | None = None,
        eta_s: float = -1,
        detail: str = "",
    ) -> None:
        """`rate` in units per second, None: measured here from the first call on. `unit` bytes reads as sizes."""
        if rate is None:
            elapsed = time.monotonic() - self._started_at
            rate = done / elapsed if elapsed > 0.5 else 0.0
            eta_s = (total - done) / rate if rate > 0 and total > done else -1
        figures = ", ".join(filter(None, (_figures(done, total, unit, rate, eta_s), detail)))
        if self._bar is not None:
            self._on_terminal(label, done, total, figures)
            return
        now = time.monotonic()
        new = self._announce and label != self._label
        if new or now - self._shown_at >= LINE_INTERVAL_S:
            output.note(f"{label}: {figures}" if figures else label)
            self._shown_at = now
        self._label = label

    def _on_terminal(self, label: str, done: int, total: int, figures: str) -> None:
        if self._task is None:
            self._task = self._bar.add_task(label, total=total or None, figures=figures)
        self._bar.update(self._task, description=label, completed=done, total=total or None, figures=figures)


def _figures(done: int, total: int, unit: str, rate: float, eta_s: float) -> str:
    if not (done or total):
        return ""
    if unit == "bytes":
        amount, speed = output.size(done), f"{output.size(round(rate))}/s"
        whole = output.size(total)
    else:
        amount, speed = f"{done:,}", f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
        whole = f"{total:,}"
    parts = [f"{amount} of {whole}" if total else amount]
    if unit and unit != "bytes":
        parts[0] += f" {unit}"
    if rate > 0:
        parts.append(speed)
    if eta_s >= 0 and done < total:
        parts.append(f"{output.duration(eta_s)} left")
    return ", ".join(parts)
