"""Who trains and who calibrates: the pooled shuffles and the choice among them (sdm.md 2, 7, 16).

Owns: index arrays into the pool [train; calibration]. Must not know: documents, or what the rows hold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reexd.sdm.twins import CALIBRATES, FREE, TRAINS, held_together, place_together, twin_count

SEED_LIMIT = 2**64


def iteration_seed(seed: int, iteration: int) -> int:
    """Seed of the 0-based shuffle `iteration`: (seed + i) mod 2^64."""
    return (seed + iteration) % SEED_LIMIT


def official_split(row_count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The package's halves: (training, calibration) pool rows; an odd row calibrates. Not stratified."""
    order = np.random.default_rng(seed).permutation(row_count)
    return order[: row_count // 2], order[row_count // 2 :]


def stratified_split(
    labels: np.ndarray,
    training_share: float,
    seed: int,
    held: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Split every class alike: (training, calibration) pool rows, each ascending.

    `held` (n,) names rows that stay where a model that is continued had them: TRAINS, CALIBRATES, or FREE to be
    split. `groups` (n,), as `twins` gives them, keeps equal rows together, where one trains all of them; without equal
    rows it changes nothing. Every class has at least one row on both sides. Raises ValueError for a share outside
    (0, 1), or a class that no split can serve: one with fewer than two rows that differ, or all held on one side.
    """
    if not 0.0 < training_share < 1.0:
        raise ValueError(f"training_share must be in (0, 1), got {training_share}")
    labels = np.asarray(labels)
    generator = np.random.default_rng(seed)
    places = np.zeros(labels.size, np.uint8) if held is None else np.asarray(held)
    if groups is not None:
        places = held_together(places, groups)
    sides = places.copy()
    drawn: list[tuple[np.ndarray, int]] = []
    for label in np.unique(labels):
        own = labels == label
        rows = generator.permutation(np.flatnonzero(own & (places == FREE)))
        trains, calibrates = (int((own & (places == side)).sum()) for side in (TRAINS, CALIBRATES))
        least, most = int(trains == 0), rows.size - int(calibrates == 0)
        if least > most:
            raise ValueError(_unsplittable(label, rows.size, trains))
        count = min(max(round(training_share * rows.size), least), most)
        sides[rows[:count]], sides[rows[count:]] = TRAINS, CALIBRATES
        drawn.append((rows, count))
    if groups is not None and twin_count(groups):
        sides = place_together(labels, sides, drawn, groups, places)
    return np.flatnonzero(sides == TRAINS), np.flatnonzero(sides == CALIBRATES)


def _unsplittable(label: int, free: int, trains: int) -> str:
    if free:
        return f"class {label} has 1 row; training and calibration need one each, add at least 1"
    missing, there = ("calibrate", "trained") if trains else ("train", "calibrated")
    return f"every row of class {label} {there} the model that is continued, none is left to {missing}; add at least 1"


def check_split(labels: np.ndarray, class_count: int, name: str) -> np.ndarray:
    """Labels of one split as (n,) int64; ValueError unless all are 0..C-1 and every class occurs."""
    values = np.asarray(labels)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise ValueError(f"{name} labels must be a vector of integers, got {values.dtype} {values.shape}")
    if values.size and (values.min() < 0 or values.max() >= class_count):
        raise ValueError(f"{name} labels must be in 0..{class_count - 1}; leave out rows labelled -1 or -99")
    counts = np.bincount(values, minlength=class_count)
    if (counts == 0).any():
        missing = ", ".join(str(c) for c in np.flatnonzero(counts == 0)[:10])
        raise ValueError(f"{name} split must contain every class; it has no row of class {missing}")
    return values.astype(np.int64)


def best_iteration(losses: Sequence[float]) -> int:
    """0-based iteration with the smallest best loss; the last of equals wins (sdm.md 7)."""
    if not losses:
        raise ValueError("no shuffle was trained: expected at least one loss")
    values = np.asarray(losses, dtype=np.float64)
    return int(np.flatnonzero(values == values.min())[-1])
