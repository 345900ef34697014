"""Documents that a version knows and the project does not hold: those of an imported model. Ids, and texts where known.

Foreign document i has the number -1 - i among the version's support and calibration documents, so that one column of
numbers tells the project's documents from those; nothing else of the store ever meets a negative number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ABSENT = -1  # where the end of a text would stand


class Foreign:
    """k foreign documents over one run of bytes, decoded one by one: a version may bring 100,000 texts."""

    def __init__(self, text: np.ndarray, ends: np.ndarray) -> None:
        """(b,) uint8 UTF-8 of id and text by turns, and (k, 2) int64 where each of the two ends, ABSENT for no text."""
        self._text = text
        self._ends = ends
        last = ends.max(axis=1, initial=0)
        self._starts = np.concatenate([[0], last[:-1]])

    def __len__(self) -> int:
        return len(self._ends)

    def id(self, number: int) -> str:
        """Of the foreign document with this (negative) number."""
        place = -1 - number
        return self._decoded(self._starts[place], self._ends[place, 0])

    def text(self, number: int) -> str | None:
        """None when the model brought none."""
        place = -1 - number
        start, end = self._ends[place]
        return None if end == ABSENT else self._decoded(start, end)

    def _decoded(self, start: int, end: int) -> str:
        return self._text[start:end].tobytes().decode("utf-8")


def arrays(ids: Sequence[str], texts: Sequence[str | None]) -> tuple[np.ndarray, np.ndarray]:
    """What `Foreign` takes: (b,) uint8 and (k, 2) int64."""
    parts: list[bytes] = []
    ends = np.empty((len(ids), 2), np.int64)
    size = 0
    for place, (id, text) in enumerate(zip(ids, texts, strict=True)):
        parts.append(id.encode())
        size += len(parts[-1])
        ends[place] = size, ABSENT
        if text is not None:
            parts.append(text.encode())
            size += len(parts[-1])
            ends[place, 1] = size
    return np.frombuffer(b"".join(parts), np.uint8), ends
