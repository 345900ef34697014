"""The digest that names a feature vector in interchange files (sdm.md 14)."""

from __future__ import annotations

import hashlib

import numpy as np


def feature_digest(vector: np.ndarray) -> str:
    """Hex SHA-256 of the vector's little-endian Float32 bytes, with -0 written as +0.

    Raises ValueError for a non-finite or non-numeric element.
    """
    values = np.asarray(vector)
    if values.dtype.kind not in "iuf":
        raise ValueError(f"a feature vector must be numeric, got {values.dtype}")
    with np.errstate(over="ignore"):
        features = values.astype("<f4").reshape(-1)
    if not np.isfinite(features).all():
        raise ValueError("a feature vector must be finite Float32 values")
    return hashlib.sha256((features + np.float32(0.0)).astype("<f4").tobytes()).hexdigest()
