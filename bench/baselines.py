"""What our probability and prediction sets are measured against, on the logits of any classifier. NumPy alone.

Probabilities: softmax, and temperature scaling (Guo et al., ICML 2017) fitted on calibration rows.
Sets: APS (Romano, Sesia and Candes, NeurIPS 2020) and RAPS (Angelopoulos et al., ICLR 2021), both randomised, split
conformal over all classes together. `bench.mapie_oracle` compares them with MAPIE, in an environment of its own.
Scores: ECE, Brier, and what a set covers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from reexd.sdm import fit_temperature

ECE_BINS = 15


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """(n, C) -> (n, C) float64."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """T by maximum likelihood on calibration rows: logits (n, C), labels (n,) in 0..C-1."""
    return fit_temperature(labels, logits, prior=1e-9)


@dataclass(frozen=True, slots=True)
class AdaptiveSets:
    """APS, or RAPS where `penalty` > 0: that much for each class after the first `free` ones.

    The score of a class is the probability of all classes at least as probable, less a uniform share of its own, so
    that coverage is exact; the shares are drawn from `seed`.
    """

    threshold: float
    penalty: float
    free: int
    seed: int

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """(n, C) of new rows -> (n, C) bool; a set may be empty."""
        shares = np.random.default_rng(self.seed + 1).random(len(probabilities))
        return _adaptive_scores(probabilities, shares, self.penalty, self.free) <= self.threshold


def fit_aps(probabilities: np.ndarray, labels: np.ndarray, coverage: float, seed: int = 0) -> AdaptiveSets:
    """From calibration rows: probabilities (n, C), labels (n,)."""
    return fit_raps(probabilities, labels, coverage, penalty=0.0, free=0, seed=seed)


def fit_raps(
    probabilities: np.ndarray,
    labels: np.ndarray,
    coverage: float,
    *,
    penalty: float = 0.01,
    free: int = 5,
    seed: int = 0,
) -> AdaptiveSets:
    """The article's penalty and number of free classes, for which it recommends these on ImageNet."""
    count = len(labels)
    shares = np.random.default_rng(seed).random(count)
    own = np.sort(_adaptive_scores(probabilities, shares, penalty, free)[np.arange(count), labels])
    place = int(np.ceil(round((count + 1) * coverage, 9)))
    return AdaptiveSets(float(own[place - 1]) if place <= count else np.inf, penalty, free, seed)


def _adaptive_scores(probabilities: np.ndarray, shares: np.ndarray, penalty: float, free: int) -> np.ndarray:
    probabilities = np.asarray(probabilities, dtype=np.float64)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, axis=1)
    places = np.arange(1, ranked.shape[1] + 1)
    scores = np.cumsum(ranked, axis=1) - shares[:, None] * ranked + penalty * np.maximum(places - free, 0)
    found = np.empty_like(scores)
    np.put_along_axis(found, order, scores, axis=1)
    return found


def expected_calibration_error(probability: np.ndarray, right: np.ndarray, bins: int = ECE_BINS) -> float:
    """Mean over rows of |mean probability - share right| of the row's bin; bins of equal mass. (n,), (n,) bool."""
    order = np.argsort(probability, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    return float(sum(abs(probability[part].sum() - right[part].sum()) for part in parts) / len(order))


def brier(probability: np.ndarray, right: np.ndarray) -> float:
    """Mean squared error of the probability of being right; (n,), (n,) bool."""
    return float(np.mean(np.square(probability - right)))


@dataclass(frozen=True, slots=True)
class SetFigures:
    """Of n rows with known classes, or of n rows that belong to none: then the coverages are nan."""

    coverage: float
    coverage_least: float  # of the worst class
    size: float  # mean
    single: float  # share of sets with one class: what looks sure
    empty: float


def set_figures(sets: np.ndarray, labels: np.ndarray) -> SetFigures:
    """sets (n, C) bool, labels (n,), -99 for rows of no class."""
    sizes = sets.sum(axis=1)
    known = np.flatnonzero(labels >= 0)
    held = sets[known, labels[known]]
    by_class = [held[labels[known] == label].mean() for label in np.unique(labels[known])]
    return SetFigures(
        coverage=float(held.mean()) if held.size else float("nan"),
        coverage_least=float(min(by_class)) if by_class else float("nan"),
        size=float(sizes.mean()),
        single=float((sizes == 1).mean()),
        empty=float((sizes == 0).mean()),
    )
