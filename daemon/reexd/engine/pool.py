"""The worker processes and who does what next. Owns dispatch, retries and restarts.

CPU: one worker per core does bulk work at low priority, and one more is kept for interactive work. Metal: one
worker does both. An interactive unit goes to the reserved worker, or to another that is not busy where that helps; a
worker that fits a classifier takes interactive units only when there is no reserved one.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from reexd import errors
from reexd.engine.frames import Frame
from reexd.engine.process import INTERACTIVE_THREADS, FitRun, WorkerProcess
from reexd.engine.schedule import Schedule, Unit, merge, split
from reexd.engine.tasks import EngineSettings, WorkerStatus
from reexd.errors import EngineDied, QueueFull, ReexError

logger = logging.getLogger(__name__)

_STOP_GRACE_S = 2.0
_LOST_GRACE_S = 0.5
_RESTART_DELAY_S = 0.1
_RESTART_DELAY_MAX_S = 5.0
_FAILURES_MAX = 5  # failed starts in a row of every worker, until those who wait are told


class Pool:
    """All methods but the constructor belong to the event loop."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._schedule = Schedule()
        self._fits: deque[FitRun] = deque()
        self._workers: list[WorkerProcess] = []
        workers = 1 + (settings.workers or os.cpu_count() or 1)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="worker")
        self._tasks: set[asyncio.Task] = set()
        self._identities = itertools.count(1)
        self._told: dict[int, tuple[WorkerProcess, asyncio.Future[Frame | None]]] = {}
        self._stopping = False
        self._stopped = asyncio.Event()
        self._cores_spare = (os.cpu_count() or 1) > INTERACTIVE_THREADS
        self.hello: Frame | None = None

    async def start(self) -> None:
        """Start the workers; returns when the first is ready. Raises EngineDied when it does not come up."""
        first = WorkerProcess(slot=0, reserved=True, niced=False, threads=self._threads)
        self._workers.append(first)
        self.hello = await first.start(self._settings)
        if self.hello is None:
            await first.end()
            raise EngineDied(
                f"the engine's worker ended before it was ready ({first.exit_reason}); see the daemon's log"
            )
        self._keep(self._serve(first))
        if self.hello.header["backend"] == "metal":
            first.reserved = False
            return
        for slot in range(1, 1 + (self._settings.workers or os.cpu_count() or 1)):
            worker = WorkerProcess(slot=slot, reserved=False, niced=True, threads=self._threads)
            self._workers.append(worker)
            self._keep(self._run(worker))

    async def stop(self) -> None:
        """End all workers; what still waits fails with EngineDied."""
        self._stopping = True
        self._stopped.set()
        await asyncio.gather(*(worker.end(_STOP_GRACE_S) for worker in self._workers))
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown()
        self._fail_all(EngineDied("the engine was stopped"))

    def submit(self, unit: Unit) -> None:
        if self._stopping:
            unit.fail(EngineDied("the engine was stopped"))
            return
        if unit.interactive and len(self._schedule.interactive) >= self._settings.queued_max:
            unit.fail(QueueFull(f"{self._settings.queued_max} queries wait for the engine; try again later"))
            return
        self._schedule.add(unit)
        self._dispatch()

    def submit_fit(self, run: FitRun) -> None:
        if self._stopping:
            run.tell(_failure(EngineDied("the engine was stopped")))
            return
        run.identity = next(self._identities)
        self._fits.append(run)
        self._dispatch()

    def drop(self, group: object) -> list[asyncio.Future[Frame | None]]:
        """Cancel a call: forget what waits, stop its fits, let a unit in flight end unheard.

        One future per fit that ran: done when its worker, at the end of a step, has let go of the fit's folder.
        """
        let_go = []
        self._schedule.drop(group)
        self._fits = deque(run for run in self._fits if run.group is not group)
        for worker in self._workers:
            for unit in worker.units:
                if unit.group is group:
                    unit.deliver = unit.fail = _unheard
            if worker.fit is not None and worker.fit.group is group:
                let_go.append(self._tell(worker, {"op": "cancel", "fit": worker.fit.identity}))
                worker.fit = None
        self._dispatch()
        return let_go

    async def dropped(self, group: object) -> None:
        """As `drop`; returns when no worker writes into a folder of the call's any more."""
        await asyncio.gather(*self.drop(group))

    async def tell_all(self, header: dict) -> list[Frame]:
        """Send a request to every worker that is ready; the answers of those that lived to give one."""
        told = [self._tell(worker, header) for worker in self._workers if worker.ready]
        return [frame for frame in await asyncio.gather(*told) if frame is not None]

    def _tell(self, worker: WorkerProcess, header: dict) -> asyncio.Future[Frame | None]:
        """The answer to a request that is no unit's; None from a worker that ends first."""
        identity = next(self._identities)
        answered: asyncio.Future[Frame | None] = asyncio.get_running_loop().create_future()
        self._told[identity] = worker, answered
        worker.send(identity, Frame(header), bulk=False)
        return answered

    def models_in_use(self) -> list[dict]:
        """What `model` says in the units that wait or run."""
        units = [*self._schedule.interactive, *self._schedule.bulk]
        units += [unit for worker in self._workers for unit in worker.units]
        return [unit.header["model"] for unit in units if "model" in unit.header]

    def statuses(self) -> tuple[WorkerStatus, ...]:
        return tuple(
            WorkerStatus(
                worker.pid,
                "busy" if worker.fit is not None and worker.ready else worker.state,
                worker.restarts,
                worker.memory_bytes,
                worker.reserved,
            )
            for worker in self._workers
        )

    def _keep(self, coroutine) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, worker: WorkerProcess) -> None:
        """Start a slot's process, again and again until it is ready, and serve it."""
        while not self._stopping:
            hello = await worker.start(self._settings)
            if hello is not None and not self._stopping:
                await self._serve(worker)
                return
            await worker.end()
            if self._stopping:
                return
            worker.failures += 1
            logger.error("engine worker in slot %d ended at its start: %s", worker.slot, worker.exit_reason)
            if all(other.failures >= _FAILURES_MAX for other in self._workers):
                self._fail_all(
                    EngineDied(f"no engine worker can start ({worker.exit_reason}); see the daemon's log")
                )
            delay = min(_RESTART_DELAY_S * 2**worker.failures, _RESTART_DELAY_MAX_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), delay)
            worker.state = "starting"

    async def _serve(self, worker: WorkerProcess) -> None:
        """Hear a ready worker out until it ends; then see to what it left behind and fill its slot again."""
        self._dispatch()
        while (frame := await worker.read()) is not None:
            worker.memory_bytes = frame.header["memory"]
            if frame.header["id"] == worker.request:
                self._answered(worker, frame)
            elif told := self._told.pop(frame.header["id"], None):
                _settle(told[1], frame)
            elif worker.fit is not None and frame.header["id"] == worker.fit.identity:
                self._fit_event(worker, frame)
            self._dispatch()
        await worker.end(_LOST_GRACE_S)
        self._lost(worker)
        if not self._stopping:
            worker.restarts += 1
            worker.state = "starting"
            self._keep(self._run(worker))
            self._dispatch()

    def _answered(self, worker: WorkerProcess, frame: Frame) -> None:
        units, worker.units, worker.request, worker.state = worker.units, [], 0, "idle"
        if "error" in frame.header:
            for unit in units:
                unit.fail(error_of(frame))
            return
        for unit, part in zip(units, split(frame, units), strict=True):
            unit.deliver(part)

    def _fit_event(self, worker: WorkerProcess, frame: Frame) -> None:
        run = worker.fit
        if "error" in frame.header or frame.header["event"] == "result":
            worker.fit = None
        run.tell(frame)

    def _lost(self, worker: WorkerProcess) -> None:
        """Retry what a dead worker had in hand, alone from now on: one of several may be what kills it."""
        units, worker.units, worker.request = worker.units, [], 0
        run, worker.fit = worker.fit, None
        for identity in [identity for identity, (other, _) in self._told.items() if other is worker]:
            _settle(self._told.pop(identity)[1], None)
        if not self._stopping:
            logger.error("engine worker %d died of %s", worker.pid, worker.exit_reason)
        died = EngineDied(
            f"an engine worker died of {worker.exit_reason} under this work; try again, see the daemon's log"
        )
        again = []
        for unit in units:
            unit.attempts += 1
            unit.key = ""
            if unit.attempts > self._settings.retries_max or self._stopping:
                unit.fail(died)
            else:
                again.append(unit)
        self._schedule.put_back(again)
        if run is not None:
            run.tell(_failure(died))

    def _fail_all(self, error: ReexError) -> None:
        for unit in self._schedule.drain():
            unit.fail(error)
        while self._fits:
            self._fits.popleft().tell(_failure(error))

    def _bulk_may_start(self) -> bool:
        """Whether one more unit of bulk work may be begun. While questions wait for the reserved worker, and without a
        core to spare for it, one at a time: bulk work goes on, but not on both of its cores."""
        if self._cores_spare or not self._schedule.interactive:
            return True
        return not any(worker.units and not worker.units[0].interactive for worker in self._workers)

    def _dispatch(self) -> None:
        """Give every worker that has nothing in hand the next thing it may do."""
        reserved_ready = any(worker.reserved and worker.ready for worker in self._workers)
        # Without a core to spare the others, of lower priority, would answer what they take many times as late as the
        # reserved worker what it takes, unless that reads a model.
        reading = any(worker.reserved and worker.reads_model for worker in self._workers)
        others_help = self._cores_spare or reading
        # The reserved worker first, those that fit last.
        for worker in sorted(self._workers, key=lambda worker: (not worker.reserved, worker.fit is not None)):
            if worker.ready and worker.fit is None and not worker.reserved and self._fits:
                worker.fit = self._fits.popleft()
                request = Frame(
                    {
                        "op": worker.fit.op,
                        "folder": str(worker.fit.folder),
                        "settings": worker.fit.settings,
                    }
                )
                worker.send(worker.fit.identity, request, bulk=True)
            if worker.state != "idle":
                continue
            asked = worker.reserved or not reserved_ready or (others_help and worker.fit is None)
            units = self._schedule.take(
                interactive=asked, bulk=not worker.reserved and self._bulk_may_start()
            )
            if units:
                worker.units, worker.request, worker.state = units, next(self._identities), "busy"
                worker.send(worker.request, merge(units), bulk=not units[0].interactive)


def error_of(frame: Frame) -> ReexError:
    """The error a worker reported, as it was raised there."""
    told = frame.header["error"]
    kind = getattr(errors, told["type"], ReexError)
    return kind(told["message"], **told["metadata"])


def _failure(error: ReexError) -> Frame:
    return Frame(
        {"error": {"type": type(error).__name__, "message": error.message, "metadata": error.metadata}}
    )


def _settle(answered: asyncio.Future[Frame | None], frame: Frame | None) -> None:
    if not answered.done():  # whoever waited may have been cancelled
        answered.set_result(frame)


def _unheard(_: object) -> None:
    """Where the answers of a cancelled call go."""
