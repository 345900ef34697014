"""One classifier, ready to match hidden states against its support (sdm.md 4, 10).

Owns: the way from hidden states to logits, q, d0 and neighbours. Must not know: calibration, processes or files.
The reductions themselves are `support`'s, the maps `adaptor.weights`'.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reexd.engine.adaptor.weights import Projection
from reexd.engine.support import Support
from reexd.sdm import NEIGHBORS_MAX, AdaptorWeights, Normalization

NEIGHBORS = 25


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """n matched queries, in the order they were given. k = min(neighbours asked, N)."""

    logits: np.ndarray  # (n, C) float32, z'
    q: np.ndarray  # (n,) int32
    d0: np.ndarray  # (n,) float32, squared L2
    indices: np.ndarray  # (n, k) int64 support indices, nearest first; -1 where none remains
    distances: np.ndarray  # (n, k) float32, squared L2; infinity where none remains


class Matcher:
    """One classifier's support, ready to match hidden states against.

    support_vectors (N, D) are hidden states (with attributes), not normalised; labels and predictions (N,).
    When `support_predictions` is None they are the argmax of the logits. Raises ValueError on non-finite
    input.
    """

    def __init__(
        self,
        weights: AdaptorWeights,
        normalization: Normalization,
        support_vectors: np.ndarray,
        support_labels: np.ndarray,
        support_predictions: np.ndarray | None = None,
        *,
        neighbors_max: int = NEIGHBORS_MAX,
    ) -> None:
        self._projection = Projection(weights, normalization)
        x = self._projection.normalised(support_vectors)
        if support_predictions is None:
            support_predictions = self._projection.logits(x).argmax(axis=1)
        self.support_predictions = np.asarray(support_predictions)
        self._support = Support(
            self._projection.exemplars(x),
            np.asarray(support_labels),
            self.support_predictions,
            self._projection.class_count,
            neighbors_max=neighbors_max,
        )

    @property
    def support_count(self) -> int:
        return self._support.count

    def match(
        self, vectors: np.ndarray, *, exclude: np.ndarray | None = None, neighbors: int = NEIGHBORS
    ) -> Matches:
        """Match hidden states (n, D); see `tiles`."""
        matches = self._empty(0, neighbors)
        for _, matches in self.tiles(vectors, exclude=exclude, neighbors=neighbors):  # noqa: B007
            pass
        return matches

    def tiles(
        self, vectors: np.ndarray, *, exclude: np.ndarray | None = None, neighbors: int = NEIGHBORS
    ) -> Iterator[tuple[int, Matches]]:
        """Match hidden states (n, D) tile by tile: yields (queries done, matches filled so far).

        The same `Matches` is yielded each time; it is complete with the last. `exclude` (n,) holds the
        support index of a query that is itself a support row, else -1. Raises ValueError for non-finite or
        misshapen vectors, and when an excluding query has no row left.
        """
        if len(vectors) == 0:
            return
        x = self._projection.normalised(vectors)
        matches = self._empty(len(x), neighbors)
        matches.logits[:] = self._projection.logits(x)
        done = 0
        for tile in self._support.tiles(
            self._projection.exemplars(x),
            matches.logits.argmax(axis=1),
            exclude=exclude,
            neighbors=matches.indices.shape[1],
        ):
            matches.q[tile.rows], matches.d0[tile.rows] = tile.q, tile.d0
            matches.indices[tile.rows], matches.distances[tile.rows] = tile.indices, tile.distances
            done += tile.rows.size
            yield done, matches

    def _empty(self, count: int, neighbors: int) -> Matches:
        kept = min(neighbors, self._support.count)
        return Matches(
            np.empty((count, self._projection.class_count), dtype=np.float32),
            np.empty(count, dtype=np.int32),
            np.empty(count, dtype=np.float32),
            np.empty((count, kept), dtype=np.int64),
            np.empty((count, kept), dtype=np.float32),
        )
