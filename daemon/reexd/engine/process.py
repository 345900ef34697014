"""One worker process as the daemon sees it: its socket, its state, what it is busy with.

Owns starting, reading and reaping; decides nothing about what a worker should do (see `pool`). Everything
here runs on the engine's event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

from reexd.engine import frames
from reexd.engine.frames import Frame, FrameError
from reexd.engine.schedule import Unit
from reexd.engine.tasks import EngineSettings

logger = logging.getLogger(__name__)

_BULK_NICENESS = 10  # so that the system runs an interactive worker first
INTERACTIVE_THREADS = 2  # a fifth less time for a question on two cores; more do not help so few rows

# One thread for every OpenBLAS in a worker, NumPy's own among them; `blas.load` gives the language model's more.
# Idle threads sleep at once instead of spinning.
BLAS_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OPENBLAS_THREAD_TIMEOUT": "14"}


def worker_settings(settings: EngineSettings, *, interactive: bool, niced: bool = False) -> dict:
    """What `worker.prepare` takes. One process per core scales better than two threads in one, so bulk workers have
    a single thread; whoever waits for an answer has both cores."""
    return {
        "openblas": settings.openblas,
        "blas_threads": min(INTERACTIVE_THREADS, os.cpu_count() or 1) if interactive else 1,
        "cache_max_bytes": settings.cache_max_bytes,
        "niceness": _BULK_NICENESS if niced else 0,
    }


@dataclass(slots=True, eq=False)
class FitRun:
    """A shuffle or a tuning on its way through a worker. `tell` takes each event; `error` in a header ends the run."""

    group: object
    folder: Path
    settings: dict
    tell: Callable[[Frame], None]
    identity: int = 0
    op: str = "fit"  # fit | tune


@dataclass(slots=True, eq=False)
class WorkerProcess:
    """A slot of the pool, and the process that fills it at present."""

    slot: int
    reserved: bool  # kept for interactive work
    niced: bool
    threads: Executor  # where starting and reaping may block
    state: str = "starting"  # starting | idle | busy | stopped
    restarts: int = 0
    failures: int = 0  # starts in a row that did not become ready
    memory_bytes: int = 0
    units: list[Unit] = field(default_factory=list)  # in flight, merged into one request
    request: int = 0  # its identity
    fit: FitRun | None = None
    exit_reason: str = ""
    _process: subprocess.Popen | None = None
    _reader: asyncio.StreamReader | None = None
    _writer: asyncio.StreamWriter | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    @property
    def ready(self) -> bool:
        return self.state in ("idle", "busy")

    @property
    def reads_model(self) -> bool:
        """Whether it reads a model's weights, which takes as long as the disk does."""
        return bool(self.units) and self.units[0].header["op"] == "open"

    async def start(self, settings: EngineSettings) -> Frame | None:
        """Start the process and wait for its first frame; None when it ended before, or could not be started."""
        self._process = self._reader = self._writer = None
        try:
            await self._spawn(worker_settings(settings, interactive=self.reserved, niced=self.niced))
        except OSError as error:  # too many files open, no memory for another process
            self.exit_reason = f"could not be started: {error}"
            return None
        try:
            hello = await asyncio.wait_for(self.read(), settings.start_timeout_s)
        except TimeoutError:
            hello = None
        if hello is not None:
            self.state, self.failures = "idle", 0
            self.memory_bytes = hello.header["memory"]
        return hello

    async def _spawn(self, given: dict) -> None:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                # -P: the current folder is no place to import from. A session of its own: Ctrl-C in the terminal
                # of `reexd serve` is the daemon's to handle; the worker ends with the socket.
                self._process = await self._apart(
                    subprocess.Popen,
                    [
                        sys.executable,
                        "-P",
                        "-m",
                        "reexd.engine.worker",
                        str(theirs.fileno()),
                        json.dumps(given),
                    ],
                    pass_fds=[theirs.fileno()],
                    env={**os.environ, **BLAS_ENVIRONMENT},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                )
            self._reader, self._writer = await asyncio.open_connection(sock=ours)
        except BaseException:
            ours.close()
            raise

    async def _apart(self, function: Callable, *args, **named):
        """In a thread that no step holds: all of the steps' may wait for a worker that is to be started again."""
        work = functools.partial(function, *args, **named)
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)

    def send(self, identity: int, frame: Frame, *, bulk: bool) -> None:
        assert self._writer is not None
        self._writer.writelines(frames.pack({**frame.header, "id": identity, "bulk": bulk}, frame.arrays))

    async def read(self) -> Frame | None:
        """The next frame; None once the process has ended or talks nonsense."""
        assert self._reader is not None
        try:
            return await frames.read(self._reader)
        except (FrameError, ValueError) as error:
            logger.error("engine worker %d sent no frame: %s", self.pid, error)
            return None

    async def end(self, grace_s: float = 0.0) -> None:
        """Close the socket, which ends a healthy worker; kill one that stays. Fills `exit_reason`."""
        self.state = "stopped"
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()
        process = self._process
        if process is None:
            return
        try:
            code = await self._apart(process.wait, grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
            code = await self._apart(process.wait)
        self.exit_reason = f"exit code {code}" if code >= 0 else _signal_name(-code)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
