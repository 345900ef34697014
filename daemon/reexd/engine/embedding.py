"""Texts to hidden states, as the daemon sees it: tokens, windows, units for the workers, and back together.

Memory is bounded by a wave of texts, not by the corpus: one wave is tokenised, sorted by length and cut into
units while the workers are still busy with the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reexd.engine.call import Call, Exchange
from reexd.engine.direction import unit
from reexd.engine.schedule import Unit
from reexd.engine.tasks import Embedded, EmbeddedBatch
from reexd.engine.tokens import TextReader, Window
from reexd.pooling import Pooling

_WAVE_TEXTS = 2048
_WAVE_CHARACTERS = 4 << 20
_LOW_WATER_UNITS = 12  # the next wave is prepared when so few units are left


@dataclass(frozen=True, slots=True, eq=False)
class OpenModel:
    """What embedding with one model takes."""

    spec: dict  # as workers are told; what decides the weights, and nothing else
    reader: TextReader
    pooling: Pooling
    hidden_size: int  # D of one state
    multiplied: int  # parameters that each token is multiplied with
    unit_tokens: int  # padded tokens of a unit of bulk work
    interactive_tokens: int

    @property
    def dimension(self) -> int:
        """Of the pooled vectors."""
        return len(self.pooling.words) * self.hidden_size


@dataclass(slots=True, eq=False)
class _Text:
    """A text some of whose windows are still on their way."""

    windows: int
    missing: int
    tokens: int
    vector: np.ndarray | None = None  # (words, D), of one window as it came, of several combined so far


class EmbedStream:
    """One run over a sequence of texts."""

    def __init__(
        self,
        call: Call | Exchange,
        model: OpenModel,
        *,
        interactive: bool,
        match: dict | None = None,
        attributes: np.ndarray | None = None,
    ) -> None:
        """`match`: the classifier (header of a match request) that texts of one window meet in the same visit, with
        the row of `attributes` (n, A) float32 that each text has."""
        self._call = call
        self._model = model
        self._interactive = interactive
        self._match = match
        self._attributes = attributes
        self.matched: dict[int, dict[str, np.ndarray]] = {}  # text -> its row of each array of `Matches`
        self._texts: dict[int, _Text] = {}

    def run(self, texts: Sequence[str], prompt: str = "") -> Iterator[EmbeddedBatch]:
        """Batches of finished texts, read under one prompt, in the order the workers finish them."""
        waves = _waves(texts)
        more = True
        while True:
            while more and self._call.outstanding <= _LOW_WATER_UNITS:
                wave = next(waves, None)
                more = wave is not None
                if wave is not None:
                    self._call.submit(self.units(self._model.reader.read(wave[1], wave[0], prompt)))
            if not self._call.outstanding:
                return
            windows, frame = self._call.next()
            finished = self.finished(windows, frame.arrays)
            if len(finished.indices):
                yield finished

    def units(self, windows: Sequence[Window]) -> list[Unit]:
        """All windows of some texts, as requests to workers, each under the tag that `finished` takes."""
        for window in windows:
            text = self._texts.setdefault(window.text, _Text(0, 0, 0))
            text.windows += 1
            text.missing += 1
            text.tokens += window.end - window.begin
        budget = self._model.interactive_tokens if self._interactive else self._model.unit_tokens
        # Longest first: the last units of a run are short, so that the workers end together.
        longest_first = sorted(windows, key=lambda window: -len(window.ids))
        by_context: dict[bytes, list[Window]] = {}  # workers read what begins all windows of a unit once
        for window in longest_first:
            by_context.setdefault(window.ids[: window.context].tobytes(), []).append(window)
        return [self._unit(batch) for alike in by_context.values() for batch in _batches(alike, budget)]

    def _unit(self, windows: list[Window]) -> Unit:
        width, context = len(windows[0].ids), windows[0].context
        ids = np.zeros((len(windows), width), dtype=np.int32)
        for row, window in zip(ids, windows, strict=True):
            row[: len(window.ids)] = window.ids
        arrays = {
            "ids": ids,
            "lengths": np.array([len(window.ids) for window in windows], dtype=np.int32),
            "begin": np.array([window.begin for window in windows], dtype=np.int32),
            "end": np.array([window.end for window in windows], dtype=np.int32),
        }
        if self._attributes is not None:
            arrays["attributes"] = self._attributes[[window.text for window in windows]]
        return self._call.unit(
            windows,
            {
                "op": "embed",
                "model": self._model.spec,
                "pooling": str(self._model.pooling),
                "context": context,
                "match": self._match,
            },
            arrays,
            interactive=self._interactive,
            key=f"embed {self._model.spec} {self._model.pooling} {self._match} {ids[0, :context].tolist()}",
            width=width - context,
            budget=self._model.interactive_tokens,
        )

    def finished(self, windows: Sequence[Window], arrays: Mapping[str, np.ndarray]) -> EmbeddedBatch:
        """The texts of which the last window has come with this answer."""
        done = []
        vectors = arrays["vectors"].reshape(len(windows), len(self._model.pooling.words), -1)
        for row, (window, vector) in enumerate(zip(windows, vectors, strict=True)):
            text = self._texts[window.text]
            text.missing -= 1
            if text.windows == 1:
                text.vector = vector
                if self._match is not None:
                    self.matched[window.text] = {name: values[row] for name, values in arrays.items()}
            else:
                if text.vector is None:
                    text.vector = np.zeros(vector.shape)
                    text.vector[[word == "max" for word in self._model.pooling.words]] = -np.inf
                self._combine(text, window, vector)
            if text.missing == 0:
                done.append((window.text, self._texts.pop(window.text)))
        whole = np.array([text.vector.ravel() for _, text in done], dtype=np.float32)
        if self._model.pooling.unit and done:
            whole = unit(whole, len(self._model.pooling.words))
        return EmbeddedBatch(
            indices=np.array([index for index, _ in done], dtype=np.int64),
            vectors=whole,
            windows=np.array([text.windows for _, text in done], dtype=np.int32),
            tokens=np.array([text.tokens for _, text in done], dtype=np.int32),
        )

    def _combine(self, text: _Text, window: Window, vector: np.ndarray) -> None:
        """Take one of several windows (words, D) into its text, each word in its own way."""
        for word, whole, part in zip(self._model.pooling.words, text.vector, vector, strict=True):
            if word == "mean":
                whole += part.astype(np.float64) * ((window.end - window.begin) / text.tokens)
            elif word == "max":
                np.maximum(whole, part, out=whole)
            elif window.first if word == "first" else window.last:
                whole[:] = part


def collected(
    stream: Iterator[EmbeddedBatch],
    count: int,
    dimension: int,
    progress: Callable[[int], None] | None = None,
) -> Embedded:
    """The batches of a stream in the order of its texts. `progress` takes the number of texts done so far."""
    vectors = np.empty((count, dimension), dtype=np.float32)
    windows = np.empty(count, dtype=np.int32)
    tokens = np.empty(count, dtype=np.int32)
    done = 0
    for batch in stream:
        vectors[batch.indices] = batch.vectors
        windows[batch.indices] = batch.windows
        tokens[batch.indices] = batch.tokens
        done += len(batch.indices)
        if progress is not None:
            progress(done)
    return Embedded(vectors, windows, tokens)


def _waves(texts: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    start, wave, characters = 0, [], 0
    for index, text in enumerate(texts):
        if wave and (len(wave) == _WAVE_TEXTS or characters + len(text) > _WAVE_CHARACTERS):
            yield start, wave
            start, wave, characters = index, [], 0
        wave.append(text)
        characters += len(text)
    if wave:
        yield start, wave


def _batches(windows: Sequence[Window], budget: int) -> Iterator[list[Window]]:
    """Consecutive windows of one context, longest first, whose padded tokens after it stay within the budget; at least
    one each."""
    batch: list[Window] = []
    for window in windows:
        if batch and (len(batch[0].ids) - window.context) * (len(batch) + 1) > budget:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch
