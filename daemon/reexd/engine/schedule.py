"""What waits for a worker, and what goes next. Pure bookkeeping: no sockets, no clock, no mlx.

Two lanes, interactive before bulk, each first in first out. A unit is a request whose arrays have one row per
item; units that wait with the same key are merged into one request up to the first one's budget of padded
cost, and its answer is split again. Nothing waits for company.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from reexd.engine.frames import Frame
from reexd.errors import ReexError


@dataclass(slots=True, eq=False)
class Unit:
    """A piece of work for one worker, and whom to tell."""

    group: object  # the call it belongs to; cancelled together
    header: dict  # `op` and what it needs; the same for all units of one key
    arrays: Mapping[str, np.ndarray]
    deliver: Callable[[Frame], None]
    fail: Callable[[ReexError], None]
    interactive: bool
    key: str = ""  # units of one key may be merged; empty: never
    width: int = 1  # padded cost of one row
    budget: int = 0  # most padded cost of a merged request
    attempts: int = 0

    @property
    def rows(self) -> int:
        return len(next(iter(self.arrays.values()), ()))


@dataclass(slots=True)
class Schedule:
    """The two lanes."""

    interactive: deque[Unit] = field(default_factory=deque)
    bulk: deque[Unit] = field(default_factory=deque)

    def add(self, unit: Unit) -> None:
        (self.interactive if unit.interactive else self.bulk).append(unit)

    def put_back(self, units: list[Unit]) -> None:
        """Units whose worker died go to the front again."""
        for unit in reversed(units):
            (self.interactive if unit.interactive else self.bulk).appendleft(unit)

    def take(self, *, interactive: bool, bulk: bool) -> list[Unit]:
        """The next units for one request out of the lanes a worker may serve, empty when nothing waits."""
        if interactive and self.interactive:
            return _take_merged(self.interactive)
        return [self.bulk.popleft()] if bulk and self.bulk else []

    def drop(self, group: object) -> None:
        """Forget what a call still has waiting."""
        for lane in (self.interactive, self.bulk):
            kept = [unit for unit in lane if unit.group is not group]
            lane.clear()
            lane.extend(kept)

    def drain(self) -> list[Unit]:
        """Everything that waits, taken out."""
        units = [*self.interactive, *self.bulk]
        self.interactive.clear()
        self.bulk.clear()
        return units


def _take_merged(lane: deque[Unit]) -> list[Unit]:
    taken = [lane.popleft()]
    first = taken[0]
    if not first.key:
        return taken
    rows, width = first.rows, first.width
    passed: list[Unit] = []
    while lane:
        unit = lane.popleft()
        merged = (rows + unit.rows) * max(width, unit.width)
        if unit.key == first.key and merged <= first.budget:
            taken.append(unit)
            rows, width = rows + unit.rows, max(width, unit.width)
        else:
            passed.append(unit)
    lane.extend(passed)
    return taken


def merge(units: list[Unit]) -> Frame:
    """One request for units of one key: rows in order, two-dimensional integers padded with zero."""
    first = units[0]
    if len(units) == 1:
        return Frame(dict(first.header), dict(first.arrays))
    arrays = {}
    for name in first.arrays:
        parts = [unit.arrays[name] for unit in units]
        if parts[0].ndim == 2:
            width = max(part.shape[1] for part in parts)
            parts = [np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in parts]
        arrays[name] = np.concatenate(parts)
    return Frame(dict(first.header), arrays)


def split(answer: Frame, units: list[Unit]) -> list[Frame]:
    """The answer to a merged request, one frame per unit."""
    if len(units) == 1:
        return [answer]
    frames, start = [], 0
    for unit in units:
        stop = start + unit.rows
        frames.append(
            Frame(answer.header, {name: value[start:stop] for name, value in answer.arrays.items()})
        )
        start = stop
    return frames
