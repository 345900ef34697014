"""The support against itself, each row without itself: q and d0 at half the products (sdm.md 4, 7). On the CPU.

Owns: what a distance matrix being symmetric saves. Must not know: the loss, calibration, processes or files.
`Support` is what any other rows are matched with, and settles here what rounding leaves open; the results are equal.

Every block holds |s_i - s_j|^2 / 2 for some rows i and the columns j that come after, and is reduced both ways: over
its columns for its rows, over its rows for its columns. A column's nearest bad row is known only when all rows before
it have been seen, and good rows are counted up to it, so there are two passes:

1. all pairs but those of good rows of one class: the nearest bad row. The bad rows stand first, by what they are taken
   for, then the good rows of class 0, 1, ...; a strip of rows holds bad rows, whole classes, or part of one class.
2. pairs of good rows of one class, and the bad rows that are taken for it: how many lie before the nearest bad row.

Both keep the pairs that may be nearest. Those within rounding of the least are compared by direct differences.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from reexd.engine.support import DIRECT_ROWS, ROUNDING, TILE_ELEMENTS, TILE_ROWS_MAX, Support, counted

PAIRS_MAX = 2**20  # kept before they are compared: rows that are all equal make half their square


class SelfMatching:
    """Exemplars (N, R) float32 finite, labels and predictions (N,) as `Support` takes them; `support` made of them."""

    def __init__(
        self,
        support: Support,
        exemplars: np.ndarray,
        labels: np.ndarray,
        predictions: np.ndarray,
        class_count: int,
    ) -> None:
        count, width = exemplars.shape
        if count < 2 or support.neighbors_max < 2:
            raise ValueError("rows are matched without themselves: expected two of them and K >= 2")
        good = (labels == predictions) & (labels >= 0) & (labels < class_count)
        self._support, self._exemplars, self._predictions = support, exemplars, predictions
        self._order = np.argsort(np.where(good, class_count + predictions, predictions), kind="stable")
        self._taken_for = predictions[self._order]
        self._bad = int(np.count_nonzero(~good))
        # Of the good rows of each class, by place.
        self._bounds = self._bad + np.searchsorted(self._taken_for[self._bad :], np.arange(class_count + 1))
        self._columns = np.empty((count, width + 2), dtype=np.float32)  # s, |s|^2 / 2, 1
        centred = self._columns[:, :width]
        centre = exemplars.mean(axis=0, dtype=np.float64).astype(np.float32)
        np.subtract(exemplars[self._order], centre, out=centred)
        halves = 0.5 * np.einsum("nr,nr->n", centred, centred, dtype=np.float64)
        norms = np.sqrt(2.0 * halves)
        # As in `Support`, with |q|^2 / 2 in the sum.
        self._slack = (ROUNDING * (norms + norms.max()) ** 2).astype(np.float32)
        self._columns[:, width], self._columns[:, width + 1] = halves, 1.0
        self._to_bad = np.full(count, np.inf, dtype=np.float32)
        self._nearest = np.full(count, np.inf, dtype=np.float32)
        self._sure = np.zeros(count, dtype=np.int64)
        self._possible = np.zeros(count, dtype=np.int64)
        self._d0 = np.full(count, np.inf, dtype=np.float32)  # by place, of the pairs that were compared
        self._pairs: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._pair_count = 0

    def run(self) -> Iterator[float]:
        """Yields a share of one half between pieces of the size of a tile; returns q (N,) int32, d0 (N,) float32."""
        for first, last in self._strips():
            self._look(first, last)
            yield 0.5
        for label in range(len(self._bounds) - 1):
            first, last = int(self._bounds[label]), int(self._bounds[label + 1])
            for piece in self._pieces(first, last, last - first):
                self._count(*piece, last)
                yield 0.5
            self._count_for_bad(label)
        self._compare()
        if not np.isfinite(self._d0).all():
            raise ValueError("squared-L2 matching produced a non-finite distance")
        d0 = np.empty_like(self._d0)
        d0[self._order] = self._d0
        yield 0.5
        q = yield from self._settled()
        return q, d0

    def _pieces(self, first: int, last: int, width: int) -> Iterator[tuple[int, int]]:
        step = max(1, min(TILE_ROWS_MAX, TILE_ELEMENTS // max(width, 1)))
        for start in range(first, last, step):
            yield start, min(start + step, last)

    def _strips(self) -> Iterator[tuple[int, int]]:
        """Bad rows; then whole classes together while they are small, else parts of one class."""
        count = len(self._order)
        yield from self._pieces(0, self._bad, count)
        step = max(1, min(TILE_ROWS_MAX, TILE_ELEMENTS // count))
        start = self._bad
        for first, last in pairwise(map(int, self._bounds)):
            if last - start <= step:
                continue
            if start < first:
                yield start, first
                start = first
            if last - first > step:
                yield from self._pieces(first, last, count)
                start = last
        if start < count:
            yield start, count

    def _look(self, first: int, last: int) -> None:
        """Pass 1 for the rows of one strip and the columns after it."""
        begin, count = first, len(self._order)
        if first >= self._bad and self._taken_for[first] == self._taken_for[last - 1]:
            begin = int(self._bounds[self._taken_for[first] + 1])  # one class: its own pairs are of pass 2
        if begin == count:
            return
        block = self._block(first, last, begin, count)
        labels = self._taken_for[first:last]
        for start, end in pairwise(np.flatnonzero(np.r_[True, labels[1:] != labels[:-1], True])):
            own = slice(first + start, first + end)
            for part in self._bad_columns(block[start:end], int(labels[start]), begin):
                np.minimum(self._to_bad[own], part.min(axis=1), out=self._to_bad[own])
        columns = block[:, max(last - begin, 0) :].min(axis=0)
        beyond = slice(max(begin, last), count)
        np.minimum(self._to_bad[beyond], columns, out=self._to_bad[beyond])
        self._keep(block, first, last, begin, columns)

    def _bad_columns(self, block: np.ndarray, label: int, begin: int) -> list[np.ndarray]:
        """The columns that are bad for a query taken for `label`."""
        first, last = (max(int(bound) - begin, 0) for bound in self._bounds[label : label + 2])
        return [part for part in (block[:, :first], block[:, last:]) if part.shape[1]]

    def _count(self, first: int, last: int, end: int) -> None:
        """Pass 2 for rows of one class and the columns from the first of them to the end of the class."""
        block = self._block(first, last, first, end)
        after = block[:, last - first :]
        self._sure[first:last] += counted(block < self._below(first, last)[:, None], 1)
        self._possible[first:last] += counted(block <= self._above(first, last)[:, None], 1)
        self._sure[last:end] += counted(after < self._below(last, end), 0)
        self._possible[last:end] += counted(after <= self._above(last, end), 0)
        self._keep(block, first, last, first, after.min(axis=0))

    def _count_for_bad(self, label: int) -> None:
        """Pass 2 for the bad rows that are taken for `label`; their pairs were looked at in pass 1."""
        begin, end = int(self._bounds[label]), int(self._bounds[label + 1])
        first, last = (
            int(place) for place in np.searchsorted(self._taken_for[: self._bad], [label, label + 1])
        )
        if begin == end:
            return
        for a, b in self._pieces(first, last, end - begin):
            block = self._block(a, b, begin, end)
            self._sure[a:b] = counted(block < self._below(a, b)[:, None], 1)
            self._possible[a:b] = counted(block <= self._above(a, b)[:, None], 1)

    def _below(self, first: int, last: int) -> np.ndarray:
        """Up to where a row surely comes before the nearest bad one."""
        return self._to_bad[first:last] - self._slack[first:last]

    def _above(self, first: int, last: int) -> np.ndarray:
        """Up to where it possibly does; without a bad row every row there is, but not oneself, at infinity."""
        limits = self._to_bad[first:last] + self._slack[first:last]
        return np.minimum(limits, np.finfo(np.float32).max)

    def _block(self, first: int, last: int, begin: int, end: int) -> np.ndarray:
        """Half the squared distances of two ranges of places, a row to itself at infinity."""
        rows = -self._columns[first:last]
        rows[:, -2], rows[:, -1] = 1.0, -rows[:, -2]
        block = rows @ self._columns[begin:end].T
        if begin == first:
            np.fill_diagonal(block, np.inf)
        return block

    def _keep(self, block: np.ndarray, first: int, last: int, begin: int, columns: np.ndarray) -> None:
        """Remember the pairs that may be nearest to their row or their column, and how near the nearest is.

        `columns` are the least of each column after the rows' own.
        """
        beyond = slice(max(begin, last), begin + block.shape[1])
        np.minimum(self._nearest[first:last], block.min(axis=1), out=self._nearest[first:last])
        np.minimum(self._nearest[beyond], columns, out=self._nearest[beyond])
        limits = self._nearest + self._slack
        near = block <= limits[first:last, None]
        open_columns = np.flatnonzero(columns <= limits[beyond]) + beyond.start - begin
        near[:, open_columns] |= block[:, open_columns] <= limits[begin + open_columns]
        row, column = np.divmod(np.flatnonzero(near), block.shape[1])
        # Nothing is nearer than a row that is equal.
        unsettled = (self._d0[row + first] > 0) | (self._d0[column + begin] > 0)
        row, column = row[unsettled], column[unsettled]
        self._pairs.append((row + first, column + begin, block[row, column]))
        self._pair_count += row.size
        if self._pair_count > PAIRS_MAX:
            self._compare()

    def _compare(self) -> None:
        """Direct differences of the pairs that were kept, into the squared distance of each row to its nearest."""
        if not self._pairs:
            return
        row, column, values = (np.concatenate(parts) for parts in zip(*self._pairs, strict=True))
        self._pairs, self._pair_count = [], 0
        limits = self._nearest + self._slack
        kept = (values <= limits[row]) | (values <= limits[column])
        row, column = row[kept], column[kept]
        for start in range(0, row.size, DIRECT_ROWS):
            a, b = row[start : start + DIRECT_ROWS], column[start : start + DIRECT_ROWS]
            differences = self._exemplars[self._order[a]] - self._exemplars[self._order[b]]
            distances = np.square(differences, out=differences).sum(axis=1)
            np.minimum.at(self._d0, a, distances)
            np.minimum.at(self._d0, b, distances)

    def _settled(self) -> Iterator[float]:
        """q in the order of the support; rows with a good one within rounding of the bad one are matched anew."""
        q = np.empty(len(self._order), dtype=np.int64)
        q[self._order] = self._sure
        open_rows = np.sort(self._order[self._possible > self._sure])
        for tile in self._support.tiles(
            self._exemplars[open_rows], self._predictions[open_rows], exclude=open_rows
        ):
            q[open_rows[tile.rows]] = tile.q
            yield 0.5
        return np.minimum(q, self._support.neighbors_max - 1).astype(np.int32)
