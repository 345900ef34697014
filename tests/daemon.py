"""A real daemon for tests: `python -m reexd serve` as a process with a home of its own, and a client for it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from reex import Client, health
from reex.location import Location
from reex.types import Job, UploadResult

START_MAX_S = 60.0
STOP_MAX_S = 60.0
JOB_MAX_S = 240.0


class Daemon:
    """One home and the process that serves it. `start` and `stop` may alternate; leaving kills and removes."""

    def __init__(self, models: Path, *, arguments: Sequence[str] = (), **variables: str) -> None:
        """`variables` are settings of the daemon by their names without `REEX_`, in small letters."""
        # Not one of pytest's folders: a socket's path has room for about a hundred bytes.
        self.home = Path(tempfile.mkdtemp(prefix="rx-"))
        self.models = models
        self._arguments = [sys.executable, "-m", "reexd", "serve", *arguments]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("REEX_")}
        self.environ: Mapping[str, str] = {
            **kept,
            "REEX_HOME": str(self.home),
            "REEX_MODELS": str(models),
            "REEX_WORKERS": "1",
            **{f"REEX_{name.upper()}": str(value) for name, value in variables.items()},
        }
        self.location = Location.from_environment(self.environ)
        self.process: subprocess.Popen[bytes] | None = None
        self._client: Client | None = None

    def __enter__(self) -> Daemon:
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *exc: object) -> None:
        if self._client is not None:
            self._client.close()
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def target(self) -> str:
        return self.location.target

    @property
    def client(self) -> Client:
        """Another one after each start: a channel that saw the old daemon go waits before it tries again."""
        if self._client is None:
            self._client = self.connect()
        return self._client

    def connect(self, timeout: float = 60.0) -> Client:
        return Client(self.location.socket, timeout=timeout)

    def spawn(self) -> subprocess.Popen[bytes]:
        """One more process for this home, which is not waited for. Its standard error is a pipe."""
        return subprocess.Popen(
            self._arguments, env=dict(self.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def start(self) -> Daemon:
        if self._client is not None:
            self._client.close()
            self._client = None
        with (self.home / "stderr").open("ab") as stderr:
            self.process = subprocess.Popen(
                self._arguments, env=dict(self.environ), stdout=subprocess.DEVNULL, stderr=stderr
            )
        wait_for(self._serves, START_MAX_S, lambda: f"the daemon did not serve; it said: {self.said()}")
        return self

    def _serves(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the daemon ended with {self.process.returncode}: {self.said()}"
        return self.location.socket.exists() and health.serving(self.location.socket)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_MAX_S)

    def kill(self) -> None:
        """SIGKILL; its workers end by themselves when their pipe closes."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(STOP_MAX_S)

    def said(self) -> str:
        """The end of its standard error and of its log."""
        parts = [self.home / "stderr", self.location.logs / "reexd.log"]
        return "\n".join(part.read_text(errors="replace")[-4000:] for part in parts if part.exists())

    # What tests do all the time

    def upload(self, project: str, lines: Sequence[Mapping[str, object]], split: str) -> UploadResult:
        return self.client.upload(project, lines, split)

    def train(self, project: str, **settings: object) -> Job:
        """Train and wait; the ended job, which must have succeeded."""
        job = self.ended(self.client.train(project, **settings).name)
        assert job.state == "succeeded", f"{job.name}: {job.error}"
        return job

    def ended(self, name: str) -> Job:
        """The job once it has ended, whatever becomes of the daemon meanwhile: asked for, not watched."""
        found: list[Job] = []

        def over() -> bool:
            found[:] = [self.client.get_job(name)]
            return found[0].ended

        wait_for(over, JOB_MAX_S, lambda: f"{name} did not end: {found}")
        return found[0]

    def workers(self) -> list[int]:
        """Pids of the engine's live workers."""
        return [worker.pid for worker in self.client.status().engine.workers if worker.pid]


def wait_for(holds, most_s: float, otherwise=lambda: "") -> None:
    """Wait until `holds()`; a generous deadline, since the machine may be busy with other things."""
    deadline = time.monotonic() + most_s
    while not holds():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.02)


@contextlib.contextmanager
def sent(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that does not outlive its test."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
