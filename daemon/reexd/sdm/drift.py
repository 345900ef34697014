"""Whether new rows are distributed like the calibration rows: a two-sample test with effect sizes.

Owns: the test, its corrections, and calibration figures that may be compared with those of new rows. Must not know:
documents, thresholds of a verdict, sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reexd.sdm.activation import sdm_activation
from reexd.sdm.calibration import Calibration
from reexd.sdm.rescaled_similarity import rescaled_similarity

PERMUTATIONS = 1_999  # the smallest p-value is 1 / (PERMUTATIONS + 1)
GRID_MAX = 1_000  # places at which cumulative shares are compared
_CHUNK = 200  # permutations drawn at a time


@dataclass(frozen=True, slots=True)
class TwoSampleTest:
    """How a second sample differs from a first."""

    difference: float  # D: the largest difference of the two cumulative shares, 0..1
    difference_at: float  # the smallest value at which it is reached
    p_value: float  # in (0, 1]
    effect: float  # rank-biserial correlation: P(second > first) - P(second < first), -1..1
    difference_critical: float  # any larger D has a p-value of at most `level`


def two_sample_test(
    first: np.ndarray, second: np.ndarray, *, level: float = 0.05, seed: int = 0
) -> TwoSampleTest:
    """Kolmogorov-Smirnov statistic of two samples, (n,) and (m,), with a permutation p-value.

    Given the pooled values, a permutation of the labels draws the first sample's count in each group of ties from a
    multivariate hypergeometric distribution, which is what is simulated: the p-value is exact for any ties, up to
    the number of permutations, (1 + #{D* >= D}) / (1 + PERMUTATIONS) (Phipson and Smyth 2010). Above GRID_MAX distinct
    values, neighbouring ones share a group of equal mass: another statistic, the test as exact. The effect is
    Cliff's delta with midranks for ties. The same seed gives the same p-value. Raises ValueError for an empty or
    non-finite sample, and unless 0 < level < 1.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.ndim != 1 or second.ndim != 1 or not first.size or not second.size:
        raise ValueError(f"expected two samples (n,) and (m,), received {first.shape} and {second.shape}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("expected finite values in both samples")
    if not 0 < level < 1:
        raise ValueError(f"expected a level in (0, 1); received {level}")
    values, counts = _tied_counts(first, second)
    effect = _rank_biserial(counts)
    values, counts = _coarsened(values, counts)
    gaps = _gaps(counts[0][None], counts.sum(axis=0))[0]
    difference = float(gaps.max())
    simulated = _simulated(counts, np.random.default_rng(seed))
    # Equal statistics differ in their last bits: a tie counts against the null, as it must.
    reached = int(np.count_nonzero(simulated >= difference - 1e-12))
    rank = max(int(level * (PERMUTATIONS + 1)), 1)  # with the observed one, fewer than so many may reach D
    return TwoSampleTest(
        difference=difference,
        difference_at=float(values[gaps >= difference - 1e-12][0]),
        p_value=(1 + reached) / (1 + PERMUTATIONS),
        effect=effect,
        difference_critical=float(np.sort(simulated)[::-1][rank - 1]),
    )


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """p-values adjusted for being tested together (Holm 1979), in their order: rejecting those at most a keeps the
    chance of any false rejection at a, whatever the dependence between the tests.
    """
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return tuple(adjusted.tolist())


def held_out_q_prime(
    labels: np.ndarray, logits: np.ndarray, q: np.ndarray, d0: np.ndarray, calibration: Calibration
) -> np.ndarray:
    """q' of the calibration rows as if each were new, (n,) float32: its own d0 is left out of F_c.

    Labels (n,), z' (n, C), q (n,), d0 (n,). In the stored q' a row's own value is a part of F_c and lifts d by half a
    rank, 1 / (2 |F_c|) on the mean: for many small classes that alone would look like drift. q and d0 need no such
    care, and d is a falling function of d0, so that a rank test on d0 is one on d.
    """
    labels, q = np.asarray(labels), np.asarray(q)
    logits, d0 = np.asarray(logits, np.float32), np.asarray(d0, np.float32)
    per_class = np.zeros((labels.size, calibration.class_count), np.float32)
    for label, cdf in enumerate(calibration.distance_cdfs):
        inside = q > calibration.ood_limit
        if label not in calibration.pooled_classes:
            inside &= labels == label
        below = np.searchsorted(cdf, d0, side="left").astype(np.float32)
        others = (len(cdf) - inside).astype(np.float32)
        some = others > 0
        per_class[some, label] = np.float32(1.0) - below[some] / others[some]
    d = per_class.min(axis=1)
    rows, predictions = np.arange(labels.size), logits.argmax(axis=1)
    sdm = sdm_activation(logits, q, d, calibration.q_offset)
    return rescaled_similarity(q, sdm[rows, predictions], calibration.q_offset)


def _tied_counts(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct values of both, ascending (g,), and how often each sample has them (2, g)."""
    values, groups = np.unique(np.concatenate([first, second]), return_inverse=True)
    groups = groups.ravel()
    counts = [
        np.bincount(part, minlength=len(values)) for part in (groups[: first.size], groups[first.size :])
    ]
    return values, np.array(counts)


def _coarsened(values: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most GRID_MAX groups of near equal mass, each named by its largest value."""
    if len(values) <= GRID_MAX:
        return values, counts
    mass = np.cumsum(counts.sum(axis=0))
    groups = (mass - 1) * GRID_MAX // mass[-1]
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    ends = np.r_[starts[1:] - 1, len(values) - 1]
    return values[ends], np.add.reduceat(counts, starts, axis=1)


def _rank_biserial(counts: np.ndarray) -> float:
    first, second = counts
    below = np.cumsum(first) - first
    above = first.sum() - below - first
    return float((second * (below - above)).sum() / (first.sum() * second.sum()))


def _gaps(first: np.ndarray, total: np.ndarray) -> np.ndarray:
    """|F_1 - F_2| after each group: counts of the first sample (k, g) among the pooled ones (g,)."""
    n, m = first[0].sum(), total.sum() - first[0].sum()
    mine = np.cumsum(first, axis=1)
    return np.abs(mine / n - (np.cumsum(total) - mine) / m)


def _simulated(counts: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """(PERMUTATIONS,) values of D under permutations of who belongs to which sample."""
    total, n = counts.sum(axis=0), int(counts[0].sum())
    drawn = []
    for start in range(0, PERMUTATIONS, _CHUNK):
        size = min(_CHUNK, PERMUTATIONS - start)
        first = generator.multivariate_hypergeometric(total, n, size=size, method="marginals")
        drawn.append(_gaps(first, total).max(axis=1))
    return np.concatenate(drawn)
