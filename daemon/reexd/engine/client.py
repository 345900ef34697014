"""The handle the daemon calls: language models, matching and fits, run by worker processes.

Thread-safe, blocking, free of mlx. One thread of its own runs an event loop that talks to the workers; every
call waits in its caller's thread, so nothing here may be called from an event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from reexd.engine import fits, numerics, states, tunings
from reexd.engine.adaptor.settings import FitSettings, choose, official
from reexd.engine.call import Call
from reexd.engine.embedding import EmbedStream, OpenModel, collected
from reexd.engine.memory import Needs
from reexd.engine.opening import read_model
from reexd.engine.pool import Pool
from reexd.engine.residency import OpenModels
from reexd.engine.tasks import (
    Embedded,
    EmbeddedBatch,
    EngineSettings,
    EngineStatus,
    FitResult,
    FitTask,
    LoadedModel,
    Matches,
    MatchHandle,
    State,
    WorkerStatus,
)
from reexd.engine.tuning.settings import TuneSettings
from reexd.engine.tunings import TuneProgress, kept_with_corpus, write_adapter
from reexd.errors import EngineDied
from reexd.records import Classifier, ClassifierArrays, ModelFacts, ModelFiles
from reexd.weights.measure import Measure

__all__ = [
    "Embedded",
    "EmbeddedBatch",
    "Engine",
    "EngineSettings",
    "EngineStatus",
    "FitResult",
    "FitSettings",
    "FitTask",
    "LoadedModel",
    "MatchHandle",
    "Matches",
    "Needs",
    "State",
    "TuneProgress",
    "TuneSettings",
    "WorkerStatus",
    "choose",
    "kept_with_corpus",
    "official",
    "write_adapter",
    "write_classifier",
]

_MATCH_ROWS_MAX = 1024


class Engine:
    """`start` before use, `stop` at the end. `scratch` is a private folder for files that pass by."""

    def __init__(self, settings: EngineSettings, scratch: Path) -> None:
        self._settings = settings
        self._scratch = scratch
        self._pool = Pool(settings)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="engine", daemon=True)
        self._models = OpenModels(settings, self._pool, self._loop, self._read)
        self._keeping: Future[None] | None = None

    def start(self) -> None:
        """Start the workers; returns when the first is ready. Raises EngineDied when it does not come up."""
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._pool.start(), self._loop).result()
        except BaseException:
            self._end_loop()
            raise
        self._keeping = asyncio.run_coroutine_threadsafe(self._models.expire(), self._loop)

    def stop(self) -> None:
        """End the workers. Calls that still wait raise EngineDied. May be called twice."""
        if not self._loop.is_closed():
            if self._keeping is not None:
                self._keeping.cancel()
            asyncio.run_coroutine_threadsafe(self._pool.stop(), self._loop).result()
            self._end_loop()

    def open(self, model: ModelFiles) -> ModelFacts:
        """Read a model, verify its digests, and say what it is. Remembered once it went well.

        Raises ModelCorrupt, ModelTooLarge, InvalidSetting (unknown architecture or pooling), EngineDied.
        """
        return self._opened(model)[0]

    def load(self, model: ModelFiles) -> ModelFacts:
        """As `open`, in every worker, so that whoever comes next does not wait. Raises what `open` does."""
        self._refuse_unless_running()
        return self._models.load(model)

    def unload(self, name: str) -> bool:
        """Drop a model's weights in every worker and give the memory back; False when it was not loaded."""
        self._refuse_unless_running()
        return self._models.unload(name)

    def needs(self, parameters: int, stored_bytes: int) -> Needs:
        """The memory that a model of so many parameters, stored in so many bytes, would take."""
        return self._models.needs(Measure(parameters, stored_bytes, ""))

    def embed(
        self,
        model: ModelFiles,
        texts: Sequence[str],
        *,
        prompt: str = "",
        interactive: bool = False,
        cancel: threading.Event | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Embedded:
        """Hidden states of texts, in their order. `progress` takes the number of texts done so far.

        Raises what `open` does, and InvalidDocument (not Unicode), JobCancelled, QueueFull.
        """
        facts = self.open(model)
        stream = self.embed_stream(model, texts, prompt=prompt, interactive=interactive, cancel=cancel)
        return collected(stream, len(texts), facts.hidden_size, progress)

    def embed_and_match(
        self,
        model: ModelFiles,
        texts: Sequence[str],
        handle: MatchHandle,
        *,
        prompt: str = "",  # noqa: ARG002  as in `embed_stream`
        neighbors: int = 25,
        interactive: bool = False,
    ) -> tuple[Embedded, Matches]:
        """As `embed`, then `match` of what came out; a text of one window takes a single visit to a worker.

        For classifiers without attributes, whose rows are hidden states. Raises what the two do.
        """
        facts, opened = self._opened(model)
        header = _match_header(handle, neighbors)
        with self._call() as call:
            stream = EmbedStream(call, opened, interactive=interactive, match=header)
            embedded = collected(stream.run(texts), len(texts), facts.hidden_size)
        rows = stream.matched
        rest = [place for place in range(len(texts)) if place not in rows]
        if rest:
            matches = self.match(handle, embedded.vectors[rest], neighbors=neighbors, interactive=interactive)
            for at, place in enumerate(rest):
                rows[place] = {name: getattr(matches, name)[at] for name in Matches.__slots__}
        ordered = [rows[place] for place in range(len(texts))]
        return embedded, Matches(*(np.stack([row[name] for row in ordered]) for name in Matches.__slots__))

    def embed_stream(
        self,
        model: ModelFiles,
        texts: Sequence[str],
        *,
        prompt: str = "",  # noqa: ARG002  encoders ignore it; decoders will put it before the text
        interactive: bool = False,
        cancel: threading.Event | None = None,
    ) -> Iterator[EmbeddedBatch]:
        """Hidden states as they are finished, so that a step can commit them as they come.

        Memory is bounded by a wave of texts. Closing the iterator early cancels the rest. Raises as `embed`.
        """
        _, opened = self._opened(model)
        with self._call(cancel) as call:
            yield from EmbedStream(call, opened, interactive=interactive).run(texts)

    def match(
        self,
        handle: MatchHandle,
        vectors: np.ndarray,
        *,
        exclude: np.ndarray | None = None,
        neighbors: int = 25,
        interactive: bool = False,
        cancel: threading.Event | None = None,
    ) -> Matches:
        """Rows (n, D), attributes included and not normalised, against a classifier's support (sdm.md 4).

        `exclude` (n,) int64: the support row a row must not see (itself), -1 for none. `neighbors`: how many
        to return, at most the support's count. Raises InvalidInput for vectors that are not finite or do not
        fit the classifier, JobCancelled, QueueFull, EngineDied.
        """
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        exclude = np.full(len(vectors), -1) if exclude is None else exclude
        exclude = np.ascontiguousarray(exclude, dtype=np.int64)
        header = {"op": "match", **_match_header(handle, neighbors)}
        step = self._match_rows(handle)
        with self._call(cancel) as call:
            starts = range(0, max(1, len(vectors)), step)
            call.submit(
                [
                    call.unit(
                        start,
                        header,
                        {"vectors": vectors[start : start + step], "exclude": exclude[start : start + step]},
                        interactive=interactive,
                    )
                    for start in starts
                ]
            )
            parts = dict(call.next() for _ in starts)
        names = Matches.__slots__
        return Matches(*(np.concatenate([parts[start].arrays[name] for start in starts]) for name in names))

    def fit(
        self,
        task: FitTask,
        *,
        on_progress: Callable[[int, dict], None],
        on_checkpoint: Callable[[int, State], None],
        on_outcome: Callable[[int, State], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> FitResult:
        """Fit the shuffles of a task, several at a time. Handlers run in this thread; they get the shuffle.

        `on_progress` facts: epoch, epochs, share of it done, and `record` when it ended. `on_checkpoint`: what
        `FitTask.resume` takes. `on_outcome`: a shuffle has ended, what `FitTask.finished` takes.

        Raises EngineDied when a worker ends under a shuffle (resume from the last checkpoints), JobCancelled,
        NotEnoughData and InvalidInput for data that cannot be fitted.
        """
        with self._call(cancel) as call:
            return fits.run(
                call, task, self._scratch, fits.FitHandlers(on_progress, on_checkpoint, on_outcome)
            )

    def read_corpus(
        self, model: ModelFiles, folder: Path, texts: Sequence[str], labels: np.ndarray, keep: State
    ) -> None:
        """Lay out what `tune` works on in a new `folder`: texts with labels (n,) in 0..C-1; `keep` comes back with it.

        Raises what `open` does, and InvalidDocument.
        """
        tunings.read(self._opened(model)[1], folder, texts, labels, keep)

    def tune(
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

        Checkpoints are kept in the folder: the same call again goes on from them. Raises what `open` does,
        InvalidSetting, NotEnoughData, EngineDied when the worker ends under it, JobCancelled.
        """
        facts, opened = self._opened(model)
        with self._call(cancel) as call:
            return tunings.run(call, opened, facts.layers, folder, settings, checkpoint_s, on_progress)

    def status(self) -> EngineStatus:
        hello = self._pool.hello.header if self._pool.hello is not None else {}
        return EngineStatus(
            backend=hello.get("backend", ""),
            blas=hello.get("blas", ""),
            blas_fast=hello.get("blas_fast", False),
            workers=self._pool.statuses(),
            models=self._models.loaded(),
        )

    def _refuse_unless_running(self) -> None:
        if self._loop.is_closed() or not self._thread.is_alive():
            raise EngineDied("the engine is not running; start the daemon again")

    def _call(self, cancel: threading.Event | None = None) -> Call:
        self._refuse_unless_running()
        return Call(self._loop, self._pool, cancel)

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _match_rows(self, handle: MatchHandle) -> int:
        """Rows whose product with the support takes one unit of time."""
        status = self.status()
        operations = numerics.operations_per_s(status.backend, status.blas_fast) * self._settings.unit_s
        return int(min(_MATCH_ROWS_MAX, max(1, operations // (4 * handle.support_count * handle.width))))

    def _opened(self, model: ModelFiles) -> tuple[ModelFacts, OpenModel]:
        self._refuse_unless_running()
        return self._models.get(model)

    def _read(self, model: ModelFiles) -> tuple[ModelFacts, OpenModel]:
        with self._call() as call:
            return read_model(call, model, self._settings, self.status())


def _match_header(handle: MatchHandle, neighbors: int) -> dict:
    return {
        "key": handle.key,
        "folder": str(handle.path),
        "neighbors": min(neighbors, handle.support_count),
    }


def write_classifier(
    folder: Path, record: Classifier, arrays: ClassifierArrays, vectors: np.ndarray
) -> MatchHandle:
    """Lay a classifier out for the workers: `vectors` (N, D) float32 are its support's hidden states with
    attributes, not normalised, in the order of `arrays.support_rows`. The folder must not exist yet."""
    exemplar_size, feature_count = arrays.projection_weight.shape
    state = State(
        {
            "projection_weight": arrays.projection_weight,
            "projection_bias": arrays.projection_bias,
            "classifier_weight": arrays.classifier_weight,
            "classifier_bias": arrays.classifier_bias,
            "support": vectors,
            "support_labels": arrays.support_labels,
            "support_predictions": arrays.support_predictions,
        },
        {
            "mean": record.mean,
            "standard_deviation": record.standard_deviation,
            "neighbors_max": record.neighbors_max,
        },
    )
    states.save(folder, state)
    return MatchHandle(
        key=str(folder), path=folder, support_count=len(vectors), width=min(exemplar_size, feature_count)
    )
