"""A private daemon for a bench: a home of its own, started as a child of this process, stopped or killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from reex import Client
from reex.health import serving
from reex.location import Location
from reex.types import Job

START_MAX_S = 60.0
STOP_MAX_S = 60.0
LOG_LINES = 8
ROOT = Path(__file__).resolve().parent.parent


class BenchFailed(Exception):
    """Something a bench rests on did not work; the message says what."""


def models_folder() -> Path:
    return Path(os.environ.get("REEX_MODELS") or ROOT / ".cache" / "models").absolute()


def installed(names: Sequence[str]) -> list[str]:
    """Those of some language models that are there. Raises BenchFailed when none is."""
    found = [name for name in names if (models_folder() / name).is_dir()]
    if not found:
        raise BenchFailed(f"none of {', '.join(names)} is below {models_folder()}; pull one")
    return found


class Daemon:
    """`with Daemon() as daemon`: serving on entry; stopped, and its home deleted, on exit."""

    def __init__(self, home: Path | None = None, **settings: object) -> None:
        """`settings` of the daemon, by their names."""
        self._owned = home is None
        self.home = home or Path(tempfile.mkdtemp(prefix="reex-bench-"))
        self.home.chmod(0o700)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("REEX_")}
        own = {"REEX_HOME": str(self.home), "REEX_MODELS": str(models_folder())}
        own |= {f"REEX_{name.upper()}": str(value) for name, value in settings.items()}
        self.environment = kept | own
        self.location = Location.from_environment(self.environment)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Daemon:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.kill()
        if error is not None and self.location.logs.is_dir():
            print("".join(f"  log: {line}\n" for line in self._log_tail()), end="", file=sys.stderr)
        if self._owned:
            shutil.rmtree(self.home, ignore_errors=True)

    def _log_tail(self) -> list[str]:
        """The end of the daemon's log, before it is deleted with its home."""
        log = self.location.logs / "reexd.log"
        return log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.is_file() else []

    @property
    def pid(self) -> int:
        if self._process is None:
            raise BenchFailed("the bench's daemon does not run")
        return self._process.pid

    def start(self) -> float:
        """Seconds from the start of the process until it serves."""
        begun = time.perf_counter()
        with (self.home / "stderr").open("ab") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "reexd", "serve"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                start_new_session=True,  # Ctrl-C is the bench's to handle
            )
        while not (self.location.socket.exists() and serving(self.location.socket)):
            if self._process.poll() is not None or time.perf_counter() - begun > START_MAX_S:
                said = (self.home / "stderr").read_text(errors="replace")[-2000:]
                raise BenchFailed(f"the daemon does not serve: {said or 'it printed nothing'}")
            time.sleep(0.01)
        return time.perf_counter() - begun

    def stop(self) -> None:
        """SIGTERM, and wait until the store is closed."""
        assert self._process is not None
        self._process.terminate()
        code = self._process.wait(STOP_MAX_S)
        self._process = None
        if code:
            raise BenchFailed(f"the daemon ended with exit code {code}")

    def kill(self) -> None:
        """SIGKILL of the daemon alone; its workers must end by themselves."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(STOP_MAX_S)
        self._process = None

    def client(self, timeout: float = 60.0) -> Client:
        return Client(self.location.socket, timeout=timeout)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`reexctl` with these arguments, as a person runs it."""
        return subprocess.run(
            [sys.executable, "-m", "reex.cli", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    def reexctl(self, *arguments: str) -> Any:
        """As `run`, with --json; its one answer. A failure ends the bench."""
        done = self.run(*arguments, "--json")
        if done.returncode:
            raise BenchFailed(f"reexctl {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
        return json.loads(done.stdout.splitlines()[-1])


def ended(client: Client, name: str) -> Job:
    """The job once it has succeeded; asked for, so that it may be one that another daemon began."""
    while not (job := client.get_job(name)).ended:
        time.sleep(0.05)
    return job


def succeeded(job: Job) -> Job:
    if job.state != "succeeded":
        raise BenchFailed(f"{job.name} is {job.state}: {job.error}")
    return job
