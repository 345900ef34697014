"""Similarity q and nearest distance d0: the reference, in plain NumPy (act Eq. 4; sdm.md 4).

Owns: the definition. `reexd.engine.support` computes the same numbers fast, tested against this module.
Must not know: the adaptor, or how exemplars came about.

q is the length of the leading run of good rows when the support is ordered by (squared distance, index). It
is found without sorting: locate the nearest row that is not good, then count the good rows before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reexd.sdm.normalization import finite_matrix

NEIGHBORS_MAX = 2048  # K
_TILE_ELEMENTS = 2**22  # elements of one (queries, support, M) block of differences


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """q and d0 of n queries."""

    q: np.ndarray  # (n,) int32, 0..K
    d0: np.ndarray  # (n,) float32, squared L2 to the nearest support row, >= 0
    nearest: np.ndarray  # (n,) int64, its support index


def squared_distances(queries: np.ndarray, support: np.ndarray) -> np.ndarray:
    """(n, M) x (N, M) -> (n, N) float32 by direct differences: symmetric, and independent of the tiling."""
    queries, support = finite_matrix(queries, "queries"), finite_matrix(support, "support")
    if queries.shape[1] != support.shape[1]:
        raise ValueError(f"queries have {queries.shape[1]} components, the support {support.shape[1]}")
    distances = np.empty((queries.shape[0], support.shape[0]), dtype=np.float32)
    step = max(1, _TILE_ELEMENTS // support.size)
    with np.errstate(over="ignore"):
        for start in range(0, queries.shape[0], step):
            differences = queries[start : start + step, None, :] - support[None, :, :]
            distances[start : start + step] = np.square(differences).sum(axis=2)
    if not np.isfinite(distances).all():
        raise ValueError("squared-L2 matching produced a non-finite distance")
    return distances


def similarity(
    queries: np.ndarray,
    query_predictions: np.ndarray,
    support: np.ndarray,
    support_labels: np.ndarray,
    support_predictions: np.ndarray,
    *,
    neighbors_max: int = NEIGHBORS_MAX,
    exclude: np.ndarray | None = None,
) -> Similarity:
    """q, d0 of each query against the support (act Eq. 4; ties by ascending support index).

    queries (n, M), support (N, M); labels and predictions are class indices, any other label (-99) is never
    good. `exclude` (n,) is a support index that a query must not see, -1 for none; such a query looks at
    K - 1 neighbours. Raises ValueError when K leaves no neighbour or an index is out of range.
    """
    distances = squared_distances(queries, support)
    caps = _exclude(distances, exclude, neighbors_max)
    support_labels, support_predictions = np.asarray(support_labels), np.asarray(support_predictions)
    right = support_labels == support_predictions  # (N,)
    good = right[None, :] & (support_predictions[None, :] == np.asarray(query_predictions)[:, None])
    nearest = distances.argmin(axis=1)
    rows = np.arange(distances.shape[0])

    to_bad = np.where(good, np.inf, distances)
    bad = to_bad.argmin(axis=1)  # the first of equals, hence the lowest index
    bad_distance = to_bad[rows, bad][:, None]
    before = (distances < bad_distance) | (
        (distances == bad_distance) & (np.arange(distances.shape[1]) < bad[:, None])
    )
    count = np.count_nonzero(good & before & np.isfinite(distances), axis=1)
    return Similarity(
        np.minimum(count, caps).astype(np.int32), distances[rows, nearest].astype(np.float32), nearest
    )


def nearest_neighbors(
    queries: np.ndarray, support: np.ndarray, count: int, *, exclude: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The `count` nearest support rows: (indices (n, k) int64, squared distances (n, k) float32).

    Ordered by (distance, index), k = min(count, N). A query that excludes a row gets -1 and infinity in the
    last place when fewer than k rows remain.
    """
    distances = squared_distances(queries, support)
    _exclude(distances, exclude, NEIGHBORS_MAX)
    order = np.argsort(distances, axis=1, kind="stable")[:, : min(count, distances.shape[1])]
    found = np.take_along_axis(distances, order, axis=1)
    return np.where(np.isfinite(found), order, -1), found


def _exclude(distances: np.ndarray, exclude: np.ndarray | None, neighbors_max: int) -> np.ndarray:
    """Set excluded entries of `distances` to infinity, in place; returns the cap on q per query, (n,)."""
    rows, support_count = distances.shape
    if exclude is None:
        exclude = np.full(rows, -1)
    exclude = np.asarray(exclude)
    if exclude.shape != (rows,) or (exclude >= support_count).any() or (exclude < -1).any():
        raise ValueError(f"exclude must be one support index in -1..{support_count - 1} per query")
    excluded = np.flatnonzero(exclude >= 0)
    caps = np.where(exclude >= 0, neighbors_max - 1, neighbors_max)
    if (caps < 1).any():
        raise ValueError("matching rows of the support against itself requires neighbors_max >= 2")
    if excluded.size and support_count < 2:
        raise ValueError("the support needs at least two rows when a query excludes itself")
    distances[excluded, exclude[excluded]] = np.inf
    return caps
