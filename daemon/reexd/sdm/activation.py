"""The SDM activation: a softmax whose base is similarity and whose sharpness is distance (act Eq. 6, 10).

Owns: sdm(z') and its logarithm. Must not know: where q, d and z' come from.
"""

from __future__ import annotations

import math

import numpy as np

Q_OFFSET = 2.0


def sdm_activation(
    logits: np.ndarray, q: np.ndarray | float, d: np.ndarray | float, q_offset: float = Q_OFFSET
) -> np.ndarray:
    """softmax(d ln(q_offset + q) z'), the overflow-free form of (q_offset + q)^(d z'_i) / sum (sdm.md 6).

    logits (n, C) or (C,); q >= 0 and d in [0, 1], one per row or one for all. Float32 of logits' shape;
    d = 0 gives the uniform vector. Raises ValueError for non-finite, negative or misshapen input.
    """
    scaled = _scaled_logits(logits, q, d, q_offset)
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    result = exponentials / exponentials.sum(axis=1, keepdims=True, dtype=np.float32)
    return result.reshape(np.shape(logits))


def log_sdm_activation(
    logits: np.ndarray, q: np.ndarray | float, d: np.ndarray | float, q_offset: float = Q_OFFSET
) -> np.ndarray:
    """Natural logarithm of `sdm_activation`, same shapes and errors."""
    scaled = _scaled_logits(logits, q, d, q_offset)
    shifted = scaled - scaled.max(axis=1, keepdims=True)
    result = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True, dtype=np.float32))
    return result.reshape(np.shape(logits))


def _scaled_logits(
    logits: np.ndarray, q: np.ndarray | float, d: np.ndarray | float, q_offset: float
) -> np.ndarray:
    if not math.isfinite(q_offset) or q_offset <= 1.0:
        raise ValueError(f"q_offset must be finite and above 1, got {q_offset}")
    arrays = []
    for name, value in (("logits", logits), ("q", q), ("d", d)):
        raw = np.asarray(value)
        if raw.dtype.kind not in "iuf":
            raise ValueError(f"{name} must be numeric, got {raw.dtype}")
        with np.errstate(over="ignore"):
            arrays.append(raw.astype(np.float32))
    matrix = arrays[0].reshape(1, -1) if arrays[0].ndim == 1 else arrays[0]
    if matrix.ndim != 2 or matrix.shape[1] < 2:
        raise ValueError(f"logits must be (n, C) with C >= 2, got {arrays[0].shape}")
    try:
        q_rows = np.broadcast_to(arrays[1].reshape(-1), (matrix.shape[0],))
        d_rows = np.broadcast_to(arrays[2].reshape(-1), (matrix.shape[0],))
    except ValueError as error:
        raise ValueError(f"q and d must have one value per row of logits ({matrix.shape[0]})") from error
    if not all(np.isfinite(array).all() for array in (matrix, q_rows, d_rows)):
        raise ValueError("logits, q and d must be finite Float32 values")
    if (q_rows < 0.0).any():
        raise ValueError("q cannot be negative")
    if (d_rows < 0.0).any() or (d_rows > 1.0).any():
        raise ValueError("d must be in [0, 1]")
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = matrix * d_rows[:, None] * np.log(q_rows + np.float32(q_offset))[:, None]
    if not np.isfinite(scaled).all():
        raise ValueError("d ln(q_offset + q) z' overflowed Float32")
    return scaled
