"""Prediction sets by label-conditional conformal prediction (Vovk et al., Algorithmic Learning in a Random World).

Owns: how well a class conforms, the quantile of each class, and membership. Must not know: probabilities, regions.

    s_c = sqrt(r) ln(2 + q) (z'_c - z'_yhat) <= 0,   r the nearness (nearness.py)

The prediction itself has s = 0, so no set is empty. The farther a row lies (r -> 0) and the fewer of its neighbours
agree, the less the logits can exclude, and the set grows to all classes: it says that nothing is known. Being (but for
what r ranks) a function of the row alone, that factor costs no coverage.

Class c is in the set when its p-value, (1 + #{calibration rows of class c with s <= s_c}) / (n_c + 1), exceeds alpha.
Rows of class c that are exchangeable with its calibration rows are then covered with probability at least 1 - alpha,
ties included; approximately so here, where r ranks calibration rows among n and new rows among n + 1. A class with
n_c < 1 / alpha - 1 rows could never be excluded. So classes with fewer than OWN_ROWS_MIN rows are one category of the
taxonomy (a Mondrian one, Vovk et al., 4.5): they share the scores of their rows, each in its own class, and the promise
holds for their documents together, not for each of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from reexd.sdm.activation import Q_OFFSET

OWN_ROWS_MIN = 9  # what a class of its own takes to be excluded at .9


def conformity(logits: np.ndarray, q: np.ndarray, nearness: np.ndarray) -> np.ndarray:
    """s (n, C) float64, at most 0: z' (n, C), q (n,), r (n,) in [0, 1]."""
    logits = np.asarray(logits, dtype=np.float64)
    sharpness = np.sqrt(nearness) * np.log(Q_OFFSET + np.asarray(q))
    return sharpness[:, None] * (logits - logits.max(axis=1, keepdims=True))


def class_conformity(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, ...]:
    """For each class the ascending s of its own calibration rows, in that class; labels (n,), s (n, C)."""
    labels = np.asarray(labels)
    return tuple(np.sort(scores[labels == label, label]) for label in range(scores.shape[1]))


def set_rows_min(coverage: float) -> int:
    """Calibration rows of a category from which on its classes can be excluded: the smallest n >= 1 / alpha - 1."""
    return math.ceil(round(1.0 / _alpha(coverage) - 1.0, 6))


def set_sharing(counts: Sequence[int] | np.ndarray) -> np.ndarray:
    """Labels of the classes that share a threshold, ascending, from the calibration rows of each, (C,).

    The coverage has no say, so that a set at a higher one holds those at lower ones. One class alone shares with none.
    """
    small = np.flatnonzero(np.asarray(counts) < OWN_ROWS_MIN)
    return small if small.size > 1 else small[:0]


def set_thresholds(own: Sequence[np.ndarray], coverage: float) -> np.ndarray:
    """(C,) float64: the smallest s with which a class is in the set, -inf where it always is.

    That is the k-th smallest of the category's n own, k = floor(alpha (n + 1)), alpha = 1 - coverage; a category is a
    class or those that share (`set_sharing`). Raises ValueError for a coverage outside (0, 1).
    """
    alpha = _alpha(coverage)
    thresholds = np.array([_quantile(scores, alpha) for scores in own])
    shared = set_sharing([scores.size for scores in own])
    if shared.size:
        thresholds[shared] = _quantile(np.sort(np.concatenate([own[label] for label in shared])), alpha)
    return thresholds


def _quantile(scores: np.ndarray, alpha: float) -> float:
    """The k-th smallest of n ascending ones; -inf where k is 0."""
    allowed = int(round(alpha * (scores.size + 1), 10))
    return float(scores[allowed - 1]) if allowed > 0 else -math.inf


def _alpha(coverage: float) -> float:
    """Rounded: 1 - 0.9 is a little below 0.1, which would cost a row."""
    if not 0.0 < coverage < 1.0:
        raise ValueError(f"coverage must be in (0, 1), got {coverage}")
    return round(1.0 - coverage, 10)
