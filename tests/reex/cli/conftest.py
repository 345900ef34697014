"""`reexctl` against the stand-in daemon: in this process, or as a program of its own."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from reex.cli.main import run


@dataclass
class Ended:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Standard output as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def home(socket: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A REEX_HOME whose socket is the one that `daemon` serves. Nothing may be started in it."""
    home = socket.parent
    monkeypatch.setenv("REEX_HOME", str(home))
    monkeypatch.setenv("REEX_NO_START", "1")
    return home


@pytest.fixture
def socket() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rx-") as folder:
        yield Path(folder) / "reexd.sock"


@pytest.fixture
def held(home: Path, daemon: Any) -> Iterator[Any]:
    """The stand-in daemon, holding the home like a real one."""
    with (home / "reexd.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{os.getpid()}\n{home / 'reexd.sock'}\n")
        lock.flush()
        yield daemon


@pytest.fixture
def reexctl(held: Any, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run a command in this process."""

    def call(*arguments: object) -> Ended:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        seen = capsys.readouterr()
        return Ended(code, seen.out, seen.err)

    return call


# A test run that was started in the background ignores SIGINT, and children inherit that. It is not undone between fork
# and exec: gRPC, which serves in this process, starts its threads anew in a child that has forked and aborts it where
# their descriptors are closed already (grpc/grpc#43055). Without such code CPython takes vfork, of which gRPC does not
# hear.
_PROGRAM = (
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    " runpy.run_module('reex.cli', run_name='__main__', alter_sys=True)"
)


@pytest.fixture
def program(home: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Start `reexctl` as a program; the caller waits for it."""

    def start(*arguments: object, **popen: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", _PROGRAM, *map(str, arguments)]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        return subprocess.Popen(command, **{**streams, **popen})

    return start
