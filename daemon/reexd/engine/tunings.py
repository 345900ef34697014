"""A tuning as the daemon sees it: texts become windows, the workers fill the cache of the frozen lower layers, and one
of them tunes what lies above it.

Everything is in one folder, so that the same call, made again after a crash, goes on where the last one stood.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reexd.engine import memory, states
from reexd.engine.cached import CachedStream
from reexd.engine.call import Call
from reexd.engine.embedding import OpenModel
from reexd.engine.pool import error_of
from reexd.engine.schedule import Unit
from reexd.engine.tasks import EmbeddedBatch, State
from reexd.engine.tokens import Window
from reexd.engine.tuning import corpus
from reexd.engine.tuning.settings import TuneSettings
from reexd.errors import InvalidSetting
from reexd.records import ModelFacts, ModelFiles

_READ_TEXTS = 2048  # tokenised at once
_OUTSTANDING_UNITS = 64


@dataclass(frozen=True, slots=True)
class TuneProgress:
    """Both in documents that pass the tuned layers forwards and backwards; the lower layers are counted as such."""

    done: int
    total: int
    epoch: int = 0  # from 1; 0 while the lower layers are run
    training_loss: float = 0.0  # of the epoch so far
    record: dict | None = None  # of the epoch that has just ended


class Tunings:
    """What an engine does with models to be tuned; `opened` and `call` are the engine's own."""

    def __init__(
        self,
        opened: Callable[[ModelFiles], tuple[ModelFacts, OpenModel]],
        call: Callable[[threading.Event | None], Call],
    ) -> None:
        self._opened = opened
        self._call = call

    def read(
        self,
        model: ModelFiles,
        folder: Path,
        texts: Sequence[str],
        labels: np.ndarray,
        keep: State,
        prompts: Sequence[str] = (),
    ) -> None:
        """Lay out what `run` works on in `folder`: texts with labels (n,) in 0..C-1, and of a decoder the prompt of
        each; `keep` comes back with it.

        Raises what `Engine.open` does, InvalidDocument, and InvalidSetting for a prompt too long.
        """
        _, opened = self._opened(model)
        windows: list[Window] = []
        for start, end, prompt in _alike(prompts or [""] * len(texts)):
            windows.extend(opened.reader.read(texts[start:end], start, prompt))
        corpus.write_windows(folder, windows, labels, keep)

    def run(
        self,
        model: ModelFiles,
        folder: Path,
        settings: TuneSettings,
        *,
        checkpoint_s: float,
        on_progress: Callable[[TuneProgress], None],
        cancel: threading.Event | None = None,
    ) -> State:
        """Tune the top layers of a model on the corpus in `folder`: what changed, by layer and weight, float16.

        Checkpoints are kept in the folder: the same call again goes on from them. Raises what `Engine.open` does,
        InvalidSetting, ModelTooLarge, NotEnoughData, EngineDied when the worker ends under it, JobCancelled.
        """
        facts, opened = self._opened(model)
        if opened.pooling.layers > settings.layers:
            raise InvalidSetting(
                f"pooling {opened.pooling} reads {opened.pooling.layers} layers, so that at least as many are tuned;"
                f" received {settings.layers}",
                name="layers",
            )
        memory.refuse_tuning_too_large(model.name, opened.multiplied * settings.layers // facts.layers)
        with self._call(cancel) as call:
            return _run(call, opened, facts.layers, folder, settings, checkpoint_s, on_progress)

    def embed_stream(
        self,
        model: ModelFiles,
        folder: Path,
        layers: int,
        rows: np.ndarray,
        *,
        cancel: threading.Event | None = None,
    ) -> Iterator[EmbeddedBatch]:
        """Hidden states of documents that `run` tuned the top `layers` layers on, from the cache of the lower ones.

        `model` is the tuned one; rows (n,) are places among the texts that `read` was given. Only where they are
        `cached_exactly`; otherwise as `Engine.embed_stream`.
        """
        _, opened = self._opened(model)
        with self._call(cancel) as call:
            yield from CachedStream(call, opened, folder, layers).documents(rows)


def _alike(prompts: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """(begin, end, prompt) of neighbours under the same prompt, a few thousand at a time."""
    begin = 0
    for prompt, same in itertools.groupby(prompts):
        last = begin + sum(1 for _ in same)
        for start in range(begin, last, _READ_TEXTS):
            yield start, min(start + _READ_TEXTS, last), prompt
        begin = last


def kept_with_corpus(folder: Path) -> State | None:
    """What `Tunings.read` was given to keep; None unless it came to its end."""
    return corpus.kept(folder)


def cached_exactly(folder: Path) -> bool:
    """Whether `Tunings.embed_stream` gives what embedding the texts would give."""
    return corpus.exact(folder)


def write_adapter(folder: Path, changes: Mapping[str, np.ndarray]) -> None:
    """Lay out what a tuning changed, as `AdapterFiles` names it, in a folder that does not exist yet."""
    states.save(folder, State(changes, {}))


def _run(
    call: Call,
    opened: OpenModel,
    layers: int,
    folder: Path,
    settings: TuneSettings,
    checkpoint_s: float,
    on_progress: Callable[[TuneProgress], None],
) -> State:
    """Fill the cache, tune, and return the changes. `layers`: of the whole model."""
    if states.complete(folder / corpus.RESULT):
        return states.load(folder / corpus.RESULT)
    documents = len(corpus.windows(folder)["labels"])
    # Forwards through a lower layer costs a third of forwards and backwards through a tuned one.
    lower = round(documents * (layers - settings.layers) / (3 * settings.layers))

    def told(share: float) -> None:
        on_progress(TuneProgress(round(lower * share), lower + documents * settings.epochs))

    _fill(call, opened, folder, settings.layers, checkpoint_s, told)
    request = {"model": opened.spec, "pooling": str(opened.pooling), "tune": settings.to_dict()}
    request["checkpoint_s"] = checkpoint_s
    call.submit_fit(None, folder, request, op="tune")
    while True:
        _, frame = call.next(ends=False)
        if "error" in frame.header:
            raise error_of(frame)
        if frame.header["event"] == "result":
            call.ended()
            return states.load(Path(frame.header["folder"]))
        facts = frame.header["facts"]
        share = facts["done"] / facts["total"]
        done = lower + round(share * documents * settings.epochs)
        on_progress(
            TuneProgress(
                done,
                lower + documents * settings.epochs,
                facts["epoch"],
                facts["training_loss"],
                facts.get("record"),
            )
        )


def _fill(
    call: Call,
    opened: OpenModel,
    folder: Path,
    layers: int,
    checkpoint_s: float,
    told: Callable[[float], None],
) -> None:
    """The lower layers' outputs of every window, longest first, unit by unit; what is on disk is not computed again."""
    given = corpus.windows(folder)
    lengths = np.diff(given["offsets"])
    corpus.create_states(folder, int(lengths.sum()), opened.hidden_size)
    order = np.argsort(-lengths, kind="stable")
    sums = np.concatenate([[0], np.cumsum(lengths[order])])
    done = corpus.filled(folder)
    batches = _batches(order[done:], lengths, opened.unit_tokens)
    header = {"op": "lower", "model": opened.spec, "folder": str(folder), "layers": layers}
    waiting = iter(range(len(batches)))
    first = 0  # unit that is not finished
    finished: set[int] = set()
    saved_at = time.monotonic()

    def unit(number: int) -> Unit:
        return call.unit(number, header, {"windows": batches[number]}, interactive=False)

    call.submit([unit(number) for number in itertools.islice(waiting, _OUTSTANDING_UNITS)])
    while call.outstanding:
        number, _ = call.next()
        finished.add(int(number))  # type: ignore[call-overload]
        call.submit([unit(number) for number in itertools.islice(waiting, 1)])
        while first in finished:
            finished.discard(first)
            done += len(batches[first])
            first += 1
        if time.monotonic() - saved_at >= checkpoint_s:
            corpus.mark_filled(folder, done)
            saved_at = time.monotonic()
        told(float(sums[done] / sums[-1]))
    corpus.mark_filled(folder, len(order))


def _batches(order: np.ndarray, lengths: np.ndarray, budget: int) -> list[np.ndarray]:
    """Windows in `order`, longest first, in runs whose padded tokens stay within the budget; at least one each."""
    found, begin = [], 0
    while begin < len(order):
        count = max(1, budget // int(lengths[order[begin]]))
        found.append(order[begin : begin + count])
        begin += count
    return found
