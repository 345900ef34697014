"""Magnitude as one number: the log-odds of the prediction in softmax(z' / T), T fitted to calibration rows.

Owns: the temperature and the log-odds. Must not know: q, distances, or what the log-odds are used for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

TEMPERATURE_PRIOR = 5.0  # rows' weight of T = 1, on the scale of ln T
_NEWTON_STEPS, _HALVINGS = 100, 30
_ROUNDING = 1e-12  # of a loss


@dataclass(frozen=True, slots=True)
class Magnitude:
    """Fitted to the calibration rows of one model."""

    temperature: float  # T > 0
    highest: float  # log-odds of the surest calibration row; a new row's count no higher

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        """z' (k, C) -> ln p / (1 - p), p the prediction's share of softmax(z' / T); (k,) float64."""
        return np.minimum(log_odds(np.asarray(logits, np.float64) / self.temperature), self.highest)


def fit_magnitude(labels: np.ndarray, logits: np.ndarray) -> Magnitude:
    """From labels (n,) in 0..C-1 and z' (n, C) of the calibration rows, n >= 1."""
    logits = np.asarray(logits, dtype=np.float64)
    temperature = fit_temperature(labels, logits)
    return Magnitude(temperature, float(log_odds(logits / temperature).max()))


def fit_temperature(
    labels: np.ndarray,
    logits: np.ndarray,
    prior: float = TEMPERATURE_PRIOR,
    weights: np.ndarray | None = None,
) -> float:
    """T of softmax(z' / T) by penalised maximum likelihood (temperature scaling: Guo et al., ICML 2017).

    labels (n,) in 0..C-1, z' (n, C), weights (n,) >= 0, one each unless given. Newton steps in u = -ln T on
    sum_n w_n [ln sum_c exp(e^u z'_c) - e^u z'_y] + prior u^2 / 2, with the part of the curvature that is never
    negative, none of them uphill. Raises ValueError for shapes that differ.
    """
    logits = np.asarray(logits, dtype=np.float64)
    labels = np.asarray(labels)
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not labels.size:
        raise ValueError(
            f"expected labels (n,) and logits (n, C), n >= 1; received {labels.shape}, {logits.shape}"
        )
    logits = logits - logits.max(axis=1, keepdims=True)
    own = logits[np.arange(labels.size), labels]
    rows = np.ones(labels.size) if weights is None else np.asarray(weights, dtype=np.float64)

    def loss_at(place: float) -> tuple[float, np.ndarray]:
        scale = math.exp(place)
        shares = np.exp(scale * logits)
        total = shares.sum(axis=1, keepdims=True)
        fit = float(rows @ (np.log(total[:, 0]) - scale * own))
        return fit + prior * place * place / 2, shares / total

    place = 0.0
    loss, shares = loss_at(place)
    for _ in range(_NEWTON_STEPS):
        scale = math.exp(place)
        mean = (shares * logits).sum(axis=1)
        spread = (shares * np.square(logits)).sum(axis=1) - np.square(mean)
        gradient = scale * float(rows @ (mean - own)) + prior * place
        step = gradient / max(scale**2 * float(rows @ spread) + prior, 1e-12)
        moved = min(max(step, -1.0), 1.0)
        # Logits that are large and wrong have curvature that these steps leave out.
        for _ in range(_HALVINGS):
            tried, shares = loss_at(place - moved)
            if tried <= loss + _ROUNDING * (1.0 + abs(loss)):
                break
            moved /= 2
        place, loss = place - moved, tried
        if abs(step) < 1e-7:
            break
    return math.exp(-place)


def log_odds(logits: np.ndarray) -> np.ndarray:
    """z_yhat - ln sum_{c != yhat} exp z_c; (n, C) -> (n,) float64, at least -ln(C - 1)."""
    logits = np.asarray(logits, dtype=np.float64)
    relative = logits - logits.max(axis=1, keepdims=True)
    relative[np.arange(len(relative)), logits.argmax(axis=1)] = -np.inf
    second = relative.max(axis=1)
    return -(second + np.log(np.exp(relative - second[:, None]).sum(axis=1)))
