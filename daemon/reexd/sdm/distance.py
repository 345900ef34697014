"""Distance d: where a nearest distance stands among those of calibration (act Eq. 5; sdm.md 5).

Owns: the class CDFs F_c and their reverse quantiles. Must not know: how d0 was measured.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def distance_cdfs(
    labels: np.ndarray, q: np.ndarray, d0: np.ndarray, class_count: int, *, ood_limit: float = 0.0
) -> tuple[np.ndarray, ...]:
    """F_c: ascending d0 of the rows with true label c and q > ood_limit; C float32 arrays, maybe empty."""
    labels, q = np.asarray(labels), np.asarray(q)
    d0 = np.asarray(d0, dtype=np.float32)
    seen = q > ood_limit
    return tuple(np.sort(d0[seen & (labels == label)]) for label in range(class_count))


def pool_small_cdfs(
    cdfs: Sequence[np.ndarray], rows_min: int
) -> tuple[tuple[np.ndarray, ...], tuple[int, ...]]:
    """Give every class with fewer than `rows_min` values the pooled CDF of all classes (sdm.md 16.3).

    Returns the CDFs and the classes that were pooled, which a report must name. An empty F_c makes d = 0 for
    every document; pooling keeps one small class from silencing the others. Outside the official mode only.
    """
    small = tuple(label for label, cdf in enumerate(cdfs) if len(cdf) < rows_min)
    if not small:
        return tuple(cdfs), ()
    pooled = np.sort(np.concatenate(tuple(cdfs)))
    return tuple(pooled if label in set(small) else cdf for label, cdf in enumerate(cdfs)), small


def class_distances(d0: np.ndarray, cdfs: Sequence[np.ndarray]) -> np.ndarray:
    """d_c = 1 - #{v in F_c : v < d0} / |F_c|, 0 where F_c is empty; (n,) -> (n, C) float32."""
    values = np.maximum(np.asarray(d0, dtype=np.float32).reshape(-1), np.float32(0.0))
    if not np.isfinite(values).all():
        raise ValueError("d0 must be finite")
    result = np.zeros((values.size, len(cdfs)), dtype=np.float32)
    for label, cdf in enumerate(cdfs):
        if len(cdf):
            smaller = np.searchsorted(np.asarray(cdf, dtype=np.float32), values, side="left")
            result[:, label] = np.float32(1.0) - smaller.astype(np.float32) / np.float32(len(cdf))
    return result


def distance_quantiles(d0: np.ndarray, cdfs: Sequence[np.ndarray]) -> np.ndarray:
    """d = min over c of d_c (act Eq. 5), in [0, 1]; 0 everywhere when any F_c is empty; (n,) float32."""
    if any(len(cdf) == 0 for cdf in cdfs):
        return np.zeros(np.asarray(d0).reshape(-1).size, dtype=np.float32)
    return class_distances(d0, cdfs).min(axis=1)
