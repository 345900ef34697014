"""What the two supervisors have in common: a definition file, and a command that is told about it.

Templates come from the folder `launchd`: beside this package in a wheel, at the top of a checkout.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reex.errors import FailedPrecondition
from reex.location import Location
from reex.running import terminate

COMMAND_TIMEOUT_S = 60.0
COMMAND_MISSING = 127
STOP_TIMEOUT_S = 35.0  # ExitTimeOut and TimeoutStopSec, and a little

Runner = Callable[[Sequence[str]], subprocess.CompletedProcess[str]]


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """What the supervisor says. `program` is what the definition file starts, for a check that executes it."""

    name: str
    installed: bool
    active: bool
    pid: int  # 0 when it does not run
    file: Path
    program: tuple[str, ...]


def run_command(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run launchctl or systemctl from PATH. Raises FailedPrecondition when it is not there or does not end."""
    try:
        return subprocess.run(
            list(command), capture_output=True, text=True, check=False, timeout=COMMAND_TIMEOUT_S
        )
    except FileNotFoundError:
        raise FailedPrecondition(
            f"expected {command[0]} on PATH, found none. Use `reexctl daemon start` instead of a service."
        ) from None
    except subprocess.TimeoutExpired:
        raise FailedPrecondition(
            f"expected `{' '.join(command)}` to end within {COMMAND_TIMEOUT_S:.0f} s. Run it by hand."
        ) from None


class Service(ABC):
    """One definition file and the supervisor that reads it. Two homes have two services."""

    def __init__(
        self, location: Location, environ: Mapping[str, str], program: tuple[str, ...], run: Runner
    ) -> None:
        self.location = location
        self.program = program
        self._home = Path(environ.get("HOME") or Path.home())
        self._run = run

    name: str
    file: Path

    @abstractmethod
    def render(self) -> str:
        """The definition file's text."""

    @abstractmethod
    def install(self) -> None:
        """Write the definition, load it and start it, in place of whatever runs for this home.

        Raises FailedPrecondition when the supervisor refuses; what was installed before is put back then, and of a
        first installation nothing is left behind.
        """

    @abstractmethod
    def uninstall(self) -> bool:
        """Stop it and remove every trace; False when it was not installed.

        Raises FailedPrecondition when the supervisor refused, once all that can be removed without it is.
        """

    @abstractmethod
    def start(self) -> None:
        """Start the installed service; no harm when it runs. Raises FailedPrecondition."""

    @abstractmethod
    def stop(self) -> None:
        """Ask the installed service to end; it starts again at the next login. Raises FailedPrecondition."""

    @abstractmethod
    def status(self) -> ServiceStatus:
        """What the supervisor knows."""

    def installed(self) -> bool:
        return self.file.is_file()

    def _free_the_home(self) -> None:
        """End a daemon that was spawned on demand, which would keep the supervised one from starting."""
        terminate(self.location, STOP_TIMEOUT_S)

    def _try(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command that may fail, its program's absence included."""
        try:
            return self._run(command)
        except FailedPrecondition as error:
            return subprocess.CompletedProcess(command, COMMAND_MISSING, "", error.message)

    def _must(self, *command: str) -> None:
        done = self._run(command)
        if done.returncode:
            raise FailedPrecondition(f"{_refusal(done)}. {self._hint(_said(done))}")

    def _report(self, *refused: subprocess.CompletedProcess[str]) -> None:
        """Raises FailedPrecondition for what the supervisor did not do while the service was removed."""
        failures = [_refusal(done).rstrip(".") for done in refused if done.returncode]
        if failures:
            raise FailedPrecondition(
                f"removed {self.file}, but {'; '.join(failures)}. What the service had started may still run; "
                "end it: reexctl daemon stop"
            )

    @abstractmethod
    def _hint(self, said: str) -> str:
        """The next step after a refusal of the supervisor."""

    def _definition(self) -> str | None:
        """What is installed now."""
        try:
            return self.file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def _write(self, text: str) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(0o644)  # launchd refuses what others may write
        fresh.replace(self.file)

    def _remove(self, *folders: Path) -> None:
        """The definition, and those of `folders` that are empty without it."""
        self.file.unlink(missing_ok=True)
        for folder in folders:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stderr or done.stdout or "").strip() or f"exit code {done.returncode}"


def _refusal(done: subprocess.CompletedProcess[str]) -> str:
    return f"`{' '.join(done.args)}` failed: {_said(done)}"


def template(name: str) -> str:
    """A file of the folder `launchd`. Raises FailedPrecondition when the installation lacks it."""
    here = Path(__file__).resolve().parent
    for folder in (here / "launchd", here.parents[1] / "launchd"):
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8")
    raise FailedPrecondition(f"expected the template {name} beside the package. Install reex again.")
