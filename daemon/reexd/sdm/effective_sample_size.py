"""How many calibration rows stand behind a prediction, and the error they allow (act App. A.5; sdm.md 10).

Owns: n_c and the Dvoretzky-Kiefer-Wolfowitz bound on d. Must not know: regions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def effective_sample_sizes(q_prime: np.ndarray, q_prime_cdfs: Sequence[np.ndarray]) -> np.ndarray:
    """n_c = #{g in G_c : g <= q'}, (n,) -> (n, C) int64. G_c ascending; an empty one counts 0."""
    values = np.asarray(q_prime, dtype=np.float32).reshape(-1)
    sizes = np.zeros((values.size, len(q_prime_cdfs)), dtype=np.int64)
    for label, cdf in enumerate(q_prime_cdfs):
        sizes[:, label] = np.searchsorted(np.asarray(cdf, dtype=np.float32), values, side="right")
    return sizes


def dkw_errors(sizes: np.ndarray, alpha: float) -> np.ndarray:
    """eps_c = sqrt(ln(2 / (1 - alpha)) / (2 n_c)), 1 where n_c = 0; float32 of `sizes`' shape, may exceed 1.

    With probability at least alpha no point of the empirical CDF of n_c values is farther than eps_c from the
    true one (Massart's constant). Raises ValueError for alpha outside (0.5, 1).
    """
    if not 0.5 < alpha < 1.0:
        raise ValueError(f"alpha must be in (0.5, 1), got {alpha}")
    sizes = np.asarray(sizes)
    if (sizes < 0).any():
        raise ValueError("sample sizes cannot be negative")
    numerator = np.log(np.float32(2.0 / (1.0 - alpha)))
    with np.errstate(divide="ignore"):
        errors = np.sqrt(numerator / (2 * sizes).astype(np.float32))
    return np.where(sizes > 0, errors, np.float32(1.0))


def distance_bands(d: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(d - eps, d + eps) clipped to [0, 1] with eps = max over c; (n,) and (n, C) -> two (n,) float32."""
    d = np.asarray(d, dtype=np.float32)
    worst = np.asarray(errors, dtype=np.float32).max(axis=-1)
    zero, one = np.float32(0.0), np.float32(1.0)
    return np.clip(d - worst, zero, one), np.clip(d + worst, zero, one)
