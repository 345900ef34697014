"""What the members of an ensemble say together (act A.7): admitted when all agree and all admit at the lower bound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """n rows, J members. The first member is the one whose prediction is given."""

    size: int  # J
    agreed: np.ndarray  # (n,) int64, 1..J: members with the first one's prediction
    region_alpha: np.ndarray  # (n,) float64: lowest lower region alpha of all when all agree, else 0.0

    @property
    def admitted(self) -> np.ndarray:
        """(n,) bool: all agree, and the lower region of each holds the row."""
        return self.region_alpha > 0


def agreement(predictions: np.ndarray, lower_region_alphas: np.ndarray) -> Agreement:
    """Predictions (J, n) and lower region alphas (J, n), 0.0 where a member rejects. Raises ValueError for J = 0."""
    predictions, alphas = np.asarray(predictions), np.asarray(lower_region_alphas, np.float64)
    if predictions.ndim != 2 or not len(predictions) or alphas.shape != predictions.shape:
        raise ValueError(f"expected (J, n) of both, received {predictions.shape} and {alphas.shape}")
    agreed = (predictions == predictions[0]).sum(axis=0)
    return Agreement(
        size=len(predictions),
        agreed=agreed,
        region_alpha=np.where(agreed == len(predictions), alphas.min(axis=0), 0.0),
    )
