"""High-reliability regions and their nested ladder (act Alg. 1, Eq. 9; sdm.md 9).

Owns: fitting regions to calibration rows, and membership. Must not know: how sdm(z') and q' were computed.

A region admits a row when q' reaches its minimum and exactly one class, the predicted one, reaches its output
threshold psi_c. All comparisons are Float32 with >=.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reexd.sdm.rescaled_similarity import is_out_of_distribution

ALPHA_RESOLUTION = 0.05
ALPHA_RESOLUTION_MIN = 5e-5  # bounds the ladder to fewer than 10,000 rungs
PROBABILITY_SUM_TOLERANCE = 1e-5
NEVER = 2.0  # a threshold that no probability reaches


@dataclass(frozen=True, slots=True)
class Region:
    """One rung: rows with q' >= q_prime_min whose only class at or above its psi_c is the predicted one."""

    alpha: float  # in (0.5, 1)
    q_prime_min: float
    thresholds: tuple[float, ...]  # psi_c, one per class; NEVER for a class that the rung leaves out


def ladder_alphas(alpha_resolution: float = ALPHA_RESOLUTION) -> tuple[float, ...]:
    """Descending rungs round(1 - k * resolution, 10), k = 1, 2, ..., above 0.5 (sdm.md 9b).

    Raises ValueError for a resolution outside [5e-5, 0.5).
    """
    if not ALPHA_RESOLUTION_MIN <= alpha_resolution < 0.5:
        raise ValueError(f"alpha_resolution must be in [{ALPHA_RESOLUTION_MIN}, 0.5), got {alpha_resolution}")
    rungs = (round(1.0 - k * alpha_resolution, 10) for k in range(1, math.ceil(1 / alpha_resolution)))
    return tuple(alpha for alpha in rungs if alpha > 0.5)


def tail_allowance(alpha: float, counts: np.ndarray) -> np.ndarray:
    """How many of `counts` rows may lie below alpha: int(round(1 - alpha, 10) * n), int64 of counts' shape.

    Rounding first matters: 1 - 0.9 is 0.09999999999999998, and ten rows would be allowed none.
    """
    return (round(1.0 - alpha, 10) * np.asarray(counts)).astype(np.int64)


def fit_region(sdm: np.ndarray, q_prime: np.ndarray, labels: np.ndarray, alpha: float) -> Region | None:
    """The region at `alpha` with the smallest q'_min, or None (act Alg. 1).

    sdm (n, C), q' (n,), labels (n,) of the candidates alone: rows with floor(q') above the OOD limit. One
    sweep over ascending q', O(n log n): psi_c >= alpha iff at most `tail_allowance` of the class's rows lie
    below alpha, so per class only two suffix counts are needed. Rows of equal q' are removed together.
    """
    row_count, class_count = sdm.shape
    if row_count == 0:
        return None
    order = np.argsort(q_prime, kind="stable")
    invalid = failing_classes(
        sdm[order, labels[order]] < np.float32(alpha), labels[order], class_count, alpha
    )
    ascending = q_prime[order]
    group_starts = np.flatnonzero(np.r_[True, ascending[1:] != ascending[:-1]])
    passing = group_starts[invalid[group_starts] == 0]
    if passing.size == 0:
        return None
    kept = order[passing[0] :]
    thresholds = []
    for label in range(class_count):
        values = sdm[kept[labels[kept] == label], label]
        place = min(int(tail_allowance(alpha, values.size)), values.size - 1)
        thresholds.append(float(np.partition(values, place)[place]))
    return Region(alpha, float(ascending[passing[0]]), tuple(thresholds))


def class_passes(below: np.ndarray, alpha: float) -> np.ndarray:
    """Does one class reach alpha without its first k rows? (n_c,) bool -> (n_c + 1,) bool, k = 0..n_c.

    `below` marks the class's rows, by ascending q', whose sdm_c is under alpha. No rows left never passes.
    """
    remaining = np.arange(below.size, -1, -1)
    below_left = np.r_[np.cumsum(below[::-1])[::-1], 0]
    return (remaining > 0) & (below_left <= tail_allowance(alpha, remaining))


def failing_classes(below: np.ndarray, labels: np.ndarray, class_count: int, alpha: float) -> np.ndarray:
    """Classes that miss alpha when the rows before position s are removed, (n,) for s = 0..n-1.

    `below` and `labels` are in ascending order of q'. A class's verdict changes only at its own rows, so the
    verdicts of all classes are one cumulative sum of changes.
    """
    changes = np.zeros(below.size + 1, dtype=np.int64)
    by_class = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[by_class], np.arange(class_count + 1))
    for label in range(class_count):
        positions = by_class[bounds[label] : bounds[label + 1]]
        fails = (~class_passes(below[positions], alpha)).astype(np.int64)
        changes[0] += fails[0]
        changes[positions + 1] += np.diff(fails)
    return np.cumsum(changes)[:-1]


def fit_regions(
    sdm: np.ndarray,
    q_prime: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    *,
    alphas: Sequence[float] | None = None,
    ood_limit: int = 0,
) -> tuple[Region, ...]:
    """The nested ladder, descending alpha (sdm.md 9b): each rung is fitted on rows no higher region accepted.

    sdm (n, C), q' (n,), labels and predictions (n,) in 0..C-1, one entry per calibration row. A rung
    exists where all classes pass, the article's rule; `reexd.sdm.certification` has the product's. Raises
    ValueError when a probability row does not sum to 1 within 1e-5 or anything is out of range.
    """
    sdm, q_prime, labels, predictions = _checked(sdm, q_prime, labels, predictions)
    seen = ~is_out_of_distribution(q_prime, ood_limit)
    residual = np.ones(labels.size, dtype=bool)
    regions: list[Region] = []
    for alpha in ladder_alphas() if alphas is None else alphas:
        rows = np.flatnonzero(residual & seen)
        if rows.size == 0:
            break
        region = fit_region(sdm[rows], q_prime[rows], labels[rows], alpha)
        if region is not None:
            regions.append(region)
            residual &= ~region_accepts(q_prime, sdm, predictions, region, ood_limit=ood_limit)
    return tuple(regions)


def region_accepts(
    q_prime: np.ndarray, sdm: np.ndarray, predictions: np.ndarray, region: Region, *, ood_limit: int = 0
) -> np.ndarray:
    """Membership (act Eq. 9): (n,), (n, C), (n,) -> (n,) bool."""
    q_prime = np.asarray(q_prime, dtype=np.float32)
    sdm = np.asarray(sdm, dtype=np.float32)
    predictions = np.asarray(predictions)
    if sdm.ndim != 2 or sdm.shape[1] != len(region.thresholds):
        raise ValueError(
            f"sdm must be (n, {len(region.thresholds)}) as the region's thresholds, got {sdm.shape}"
        )
    if predictions.size and (predictions.min() < 0 or predictions.max() >= sdm.shape[1]):
        raise ValueError(f"predictions must be in 0..{sdm.shape[1] - 1}")
    above = sdm >= np.asarray(region.thresholds, dtype=np.float32)
    return (
        ~is_out_of_distribution(q_prime, ood_limit)
        & (q_prime >= np.float32(region.q_prime_min))
        & (above.sum(axis=1) == 1)
        & above[np.arange(predictions.size), predictions]
    )


def region_alphas(
    q_prime: np.ndarray,
    sdm: np.ndarray,
    predictions: np.ndarray,
    regions: Sequence[Region],
    *,
    ood_limit: int = 0,
    near: np.ndarray | None = None,
) -> np.ndarray:
    """Alpha of the first accepting region in the given order, 0.0 where none does; (n,) float64.

    `near` (n, R): what `reached` said of these rows, with whatever slack, where the caller has asked it.
    """
    alphas = np.zeros(np.asarray(q_prime).size, dtype=np.float64)
    near = reached(q_prime, sdm, predictions, regions) if near is None else near
    for at in np.flatnonzero(near.any(axis=0)):
        rows = np.flatnonzero(near[:, at] & (alphas == 0.0))
        accepted = region_accepts(
            q_prime[rows], sdm[rows], predictions[rows], regions[at], ood_limit=ood_limit
        )
        alphas[rows[accepted]] = regions[at].alpha
    return alphas


def reached(
    q_prime: np.ndarray,
    sdm: np.ndarray,
    predictions: np.ndarray,
    regions: Sequence[Region],
    *,
    slack: float = 0.0,
) -> np.ndarray:
    """Which of R regions could accept a row: q' and its predicted class reach the minima, (n, R) bool.

    What no region accepts is most of what is asked, and is told here by one comparison for all of them. `slack` is
    the share by which a row may fall short.
    """
    # Float32, as `region_accepts` compares.
    q_prime, sdm = np.asarray(q_prime, np.float32), np.asarray(sdm, np.float32)
    class_count = sdm.shape[1]
    thresholds = np.array([region.thresholds for region in regions], np.float32)  # (R, C)
    thresholds = thresholds.reshape(len(regions), class_count).T[predictions]  # (n, R)
    minima = np.array([region.q_prime_min for region in regions], np.float32)
    predicted = sdm[np.arange(predictions.size), predictions]
    share = np.float32(1.0 + slack)
    return ((q_prime * share)[:, None] >= minima) & ((predicted * share)[:, None] >= thresholds)


def _checked(
    sdm: np.ndarray, q_prime: np.ndarray, labels: np.ndarray, predictions: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    sdm = np.asarray(sdm, dtype=np.float32)
    q_prime = np.asarray(q_prime, dtype=np.float32)
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if sdm.ndim != 2 or sdm.shape[0] == 0 or sdm.shape[1] < 2:
        raise ValueError(f"sdm must be (n, C) with n >= 1 and C >= 2, got {sdm.shape}")
    for name, values in (("q_prime", q_prime), ("labels", labels), ("predictions", predictions)):
        if values.shape != (sdm.shape[0],):
            raise ValueError(
                f"{name} must have one value per row of sdm ({sdm.shape[0]}), got {values.shape}"
            )
    if not np.isfinite(q_prime).all() or (q_prime < 0.0).any():
        raise ValueError("q_prime must be finite and cannot be negative")
    if not ((sdm >= 0.0) & (sdm <= 1.0)).all():
        raise ValueError("sdm must hold probabilities in [0, 1]")
    if (np.abs(sdm.sum(axis=1, dtype=np.float32) - np.float32(1.0)) > PROBABILITY_SUM_TOLERANCE).any():
        raise ValueError("each row of sdm must sum to 1 within 1e-5")
    for name, values in (("labels", labels), ("predictions", predictions)):
        if values.dtype.kind not in "iu" or values.min() < 0 or values.max() >= sdm.shape[1]:
            raise ValueError(f"calibration {name} must be classes 0..{sdm.shape[1] - 1}")
    return sdm, q_prime, labels, predictions
