"""Documents of a tuning to hidden states of the tuned model: the cache has what its frozen lower layers make of them.

Only where the cache holds them in full precision: what is read from it has to be what reading the text would give.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reexd.engine.call import Call
from reexd.engine.embedding import EmbedStream, OpenModel
from reexd.engine.schedule import Unit
from reexd.engine.tasks import EmbeddedBatch
from reexd.engine.tokens import Window
from reexd.engine.tuning import corpus

_OUTSTANDING_UNITS = 64


@dataclass(frozen=True, slots=True, eq=False)
class _CachedWindow(Window):
    number: int = -1  # in the cache


class CachedStream(EmbedStream):
    """One run over documents of the cache in `folder`, of which the top `layers` layers were tuned."""

    def __init__(self, call: Call, model: OpenModel, folder: Path, layers: int) -> None:
        super().__init__(call, model, interactive=False)
        self._folder = folder
        self._layers = layers

    def documents(self, rows: np.ndarray) -> Iterator[EmbeddedBatch]:
        """Batches of finished documents; rows (n,) are their places in the cache, and indices count within them."""
        waiting = iter(self.units(_windows(self._folder, rows)))
        self._call.submit(list(itertools.islice(waiting, _OUTSTANDING_UNITS)))
        while self._call.outstanding:
            windows, frame = self._call.next()
            self._call.submit(list(itertools.islice(waiting, 1)))
            finished = self.finished(windows, frame.arrays)
            if len(finished.indices):
                yield finished

    def _unit(self, windows: Sequence[_CachedWindow]) -> Unit:
        header = {
            "op": "upper",
            "model": self._model.spec,
            "pooling": str(self._model.pooling),
            "folder": str(self._folder),
            "layers": self._layers,
        }
        numbers = np.array([window.number for window in windows], np.int64)
        return self._call.unit(windows, header, {"windows": numbers}, interactive=False)


def _windows(folder: Path, rows: np.ndarray) -> list[_CachedWindow]:
    given = corpus.windows(folder)
    found = []
    for place, row in enumerate(rows):
        first, count = int(given["firsts"][row]), int(given["counts"][row])
        for number in range(first, first + count):
            ids = given["ids"][given["offsets"][number] : given["offsets"][number + 1]]
            found.append(
                _CachedWindow(
                    place,
                    ids,
                    int(given["begin"][number]),
                    int(given["end"][number]),
                    first=number == first,
                    last=number == first + count - 1,
                    context=int(given["context"][number]),
                    number=number,
                )
            )
    return found
