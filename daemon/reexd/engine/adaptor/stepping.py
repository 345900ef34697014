"""Work in small steps, as generators: told in other terms on its way up, and not more often than anyone listens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

SLICE_S = 0.05

S, T = TypeVar("S"), TypeVar("T")


def told(steps: Iterator[S], tell: Callable[[S], T]) -> Iterator[T]:
    """What `tell` makes of each step; returns what the steps return."""
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            return stop.value
        yield tell(step)


def paced(steps: Iterator[S]) -> Iterator[S]:
    """At most one step per slice of work; returns what the steps return."""
    begun = time.perf_counter()
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            return stop.value
        if time.perf_counter() - begun > SLICE_S:
            yield step
            begun = time.perf_counter()
