"""Rescaled similarity q', the gate in front of every region (act Eq. 8; sdm.md 8)."""

from __future__ import annotations

import numpy as np

from reexd.sdm.activation import Q_OFFSET


def rescaled_similarity(
    q: np.ndarray | float, predicted_probability: np.ndarray | float, q_offset: float = Q_OFFSET
) -> np.ndarray:
    """q' = min(q, (q_offset + q)^p), p = sdm(z') of the predicted class; float32 of the inputs' shape.

    q = 0 gives 0 and q >= 1 gives q' >= 1. Raises ValueError for q < 0, p outside [0, 1] or non-finite input.
    """
    q = np.asarray(q, dtype=np.float32)
    probability = np.asarray(predicted_probability, dtype=np.float32)
    if not np.isfinite(q).all() or (q < 0.0).any():
        raise ValueError("q must be finite and cannot be negative")
    if not ((probability >= 0.0) & (probability <= 1.0)).all():
        raise ValueError("the predicted class's probability must be in [0, 1]")
    return np.minimum(q, np.power(q + np.float32(q_offset), probability))


def is_out_of_distribution(q_prime: np.ndarray | float, ood_limit: int = 0) -> np.ndarray:
    """floor(q') <= ood_limit: no region admits such a row; bool of the input's shape."""
    return np.floor(np.asarray(q_prime, dtype=np.float32)) <= ood_limit
