"""The cases of `defaults`: whole sets, their first classes, small sets drawn from them, and their fifths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.estimator_data import Rows, Task

ROWS_LEAST = 4  # of a class in a drawn set
SMALL = {
    "phrasebank": (60, 150, 600),
    "trec6": (60, 150, 600),
    "sentiment": (150,),
    "tweets": (150, 600),
    "whole reviews": (150, 600),
}
TEST_FEW, FIFTHS = 1_000, 5  # a set with fewer test documents is cut into so many parts
CLASSES_FEWER = 77  # of clinc150's


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    pool: Rows
    test: Rows
    rest: Rows | None = None  # what of the set was not drawn into `pool`; a case of a drawn set alone has it


def drawn_sets(task: Task, seed: int) -> Iterator[Case]:
    for count in SMALL.get(task.name, ()):
        pool, rest = _drawn(task.pool, count, seed)
        yield Case(f"{task.name}, {count} documents", pool, task.test, rest)


def whole_sets(task: Task) -> Iterator[Case]:
    """The set itself and, before it, its first classes, where it has many."""
    if task.class_count > CLASSES_FEWER:
        yield Case(f"{task.name}, {CLASSES_FEWER} classes", *map(_first_classes, (task.pool, task.test)))
    yield Case(task.name, task.pool, task.test)


def fifths(task: Task, at: int) -> Iterator[Case]:
    """A set with few test documents: all of it, without one of its fifths, which is tested. Equal vectors are in one
    fifth."""
    if len(task.test.labels) >= TEST_FEW or at >= FIFTHS:
        return
    everything = joined(task.pool, task.test)
    _, group = np.unique(everything.vectors, axis=0, return_inverse=True)
    tested = np.random.default_rng(0).integers(0, FIFTHS, group.max() + 1)[group] == at
    yield Case(in_fifths(task.name), _chosen(everything, ~tested), _chosen(everything, tested))


def in_fifths(name: str) -> str:
    """What the fifths of the set of that name are called."""
    return f"{name}, in fifths"


def joined(*parts: Rows) -> Rows:
    return Rows(
        np.concatenate([each.vectors for each in parts]), np.concatenate([each.labels for each in parts])
    )


def _first_classes(rows: Rows) -> Rows:
    return _chosen(rows, rows.labels < CLASSES_FEWER)


def _drawn(rows: Rows, count: int, seed: int) -> tuple[Rows, Rows]:
    """About `count` rows by class shares, and the others, without those of the same vector."""
    generator, sizes = np.random.default_rng(seed), np.bincount(rows.labels)
    wanted = np.maximum(ROWS_LEAST, np.round(count * sizes / sizes.sum())).astype(int)
    chosen = [
        generator.permutation(np.flatnonzero(rows.labels == label))[:most]
        for label, most in enumerate(wanted)
    ]
    places = np.sort(np.concatenate(chosen))
    known = {rows.vectors[place].tobytes() for place in places}
    others = np.array([place for place, vector in enumerate(rows.vectors) if vector.tobytes() not in known])
    return _chosen(rows, places), _chosen(rows, others)


def _chosen(rows: Rows, places: np.ndarray) -> Rows:
    return Rows(rows.vectors[places], rows.labels[places])
