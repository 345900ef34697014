"""The one scalar mean and deviation that put hidden states on the adaptor's scale (sdm.md 2).

Owns: fitting and applying them. Must not know: which rows train (the caller passes the training split).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Normalization:
    """x = (h - mean) / standard_deviation, with the same two scalars for every feature."""

    mean: float
    standard_deviation: float  # sample deviation (ddof = 1), > 0

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """(n, D) -> (n, D) float32. Raises ValueError when an element is or becomes non-finite."""
        values = finite_matrix(vectors, "vectors")
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = (values - np.float32(self.mean)) / np.float32(self.standard_deviation)
        if not np.isfinite(scaled).all():
            raise ValueError("normalisation produced a non-finite value; check the scale of the vectors")
        return np.ascontiguousarray(scaled, dtype=np.float32)


def fit_normalization(training_vectors: np.ndarray) -> Normalization:
    """Scalar mean and sample deviation over all elements of the training split (n, D), in Float32.

    Raises ValueError when the deviation is zero or not finite (constant vectors carry no information).
    """
    values = finite_matrix(training_vectors, "training vectors")
    mean = float(np.mean(values, dtype=np.float32))
    with np.errstate(invalid="ignore", divide="ignore"):
        deviation = float(np.std(values, ddof=1, dtype=np.float32)) if values.size > 1 else 0.0
    if not np.isfinite(mean) or not np.isfinite(deviation) or deviation <= 0.0:
        raise ValueError(
            f"training vectors must have a positive sample standard deviation, got {deviation}: "
            "all elements are equal or too large for Float32"
        )
    return Normalization(mean, deviation)


def finite_matrix(values: np.ndarray, name: str) -> np.ndarray:
    """`values` as a finite, non-empty (n, D) float32 matrix; ValueError names what was wrong."""
    try:
        raw = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} must be a rectangular matrix: {error}") from error
    if raw.ndim != 2 or raw.dtype.kind not in "iuf" or raw.shape[0] == 0 or raw.shape[1] == 0:
        raise ValueError(f"{name} must be a numeric (n, D) matrix, got shape {raw.shape} of {raw.dtype}")
    with np.errstate(over="ignore"):
        matrix = np.ascontiguousarray(raw, dtype=np.float32)
    if not np.isfinite(matrix).all():
        raise ValueError(f"{name} must be finite Float32 values")
    return matrix
