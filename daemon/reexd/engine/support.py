"""The support in MLX, and the exact reductions over it: q, d0 and nearest neighbours (sdm.md 4, 13, 16).

Owns: the reductions over blocks of distances. Must not know: the loss, calibration, processes or files.
`reexd.sdm.similarity` is the definition this module is tested against.

One block holds t = |s|^2 / 2 - q.s for some queries and all support rows, one float32 GEMM with an extra
column; t orders a query's support rows as its squared distances do. The support stands in segments, the rows
that are good for no class first, then the good rows of class 0, 1, ...; so "nearest row that is not good" is
a minimum over two column ranges, and q a count in one. Nothing is sorted.

GEMM distances are only a shortlist. Rows whose t lies within rounding of a decision (the nearest row, the
nearest bad row, the k-th neighbour) are compared by direct differences, which are symmetric and do not depend
on how the queries were cut into tiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import mlx.core as mx
import numpy as np

from reexd.sdm import NEIGHBORS_MAX

TILE_ELEMENTS = 2**23  # of one block of t: 32 MiB, 70 ms of one core's products
TILE_ROWS_MAX = 384
DIRECT_ROWS = (
    4096  # pairs whose differences are formed at a time: equal rows are near one another by thousands
)
FEW_ROWS = 4  # whose products NumPy takes, too: MLX would spend more on being started than on the work
GROUPS = 32  # columns of a block are folded into N / GROUPS minima to bound the k-th neighbour

# Error of a float32 GEMM of t, as a share of |q| |s| + |s|^2 / 2, that no product may exceed. Measured on 384
# and 1,000 components: 8e-8 with OpenBLAS. A TF32 or bfloat16 matrix product would break it.
ROUNDING = 1e-6


Block = mx.array | np.ndarray  # reduced by the functions of its own module, which bear the same names in both


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """What one tile found. `rows` are places in the caller's queries."""

    rows: np.ndarray  # (B,) int64
    q: np.ndarray  # (B,) int32
    d0: np.ndarray  # (B,) float32
    indices: np.ndarray  # (B, k) int64
    distances: np.ndarray  # (B, k) float32


class Support:
    """Exemplars in segments by class, ready to be matched.

    exemplars (N, R) float32 finite; labels and predictions (N,): a row is good for class c when both are c; a
    label outside 0..C-1 (-99) is good for none. Raises ValueError on misshapen or non-finite input.
    """

    def __init__(
        self,
        exemplars: np.ndarray,
        labels: np.ndarray,
        predictions: np.ndarray,
        class_count: int,
        *,
        neighbors_max: int = NEIGHBORS_MAX,
    ) -> None:
        count, width = exemplars.shape
        if count == 0 or labels.shape != (count,) or predictions.shape != (count,):
            raise ValueError(f"expected {count} > 0 labels and predictions, one per exemplar")
        good = (labels == predictions) & (labels >= 0) & (labels < class_count)
        segment = np.where(good, labels, -1)
        self.neighbors_max = neighbors_max
        self.count = count
        self._order = np.argsort(segment, kind="stable")  # place -> support index, ascending within a segment
        self._place = np.empty(count, dtype=np.int64)  # support index -> place
        self._place[self._order] = np.arange(count)
        self._bounds = np.searchsorted(segment[self._order], np.arange(class_count + 1))
        self._rows = np.ascontiguousarray(exemplars[self._order], dtype=np.float32)  # (N, R)
        self._centre = self._rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._folded = -(-count // GROUPS)
        padded = np.zeros((self._folded * GROUPS, width + 1), dtype=np.float32)
        centred = padded[:count, :width]
        np.subtract(self._centre, self._rows, out=centred)  # with the sign of - q.s
        halves = 0.5 * np.einsum("nr,nr->n", centred, centred, dtype=np.float64)
        # Two rows are at most two radii apart. Not the negation: NaN compares with nothing.
        if not 8.0 * halves.max() <= np.finfo(np.float32).max:
            raise ValueError("exemplars must be finite and the squares of their distances Float32")
        self._radius = float(np.sqrt(2.0 * halves.max()))
        padded[:count, width] = halves
        padded[count:, width] = np.inf  # never near; the queries' last component is 1
        self._columns = mx.array(padded).T  # (R + 1, N padded)
        mx.eval(self._columns)
        self._columns_few = np.array(self._columns, copy=False)  # the same memory, as NumPy sees it
        # MLX reduces rows nine times slower on the CPU than NumPy, which sees the same memory.
        self._on_host = mx.default_device() == mx.Device(mx.cpu)

    def tiles(
        self, queries: np.ndarray, predictions: np.ndarray, *, exclude: np.ndarray | None, neighbors: int = 0
    ) -> Iterator[Nearest]:
        """Match queries (n, R) with predicted classes (n,), one tile of work at a time, in an order of its
        own.

        `exclude` (n,) is a support index per query or -1; such a query looks at K - 1 neighbours. Raises
        ValueError when a query has no row left to look at, or a distance is not finite.
        """
        exclude = self._checked_exclude(exclude, len(queries))
        order = np.argsort(predictions, kind="stable")
        step = max(1, min(TILE_ROWS_MAX, TILE_ELEMENTS // (self._folded * GROUPS)))
        for start in range(0, len(order), step):
            rows = order[start : start + step]
            hidden = None if exclude is None else exclude[rows]
            yield self._tile(rows, queries[rows], predictions[rows], hidden, neighbors)

    def match(
        self, queries: np.ndarray, predictions: np.ndarray, *, exclude: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """(q (n,) int32, d0 (n,) float32) of all queries at once."""
        q, d0 = np.empty(len(queries), dtype=np.int32), np.empty(len(queries), dtype=np.float32)
        for tile in self.tiles(queries, predictions, exclude=exclude):
            q[tile.rows], d0[tile.rows] = tile.q, tile.d0
        return q, d0

    def _checked_exclude(self, exclude: np.ndarray | None, count: int) -> np.ndarray | None:
        """None when no query is a row of the support, which spares every step the question."""
        if exclude is None:
            return None
        exclude = np.asarray(exclude, dtype=np.int64)
        if exclude.shape != (count,) or (exclude < -1).any() or (exclude >= self.count).any():
            raise ValueError(f"exclude must hold one support index in -1..{self.count - 1} per query")
        if not (exclude >= 0).any():
            return None
        if self.neighbors_max < 2 or self.count < 2:
            raise ValueError("a row of the support needs another row and K >= 2 to be matched without itself")
        return exclude

    def _tile(
        self,
        rows: np.ndarray,
        queries: np.ndarray,
        predictions: np.ndarray,
        exclude: np.ndarray | None,
        neighbors: int,
    ) -> Nearest:
        """`predictions` ascend within the tile, so that each class is one slice of rows."""
        centred = queries - self._centre
        slack = self._slack(centred)
        block = self._block(centred, exclude)  # (B, N padded)
        xp = _module(block)
        margin = slack if xp is np else mx.array(slack)
        parts = [
            self._count_good(block[first:last], int(predictions[first]), margin[first:last])
            for first, last in pairwise(_runs(predictions))
        ]
        if len(parts) > 1:
            parts = [tuple(map(xp.concatenate, zip(*parts, strict=True)))]
        nearest, to_bad, lower, upper = parts[0]
        reach = self._reach(block, nearest, neighbors) + margin
        near = block <= reach[:, None]
        if xp is mx:
            mx.eval(to_bad, lower, upper, near)
        q, unsure = np.array(lower), np.flatnonzero(np.array(upper) > np.array(lower))
        if unsure.size:
            limits = np.array(to_bad)[unsure]
            q[unsure] += self._resolve(queries, predictions, block, unsure, limits, slack)
        indices, distances = self._sorted_candidates(queries, np.asarray(near), exclude, max(1, neighbors))
        if not np.isfinite(distances[:, 0]).all():
            raise ValueError("squared-L2 matching produced a non-finite distance")
        cap = self.neighbors_max if exclude is None else self.neighbors_max - (exclude >= 0)
        return Nearest(
            rows,
            np.minimum(q, cap).astype(np.int32),
            distances[:, 0].copy(),
            indices[:, :neighbors],
            distances[:, :neighbors],
        )

    def _slack(self, centred: np.ndarray) -> np.ndarray:
        """How far t may be from its true value, twice over, per query: (B,) float32."""
        norms = np.sqrt(np.einsum("br,br->b", centred, centred))
        return (2.0 * ROUNDING * self._radius * (norms + 0.5 * self._radius)).astype(np.float32)

    def _block(self, centred: np.ndarray, exclude: np.ndarray | None) -> Block:
        """t of a tile, (B, R) -> (B, N padded), with excluded rows at infinity; a NumPy array on the CPU."""
        extended = np.ones((len(centred), centred.shape[1] + 1), dtype=np.float32)
        extended[:, :-1] = centred
        few = len(centred) <= FEW_ROWS
        block = extended @ self._columns_few if few else mx.array(extended) @ self._columns
        if self._on_host and not few:
            mx.eval(block)
            block = np.array(block, copy=False)
        if exclude is not None:
            hidden, xp = np.flatnonzero(exclude >= 0), _module(block)
            block[xp.array(hidden), xp.array(self._place[exclude[hidden]])] = xp.inf
        return block

    def _count_good(self, block: Block, label: int, margin: Block) -> tuple[Block, Block, Block, Block]:
        """For queries predicted `label`: t of the nearest row, t of the nearest row that is not good, and how
        many good rows lie surely, and possibly, before that one; (B,) each."""
        xp = _module(block)
        first, last = int(self._bounds[label]), int(self._bounds[label + 1])
        good, bad = block[:, first:last], [block[:, :first], block[:, last:]]
        minima = [part.min(axis=1) for part in bad if part.shape[1]]
        if not minima:
            minima = [xp.full((block.shape[0],), xp.inf)]
        to_bad = minima[0] if len(minima) == 1 else xp.minimum(*minima)
        lower = counted(good < (to_bad - margin)[:, None])
        upper = counted(good <= (to_bad + margin)[:, None])
        # Excluded rows stand at infinity; they equal an infinite limit (no bad row at all) but are no match.
        upper = xp.where(xp.isinf(to_bad), lower, upper)
        nearest = xp.minimum(to_bad, good.min(axis=1)) if last > first else to_bad
        return nearest, to_bad, lower, upper

    def _reach(self, block: Block, nearest: Block, neighbors: int) -> Block:
        """An upper bound on t of the k-th neighbour: the k-th smallest minimum over disjoint column
        groups."""
        if neighbors <= 1:
            return nearest
        xp = _module(block)
        if neighbors >= self._folded:
            return xp.full(nearest.shape, xp.finfo(xp.float32).max)
        minima = block.reshape(block.shape[0], GROUPS, self._folded).min(axis=1)
        return xp.partition(minima, neighbors - 1, axis=1)[:, neighbors - 1]

    def _resolve(
        self,
        queries: np.ndarray,
        predictions: np.ndarray,
        block: Block,
        unsure: np.ndarray,
        limits: np.ndarray,
        slack: np.ndarray,
    ) -> np.ndarray:
        """Good rows before the nearest bad one among those too close to call, by direct differences, (u,)."""
        xp = _module(block)
        values = np.array(xp.take(block, xp.array(unsure), axis=0))  # (u, N padded)
        margin = slack[unsure]
        who, place = np.nonzero(
            (values >= (limits - margin)[:, None]) & (values <= (limits + margin)[:, None])
        )
        distances = self._direct(queries, unsure[who], place)
        label = predictions[unsure[who]]
        good = (place >= self._bounds[label]) & (place < self._bounds[label + 1])
        by_rank = np.lexsort((self._order[place], distances, who))
        who, good = who[by_rank], good[by_rank]
        bads = np.cumsum(~good)
        starts = np.searchsorted(who, np.arange(unsure.size))
        before = np.r_[0, bads][starts][who]  # bad rows counted in earlier queries
        return np.bincount(who[good & (bads == before)], minlength=unsure.size)

    def _sorted_candidates(
        self, queries: np.ndarray, near: np.ndarray, exclude: np.ndarray | None, count: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The `count` nearest of the shortlisted rows by (direct distance, index): two (B, count) arrays."""
        rows = len(queries)
        who, place = np.divmod(np.flatnonzero(near), near.shape[1])
        index = self._order[place]
        if exclude is not None:
            kept = index != exclude[who]  # an infinite reach takes in what stands at infinity
            who, place, index = who[kept], place[kept], index[kept]
        distances = self._direct(queries, who, place)
        by_rank = np.lexsort((index, distances, who))
        who, index, distances = who[by_rank], index[by_rank], distances[by_rank]
        rank = np.arange(who.size) - np.searchsorted(who, np.arange(rows))[who]
        taken = rank < count
        indices = np.full((rows, min(count, self.count)), -1, dtype=np.int64)
        squares = np.full(indices.shape, np.inf, dtype=np.float32)
        indices[who[taken], rank[taken]] = index[taken]
        squares[who[taken], rank[taken]] = distances[taken]
        return indices, squares

    def _direct(self, queries: np.ndarray, who: np.ndarray, place: np.ndarray) -> np.ndarray:
        """Squared distances by differences, of the queries (n, R) at `who` (p,) to the rows at `place` (p,) -> (p,)
        float32."""
        distances = np.empty(len(place), dtype=np.float32)
        for start in range(0, len(place), DIRECT_ROWS):
            part = slice(start, start + DIRECT_ROWS)
            differences = queries[who[part]] - self._rows[place[part]]
            distances[part] = np.square(differences, out=differences).sum(axis=1)
        return distances


def _runs(ascending: np.ndarray) -> list[int]:
    """Where each run of equal values begins, and the end."""
    if ascending[0] == ascending[-1]:
        return [0, len(ascending)]
    return [0, *(np.flatnonzero(ascending[1:] != ascending[:-1]) + 1).tolist(), len(ascending)]


def _module(block: Block):
    """The module whose functions reduce a block."""
    return np if isinstance(block, np.ndarray) else mx


def counted(mask: Block, axis: int = 1) -> Block:
    """How many are true along an axis, int32."""
    if isinstance(mask, np.ndarray):  # four times faster than NumPy's sum of truth values
        return np.add.reduce(mask.view(np.uint8), axis=axis, dtype=np.int32)
    return mx.sum(mask, axis=axis)
