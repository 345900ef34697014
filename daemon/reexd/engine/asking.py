"""Rows and texts to be matched against a classifier: cut into units for the workers, and back together.

Owns `Question`, a few texts that are read by the language model and matched in one visit to a worker. No mlx here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reexd.engine.call import Call, Exchange
from reexd.engine.embedding import EmbedStream, OpenModel
from reexd.engine.frames import Frame
from reexd.engine.pool import Pool
from reexd.engine.schedule import Unit
from reexd.engine.tasks import Matches, MatchHandle
from reexd.engine.tokens import Window


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """n texts, of which some have a hidden state already and the others are cut into windows."""

    model: OpenModel
    read: np.ndarray  # (n,) bool: the hidden state is known
    vectors: np.ndarray  # (n, D) float32, filled in where `read`
    windows: Sequence[Window]  # of the others; `Window.text` is a place among the n
    attributes: np.ndarray  # (n, A) float32


def match_header(handle: MatchHandle, neighbors: int) -> dict:
    """What a worker is told of a classifier."""
    return {
        "key": handle.key,
        "folder": str(handle.path),
        "neighbors": min(neighbors, handle.support_count),
    }


def match_units(
    call: Call | Exchange,
    header: dict,
    rows: np.ndarray,
    exclude: np.ndarray,
    *,
    step: int,
    interactive: bool,
) -> list[Unit]:
    """Rows (n, D) float32 in requests of `step`, each under the tag of its first row."""
    return [
        call.unit(
            start,
            {"op": "match", **header},
            {"vectors": rows[start : start + step], "exclude": exclude[start : start + step]},
            interactive=interactive,
        )
        for start in range(0, max(1, len(rows)), step)
    ]


def joined(answers: Sequence[tuple[object, Frame]]) -> Matches:
    """The answers to `match_units`, in the order of the rows."""
    parts = [frame.arrays for _, frame in sorted(answers, key=lambda answer: answer[0])]
    return Matches(*(np.concatenate([part[name] for part in parts]) for name in Matches.__slots__))


async def answer(
    pool: Pool, question: Question, header: dict, *, step: int, interactive: bool
) -> tuple[np.ndarray, Matches]:
    """(n,) windows that each text was read in (1 where its state was known), and its match.

    A text of one window takes a single visit to a worker; known states and texts of several windows are matched
    together in one more. To be awaited on the pool's loop.
    """
    count = len(question.read)
    exchange = Exchange(pool)
    stream = EmbedStream(
        exchange, question.model, interactive=interactive, match=header, attributes=question.attributes
    )
    vectors, windows = question.vectors.copy(), np.ones(count, np.int32)
    for tag, frame in await exchange.answers(stream.units(question.windows)):
        finished = stream.finished(tag, frame.arrays)
        if not len(finished.indices):
            continue  # windows of a text that has more to come
        vectors[finished.indices], windows[finished.indices] = finished.vectors, finished.windows
    rest = [place for place in range(count) if place not in stream.matched]
    if rest:
        rows = np.concatenate([vectors[rest], question.attributes[rest]], axis=1)
        exchange = Exchange(pool)
        units = match_units(
            exchange, header, rows, np.full(len(rest), -1), step=step, interactive=interactive
        )
        matches = joined(await exchange.answers(units))
        if len(rest) == count:
            return windows, matches
        for at, place in enumerate(rest):
            stream.matched[place] = {name: getattr(matches, name)[at] for name in Matches.__slots__}
    return windows, _stacked([stream.matched[place] for place in range(count)])


def _stacked(rows: Sequence[Mapping[str, np.ndarray]]) -> Matches:
    return Matches(*(np.stack([row[name] for row in rows]) for name in Matches.__slots__))
