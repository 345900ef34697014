"""Rows that are equal, and a split that keeps them on one side (docs/calibration.md, "Twins").

A calibration row whose twin is in the support has d0 = 0 and a neighbour that was trained to agree with it: F_c, the
regions and the probability would promise what no new row gets. Must not know what the rows hold.
"""

from __future__ import annotations

import hashlib

import numpy as np

FREE, TRAINS, CALIBRATES = 0, 1, 2  # where a row of a continued training stands before the split


def twins(features: np.ndarray) -> np.ndarray:
    """(n,) int64: the first row that is equal to each of features (n, D) float32, itself where it is the first."""
    first: dict[bytes, int] = {}
    rows = np.ascontiguousarray(features, np.float32)
    found = np.empty(len(rows), np.int64)
    for at, row in enumerate(rows):
        digest = hashlib.blake2b(row + np.float32(0.0), digest_size=16).digest()  # -0 is +0
        found[at] = first.setdefault(digest, at)
    return found


def twin_count(groups: np.ndarray) -> int:
    """How many rows have a twin, of `twins`' answer."""
    return int((sizes(groups) > 1).sum())


def sizes(groups: np.ndarray) -> np.ndarray:
    """(n,) int64: how many rows are equal to each row, itself included."""
    return np.bincount(groups, minlength=groups.size)[groups]


def held_together(held: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """`held` (n,), where twins share what any of them is held to: TRAINS before CALIBRATES before FREE."""
    found = np.zeros(groups.size, np.uint8)
    for side in (CALIBRATES, TRAINS):
        marked = np.zeros(groups.size, bool)
        marked[groups[held == side]] = True
        found[marked] = side
    return found[groups]


def place_together(
    labels: np.ndarray,
    sides: np.ndarray,
    drawn: list[tuple[np.ndarray, int]],
    groups: np.ndarray,
    held: np.ndarray,
) -> np.ndarray:
    """Sides (n,) on which twins are one, given those of a split that does not know of them.

    `drawn` has the free rows of each class in the order they were drawn, and how many of them train. A group of
    several labels goes where its first row was drawn to, whatever the others' labels. Then each class takes its own
    groups in their order, those that fit into what is left of its count, and one more where that comes nearer. Raises
    ValueError when a class cannot be on both sides.
    """
    sides = sides.copy()
    size = sizes(groups)
    several = np.zeros(groups.size, bool)
    several[groups[labels != labels[groups]]] = True
    moved = (held == FREE) & several[groups]
    sides[moved] = sides[groups[moved]]
    for rows, count in drawn:
        left = count - int((sides[rows[moved[rows]]] == TRAINS).sum())
        firsts = rows[(groups[rows] == rows) & ~moved[rows]]
        sides[firsts] = _fitted(size[firsts], left)
    free = held == FREE
    sides[free] = sides[groups[free]]
    _serve_every_class(labels, sides, groups, size, free)
    return sides


def _fitted(size: np.ndarray, left: int) -> np.ndarray:
    """(k,) uint8: the side of each group, of which as many rows train as come nearest to `left`."""
    found = np.full(size.size, CALIBRATES, np.uint8)
    for at, count in enumerate(size.tolist()):
        if count <= left:
            found[at], left = TRAINS, left - count
    others = np.flatnonzero(found == CALIBRATES)
    if others.size:
        least = others[np.argmin(size[others])]
        if size[least] < 2 * left:
            found[least] = TRAINS
    return found


def _serve_every_class(
    labels: np.ndarray, sides: np.ndarray, groups: np.ndarray, size: np.ndarray, free: np.ndarray
) -> None:
    """Moves, in place, the smallest group that a class has to spare to a side where it has none."""
    count = int(labels.max(initial=-1)) + 1
    per_side = {side: np.bincount(labels[sides == side], minlength=count) for side in (TRAINS, CALIBRATES)}
    for label in np.unique(labels):
        for side, other in ((TRAINS, CALIBRATES), (CALIBRATES, TRAINS)):
            if per_side[side][label]:
                continue
            candidates = np.unique(groups[free & (labels == label)])
            for group in candidates[np.argsort(size[candidates], kind="stable")]:
                rows = np.flatnonzero(groups == group)
                taken = np.bincount(labels[rows], minlength=count)
                if ((per_side[other] > taken) | (taken == 0)).all():
                    sides[rows] = side
                    per_side[side] += taken
                    per_side[other] -= taken
                    break
            else:
                raise ValueError(_inseparable(label, int((labels == label).sum())))


def _inseparable(label: int, rows: int) -> str:
    return (
        f"class {label} has {rows} rows, and equal ones stay together: none would be left to train or to calibrate;"
        " add at least 1 that is different"
    )
