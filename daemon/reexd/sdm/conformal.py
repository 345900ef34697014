"""Prediction sets by label-conditional conformal prediction (Vovk et al., Algorithmic Learning in a Random World).

Owns: how well a class conforms, the quantile of each class, and membership. Must not know: probabilities, regions.

    s_c = sqrt(r) ln(2 + q) (z'_c - z'_yhat) <= 0,   r the nearness (nearness.py)

The prediction itself has s = 0, so no set is empty. The farther a row lies (r -> 0) and the fewer of its neighbours
agree, the less the logits can exclude, and the set grows to all classes: it says that nothing is known. Being a
function of the row alone, that factor costs no coverage.

Class c is in the set when its p-value, (1 + #{calibration rows of class c with s <= s_c}) / (n_c + 1), exceeds alpha.
Rows of class c that are exchangeable with its calibration rows are then covered with probability at least 1 - alpha,
ties included. A class with n_c < 1 / alpha - 1 rows can never be excluded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from reexd.sdm.activation import Q_OFFSET


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
    """Calibration rows of a class from which on it can be excluded: the smallest n_c >= 1 / alpha - 1."""
    return math.ceil(round(1.0 / _alpha(coverage) - 1.0, 6))


def set_thresholds(own: Sequence[np.ndarray], coverage: float) -> np.ndarray:
    """(C,) float64: the smallest s with which a class is in the set, -inf where it always is.

    That is the k-th smallest of the class's own, k = floor(alpha (n_c + 1)), alpha = 1 - coverage. Raises ValueError
    for a coverage outside (0, 1).
    """
    alpha = _alpha(coverage)
    thresholds = np.full(len(own), -np.inf)
    for label, scores in enumerate(own):
        allowed = int(round(alpha * (scores.size + 1), 10))
        if allowed > 0:
            thresholds[label] = scores[allowed - 1]
    return thresholds


def _alpha(coverage: float) -> float:
    """Rounded: 1 - 0.9 is a little below 0.1, which would cost a row."""
    if not 0.0 < coverage < 1.0:
        raise ValueError(f"coverage must be in (0, 1), got {coverage}")
    return round(1.0 - coverage, 10)
