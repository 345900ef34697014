"""The handle the daemon calls: language models, matching and fits, run by worker processes.

Thread-safe, free of mlx. The pool lives on an event loop, the daemon's or one of its own; calls wait in their
caller's thread, which must not be the loop's. Questions alone are awaited there.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from reexd.engine import asking, fits, numerics, token_states
from reexd.engine.adaptor.settings import FitSettings, choose, official
from reexd.engine.asking import Question, joined, match_header, match_units
from reexd.engine.call import Call
from reexd.engine.classifier_files import write_classifier
from reexd.engine.embedding import EmbedStream, OpenModel, collected
from reexd.engine.memory import Needs
from reexd.engine.models import known
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
from reexd.engine.token_states import TokenStates
from reexd.engine.tokens import Window
from reexd.engine.tuning.settings import TuneSettings
from reexd.engine.tunings import TuneProgress, Tunings, cached_exactly, kept_with_corpus, write_adapter
from reexd.errors import EngineDied
from reexd.records import ModelFacts, ModelFiles
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
    "Question",
    "State",
    "TokenStates",
    "TuneProgress",
    "TuneSettings",
    "WorkerStatus",
    "cached_exactly",
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
        self._loop: asyncio.AbstractEventLoop | None = None  # where the pool lives
        self._loop_thread = 0
        self._thread: threading.Thread | None = None  # of that loop, where it is the engine's own
        self._models: OpenModels | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Start the workers, on the running loop; returns when the first is ready. End with `close`.

        Raises EngineDied when it does not come up.
        """
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._loop, self._loop_thread = asyncio.get_running_loop(), threading.get_ident()
        self._models = OpenModels(self._settings, self._pool, self._loop, self._read)
        await self._pool.start()
        self._keeping = self._loop.create_task(self._models.expire())

    async def close(self) -> None:
        """End the workers. Calls that still wait raise EngineDied."""
        if self._keeping is not None:
            self._keeping.cancel()
        await self._pool.stop()
        self._loop = None

    def start(self) -> None:
        """As `run`, on a loop in a thread of the engine's own, for a caller that has none. End with `stop`."""
        loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=loop.run_forever, name="engine", daemon=True)
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self.run(), loop).result()
        except BaseException:
            self._end_thread(loop)
            raise

    def stop(self) -> None:
        """What ends `start`. May be called twice."""
        if (loop := self._loop) is not None:
            asyncio.run_coroutine_threadsafe(self.close(), loop).result()
            self._end_thread(loop)

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """Where `answer` is awaited; None while the engine does not run."""
        return self._loop

    def open(self, model: ModelFiles) -> ModelFacts:
        """Read a model, verify its digests, and say what it is. Remembered once it went well.

        Raises ModelCorrupt, ModelTooLarge, InvalidSetting (unknown architecture or pooling), EngineDied.
        """
        return self._opened(model)[0]

    def load(self, model: ModelFiles) -> ModelFacts:
        """As `open`, in every worker, so that whoever comes next does not wait. Raises what `open` does."""
        return self._running().load(model)

    def unload(self, name: str) -> bool:
        """Drop a model's weights in every worker and give the memory back; False when it was not loaded."""
        return self._running().unload(name)

    def reads(self, architecture: str) -> bool:
        """Whether models of this type (Hugging Face's `model_type`) can be opened here."""
        return architecture in known.architectures()

    def reads_prompts(self, architecture: str) -> bool:
        """Whether models of this type read a prompt around each text."""
        return known.is_decoder(architecture)

    def needs(self, parameters: int, stored_bytes: int) -> Needs:
        """The memory that a model of so many parameters, stored in so many bytes, would take."""
        return self._running().needs(Measure(parameters, stored_bytes, ""))

    def is_open(self, model: ModelFiles) -> bool:
        """Whether `open` would return at once."""
        return self._running().holds(model)

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

    def question(
        self,
        model: ModelFiles,
        texts: Sequence[str],
        *,
        prompts: Sequence[str] = (),
        attributes: np.ndarray | None = None,
        vectors: np.ndarray | None = None,
        read: np.ndarray | None = None,
    ) -> Question:
        """Texts cut into tokens, for `answer`. Of those where `read` (n,) bool is set, `vectors` (n, D) are given.

        `prompts`: one each, which encoders leave out, or none. `attributes` (n, A) float32. Blocks while a model is
        opened that was not. Raises as `open` does, and InvalidDocument for a text that is not Unicode.
        """
        facts, opened = self._opened(model)
        count = len(texts)
        read = np.zeros(count, bool) if read is None else read
        windows: list[Window] = []
        for place in np.flatnonzero(~read).tolist():
            windows += opened.reader.read([texts[place]], place, prompts[place] if prompts else "")
        return Question(
            model=opened,
            read=read,
            vectors=np.empty((count, facts.hidden_size), np.float32) if vectors is None else vectors,
            windows=windows,
            attributes=np.empty((count, 0), np.float32) if attributes is None else attributes,
        )

    async def answer(
        self, question: Question, handle: MatchHandle, *, neighbors: int = 25, interactive: bool = True
    ) -> tuple[np.ndarray, Matches]:
        """(n,) windows each text was read in, and its match; mostly in one visit to a worker.

        To be awaited on the engine's `loop`: no thread waits. Raises as `embed` and `match` do.
        """
        return await asking.answer(
            self._pool,
            question,
            match_header(handle, neighbors),
            step=self._match_rows(handle),
            interactive=interactive,
        )

    def embed_stream(
        self,
        model: ModelFiles,
        texts: Sequence[str],
        *,
        prompt: str = "",
        interactive: bool = False,
        cancel: threading.Event | None = None,
    ) -> Iterator[EmbeddedBatch]:
        """Hidden states as they are finished, so that a step can commit them as they come. Encoders leave `prompt` out.

        Memory is bounded by a wave of texts. Closing the iterator early cancels the rest. Raises as `embed`.
        """
        _, opened = self._opened(model)
        with self._call(cancel) as call:
            yield from EmbedStream(call, opened, interactive=interactive).run(texts, prompt)

    def token_states(self, model: ModelFiles, text: str, *, prompt: str = "") -> TokenStates:
        """The states that `embed` pools, token by token. Raises as `embed`, and for a text that is too long."""
        _, opened = self._opened(model)
        with self._call() as call:
            return token_states.read(call, opened, text, prompt)

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
        header, step = match_header(handle, neighbors), self._match_rows(handle)
        with self._call(cancel) as call:
            units = match_units(call, header, vectors, exclude, step=step, interactive=interactive)
            call.submit(units)
            return joined([call.next() for _ in units])

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
        folder = self._scratch / "fits" / uuid.uuid4().hex
        try:
            with self._call(cancel) as call:
                return fits.run(call, task, folder, fits.FitHandlers(on_progress, on_checkpoint, on_outcome))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def tunings(self) -> Tunings:
        """Tuning of language models."""
        return Tunings(self._opened, self._call)

    def status(self) -> EngineStatus:
        hello = self._pool.hello.header if self._pool.hello is not None else {}
        return EngineStatus(
            backend=hello.get("backend", ""),
            blas=hello.get("blas", ""),
            blas_fast=hello.get("blas_fast", False),
            workers=self._pool.statuses(),
            models=self._models.loaded() if self._models is not None else (),
        )

    def _running(self) -> OpenModels:
        if self._loop is None or self._loop.is_closed() or self._models is None:
            raise EngineDied("the engine is not running; start the daemon again")
        return self._models

    def _call(self, cancel: threading.Event | None = None) -> Call:
        self._running()
        if threading.get_ident() == self._loop_thread:
            raise RuntimeError("this call waits for the loop that it was made on: make it in a thread")
        return Call(self._loop, self._pool, cancel)

    def _end_thread(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        loop.close()

    def _match_rows(self, handle: MatchHandle) -> int:
        """Rows whose product with the support takes one unit of time."""
        hello = self._pool.hello.header  # not `status`: every question asks
        operations = numerics.operations_per_s(hello["backend"], hello["blas_fast"]) * self._settings.unit_s
        return int(min(_MATCH_ROWS_MAX, max(1, operations // (4 * handle.support_count * handle.width))))

    def _opened(self, model: ModelFiles) -> tuple[ModelFacts, OpenModel]:
        return self._running().get(model)

    def _read(self, model: ModelFiles) -> tuple[ModelFacts, OpenModel]:
        with self._call() as call:
            return read_model(call, model, self._settings, self.status())
