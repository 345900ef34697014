"""One caller's work in the engine: units go out to the event loop, answers to its thread, or to who awaits them."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Sequence
from concurrent import futures
from pathlib import Path

from reexd.engine.frames import Frame
from reexd.engine.pool import Pool
from reexd.engine.process import FitRun
from reexd.engine.schedule import Unit
from reexd.errors import EngineDied, JobCancelled, ReexError

_POLL_S = 0.1  # how soon a cancelled caller notices


class Call:
    """Use as a context manager in the calling thread: leaving it cancels whatever has not come back.

    Whoever submitted fits leaves it when no worker writes into their folders any more, at most a step later.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, pool: Pool, cancel: threading.Event | None = None
    ) -> None:
        self._loop = loop
        self._pool = pool
        self._cancel = cancel
        self._answers: queue.SimpleQueue[tuple[object, Frame | ReexError]] = queue.SimpleQueue()
        self._outstanding = 0
        self._fits = False

    def __enter__(self) -> Call:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._outstanding or self._loop.is_closed():
            return
        if not self._fits:
            # Not awaited: a stream that nobody finished is closed where it is collected, on the loop even.
            self._loop.call_soon_threadsafe(self._pool.drop, self)
            return
        dropped = asyncio.run_coroutine_threadsafe(self._pool.dropped(self), self._loop)
        while not dropped.done() and not self._loop.is_closed():
            futures.wait([dropped], timeout=_POLL_S)

    @property
    def outstanding(self) -> int:
        return self._outstanding

    def unit(self, tag: object, header: dict, arrays: dict, *, interactive: bool, **merging: object) -> Unit:
        """A unit of this call; its answer comes back under `tag`."""
        return Unit(
            group=self,
            header=header,
            arrays=arrays,
            deliver=lambda frame: self._answers.put((tag, frame)),
            fail=lambda error: self._answers.put((tag, error)),
            interactive=interactive,
            **merging,
        )

    def submit(self, units: Sequence[Unit]) -> None:
        self._outstanding += len(units)
        self._post(lambda: [self._pool.submit(unit) for unit in units])

    def submit_fit(self, tag: object, folder: Path, settings: dict, op: str = "fit") -> None:
        self._outstanding += 1
        self._fits = True
        run = FitRun(self, folder, settings, tell=lambda frame: self._answers.put((tag, frame)), op=op)
        self._post(lambda: self._pool.submit_fit(run))

    def next(self, *, ends: bool = True) -> tuple[object, Frame]:
        """The next answer; `ends` as long as one answer ends one submission (a fit tells its own end).

        Raises the error the work ended in, and JobCancelled once `cancel` is set.
        """
        while True:
            if self._cancel is not None and self._cancel.is_set():
                raise JobCancelled("the work was cancelled")
            try:
                tag, answer = self._answers.get(timeout=_POLL_S if self._cancel is not None else 1.0)
            except queue.Empty:
                if self._loop.is_closed():
                    raise EngineDied("the engine was stopped") from None
                continue
            if isinstance(answer, ReexError):
                raise answer
            if ends:
                self._outstanding -= 1
            return tag, answer

    def ended(self) -> None:
        """One submission told its end."""
        self._outstanding -= 1

    def ask(self, header: dict) -> Frame:
        """One request without arrays, answered before bulk work."""
        self.submit([self.unit(None, header, {}, interactive=True)])
        return self.next()[1]

    def _post(self, action) -> None:
        try:
            self._loop.call_soon_threadsafe(action)
        except RuntimeError as error:
            raise EngineDied("the engine is not running; start the daemon again") from error


class Exchange:
    """One caller's work, awaited on the loop that the pool lives on: no thread waits."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._answers: list[tuple[object, Frame]] = []
        self._missing = 0
        self._all = asyncio.get_running_loop().create_future()

    def unit(self, tag: object, header: dict, arrays: dict, *, interactive: bool, **merging: object) -> Unit:
        """As `Call.unit`."""
        return Unit(
            group=self,
            header=header,
            arrays=arrays,
            deliver=lambda frame: self._deliver(tag, frame),
            fail=self._fail,
            interactive=interactive,
            **merging,
        )

    async def answers(self, units: Sequence[Unit]) -> list[tuple[object, Frame]]:
        """What each unit came back with, under its tag, in the order they came. To be awaited once.

        Raises the error that the first of them ended in; the others are then forgotten, as they are when this is
        cancelled.
        """
        if not units:
            return []
        self._missing = len(units)
        for unit in units:
            self._pool.submit(unit)
        try:
            await self._all
        finally:
            if self._missing:
                self._pool.drop(self)
        return self._answers

    def _deliver(self, tag: object, frame: Frame) -> None:
        self._answers.append((tag, frame))
        self._missing -= 1
        if not self._missing and not self._all.done():
            self._all.set_result(None)

    def _fail(self, error: ReexError) -> None:
        if not self._all.done():
            self._all.set_exception(error)
