"""Which language models are in the workers' memory, and for how long. Owns opening, keeping and closing.

A model is opened when it is first asked for and closed when it was not used for a while, when another needs its
place, or when somebody says so; then every worker drops its weights and gives the memory back. Closing is never
wrong: work that comes after it opens the model again.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TypeVar

from reexd.engine import memory
from reexd.engine.embedding import OpenModel
from reexd.engine.pool import Pool, error_of
from reexd.engine.tasks import EngineSettings, LoadedModel
from reexd.errors import EngineDied
from reexd.records import ModelFacts, ModelFiles
from reexd.weights.measure import Measure, measure

Reader = Callable[[ModelFiles], tuple[ModelFacts, OpenModel]]

T = TypeVar("T")

_LOOK_MAX_S = 60.0
_POLL_S = 1.0  # how soon a caller notices that the engine has stopped


@dataclass(slots=True, eq=False)
class _Kept:
    files: ModelFiles
    facts: ModelFacts
    opened: OpenModel
    used_at: float  # monotonic


class OpenModels:
    """Methods that are not coroutines belong to callers' threads, coroutines to the engine's event loop."""

    def __init__(
        self, settings: EngineSettings, pool: Pool, loop: asyncio.AbstractEventLoop, read: Reader
    ) -> None:
        """`read` verifies a model's files and opens it in one worker."""
        self._settings = settings
        self._pool = pool
        self._loop = loop
        self._read = read
        self._opening = threading.Lock()  # one model at a time: its estimate counts on the memory there is
        self._kept: dict[tuple, _Kept] = {}

    def get(self, model: ModelFiles) -> tuple[ModelFacts, OpenModel]:
        """The model, opened now unless it is. Raises what `Engine.open` does."""
        key = _key(model)
        kept = self._kept.get(key)
        if kept is None:
            with self._opening:
                kept = self._kept.get(key)
                if kept is None:
                    if not self._has_weights(model):
                        self._run(self._make_room(model.name, measure(model.folder)))
                    kept = self._kept[key] = _Kept(model, *self._read(model), time.monotonic())
        kept.used_at = time.monotonic()
        return kept.facts, kept.opened

    def holds(self, model: ModelFiles) -> bool:
        """Whether `get` would return at once."""
        return _key(model) in self._kept

    def load(self, model: ModelFiles) -> ModelFacts:
        """Open a model in every worker, so that nobody waits for it later. Raises what `Engine.open` does."""
        facts, opened = self.get(model)
        for frame in self._run(self._pool.tell_all({"op": "open", "model": opened.spec})):
            if "error" in frame.header:
                raise error_of(frame)
        return facts

    def unload(self, name: str) -> bool:
        """Close a model; False when it was not open. Work that is under way opens it again."""
        keys = [key for key, kept in list(self._kept.items()) if kept.facts.name == name]
        for key in keys:
            self._run(self._close(key))
        return bool(keys)

    def needs(self, measured: Measure) -> memory.Needs:
        """What a model of this size would take."""
        hello = self._pool.hello.header if self._pool.hello is not None else {}
        return memory.needs(
            measured,
            backend=hello.get("backend", ""),
            workers=len(self._pool.statuses()),
        )

    def loaded(self) -> tuple[LoadedModel, ...]:
        """Each set of weights once, however many ways of pooling and prefixes it is open for."""
        now, found = time.monotonic(), {}
        for kept in sorted(self._kept.copy().values(), key=lambda kept: kept.used_at):
            found[repr(kept.opened.spec)] = LoadedModel(
                kept.facts.name, kept.facts.size_bytes, now - kept.used_at
            )
        return tuple(sorted(found.values(), key=lambda model: model.name))

    async def expire(self) -> None:
        """Close what was not used for `model_idle_max_s`, until cancelled."""
        idle_max_s = self._settings.model_idle_max_s
        while idle_max_s:
            await asyncio.sleep(min(_LOOK_MAX_S, idle_max_s / 4))
            for key in self._unused():
                kept = self._kept.get(key)
                if kept is not None and time.monotonic() - kept.used_at > idle_max_s:
                    await self._close(key)

    def _has_weights(self, model: ModelFiles) -> bool:
        """Whether they are in memory for another way of pooling or another prefix."""
        wanted = (model.folder, model.digests, model.adapter)
        return any(
            (kept.files.folder, kept.files.digests, kept.files.adapter) == wanted
            for kept in self._kept.copy().values()
        )

    async def _make_room(self, name: str, measured: Measure) -> None:
        """Close models that nobody uses, the longest unused first, until another has its place and its memory.

        Raises ModelTooLarge when it does not fit beside those in use.
        """
        needed = self.needs(measured)
        for key in self._unused():
            full = len(self.loaded()) >= self._settings.models_loaded_max
            if full or needed.total > memory.available_bytes():
                await self._close(key)
        memory.refuse_too_large(name, measured, needed, workers_set=len(self._pool.statuses()) - 1)

    def _unused(self) -> list[tuple]:
        """Keys of the models that no waiting or running unit names, the longest unused first."""
        busy, now, idle = self._pool.models_in_use(), time.monotonic(), []
        for key, kept in list(self._kept.items()):
            if kept.opened.spec in busy:
                kept.used_at = now
            else:
                idle.append((kept.used_at, key))
        return [key for _, key in sorted(idle, key=lambda pair: pair[0])]

    async def _close(self, key: tuple) -> None:
        """Drop a model's weights, and with them every way that they were open for."""
        kept = self._kept.pop(key, None)
        if kept is not None:
            for other, each in list(self._kept.items()):
                if each.opened.spec == kept.opened.spec:
                    del self._kept[other]
            await self._pool.tell_all({"op": "close", "model": kept.opened.spec})

    def _run(self, coroutine: Coroutine[None, None, T]) -> T:
        running = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        while True:
            with contextlib.suppress(TimeoutError):
                return running.result(_POLL_S)
            if self._loop.is_closed():
                raise EngineDied("the engine was stopped")


def _key(model: ModelFiles) -> tuple:
    said = (getattr(model, field.name) for field in dataclasses.fields(model) if field.name != "digests")
    return (*said, tuple(sorted(model.digests.items())))
