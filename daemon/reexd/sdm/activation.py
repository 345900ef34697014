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
    with np.errstate(over="ignore", invalid="ignore"):
        matrix, q_rows, d_rows = _float32("logits", logits), _float32("q", q), _float32("d", d)
        matrix = matrix.reshape(1, -1) if matrix.ndim == 1 else matrix
        if matrix.ndim != 2 or matrix.shape[1] < 2:
            raise ValueError(f"logits must be (n, C) with C >= 2, got {np.shape(logits)}")
        rows = matrix.shape[0]
        q_rows, d_rows = q_rows.reshape(-1), d_rows.reshape(-1)
        if q_rows.size not in (1, rows) or d_rows.size not in (1, rows):
            raise ValueError(f"q and d must have one value per row of logits ({rows})")
        if (q_rows < 0.0).any():
            raise ValueError("q cannot be negative")
        if (d_rows < 0.0).any() or (d_rows > 1.0).any():
            raise ValueError("d must be in [0, 1]")
        scaled = matrix * (d_rows * np.log(q_rows + np.float32(q_offset)))[:, None]
    # Whatever is not finite on the way in is not finite here, so that one look is enough for good input.
    if not np.isfinite(scaled).all():
        if all(np.isfinite(array).all() for array in (matrix, q_rows, d_rows)):
            raise ValueError("d ln(q_offset + q) z' overflowed Float32")
        raise ValueError("logits, q and d must be finite Float32 values")
    return scaled


def _float32(name: str, value: np.ndarray | float) -> np.ndarray:
    raw = np.asarray(value)
    if raw.dtype.kind not in "iuf":
        raise ValueError(f"{name} must be numeric, got {raw.dtype}")
    return raw.astype(np.float32)
