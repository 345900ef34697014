"""Starting, stopping and finding the daemon of a home. Owns the choice: through the service when one is installed.

Whether a daemon is healthy is asked of a `probe` that the caller brings; gRPC is not known here.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reex import running as holders
from reex.errors import DaemonDown, ReexError
from reex.folders import private_folder
from reex.location import Location
from reex.service import installed_service, program_of_this_environment

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 35.0

# Paths that a daemon started here must read as this process does, whatever its working folder.
_PATH_VARIABLES = ("REEX_HOME", "REEX_MODELS")

STANDARD_ERROR_MAX_BYTES = 1 << 20
TAIL_BYTES = 2000

Probe = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    """Who holds the home. `socket` is where that daemon listens, else where one would."""

    running: bool
    pid: int  # 0 when none runs
    socket: Path
    service: str  # name of the installed service, or empty


def status(location: Location, *, environ: Mapping[str, str] | None = None) -> DaemonStatus:
    """The daemon of this home, whoever started it."""
    holder = holders.running(location)
    service = installed_service(location, environ=environ)
    return DaemonStatus(
        running=holder is not None,
        pid=holder.pid if holder else 0,
        socket=holder.socket if holder else location.socket,
        service=service.name if service else "",
    )


def start(
    location: Location,
    timeout_s: float = START_TIMEOUT_S,
    *,
    probe: Probe,
    environ: Mapping[str, str] | None = None,
) -> DaemonStatus:
    """Make sure that a healthy daemon runs, and return who it is.

    One that runs is waited for, until it answers or is gone; where none runs the installed service is started, or
    `reexd serve` is spawned, detached.
    Raises DaemonDown when none is healthy after `timeout_s`, with what it printed; FailedPrecondition when the
    service cannot be started; InvalidSetting for a home that cannot be trusted.
    """
    deadline = time.monotonic() + timeout_s
    service = installed_service(location, environ=environ)
    ours = _Spawned(location, os.environ if environ is None else environ)
    asked = False  # the service, since a daemon was last seen
    pause = 0.02
    while (holder := holders.running(location)) is None or not _healthy(probe):
        # One that is stopping holds the home for a while: whoever waits for it begins when it has gone.
        if holder is not None:
            asked = False
            ours.meets(holder)
        elif service is None:
            ours.begin_or_raise()
        elif not asked:
            service.start()
            asked = True
        if time.monotonic() > deadline:
            where = f"service {service.name}" if service else "daemon"
            raise DaemonDown(
                f"expected the {where} to be healthy within {timeout_s:.0f} s, it is not. "
                f"Its log: {location.logs}. {ours.last_words()}".strip()
            )
        time.sleep(pause)
        pause = min(0.2, pause * 1.5)
    return status(location, environ=environ)


class _Spawned:
    """The daemon that one `start` spawns, and spawns again when it lost the home to one that has gone since."""

    def __init__(self, location: Location, environ: Mapping[str, str]) -> None:
        self._location = location
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None
        self._printed_from = 0
        self._lost = False

    def meets(self, holder: holders.Running) -> None:
        """Another daemon has the home while ours begins; then that one is the one to wait for."""
        if self._process is not None and holder.pid not in (0, self._process.pid):
            self._lost = True

    def begin_or_raise(self) -> None:
        """Nothing has the home: spawn, unless ours is still on its way. Raises DaemonDown when it ended by itself."""
        if self._process is not None:
            code = self._process.poll()
            if code is None or holders.running(self._location) is not None:
                return
            if not self._lost:
                raise DaemonDown(
                    f"the daemon ended at once (exit code {code}): "
                    f"{self.last_words().rstrip('.') or 'it printed nothing'}. Try it in the foreground: reexd serve",
                )
        self._lost = False
        self._printed_from, self._process = _spawn(self._location, self._environ)

    def last_words(self) -> str:
        return _tail(self._location, self._printed_from)


def stop(
    location: Location, timeout_s: float = STOP_TIMEOUT_S, *, environ: Mapping[str, str] | None = None
) -> bool:
    """End the daemon of this home and wait until it is gone; False when none ran.

    Raises DeadlineExceeded when it does not end, FailedPrecondition when the service cannot be stopped.
    """
    service = installed_service(location, environ=environ)
    if service is not None:
        holder, supervised = holders.running(location), service.status().pid
        service.stop()
        if holder is not None and holder.pid == supervised:  # asked already; a second signal would hurry it
            holders.wait_until_free(location, timeout_s)
            return True
    return holders.terminate(location, timeout_s)


def _spawn(location: Location, environ: Mapping[str, str]) -> tuple[int, subprocess.Popen[bytes]]:
    """Start the daemon in a session of its own; also tells where in its error file it begins to print."""
    for folder in (location.data, location.logs):
        private_folder(folder)
    kept = {
        name: str(Path(environ[name]).expanduser().absolute())
        for name in _PATH_VARIABLES
        if environ.get(name)
    }
    descriptor = os.open(
        location.standard_error, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
    )
    with os.fdopen(descriptor, "ab") as errors:
        if errors.tell() > STANDARD_ERROR_MAX_BYTES:
            errors.truncate(0)
        begin = os.fstat(errors.fileno()).st_size
        process = subprocess.Popen(
            program_of_this_environment(),
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            cwd="/",
            env={**environ, **kept, **dict(location.variables)},
            start_new_session=True,
        )
    return begin, process


def _healthy(probe: Probe) -> bool:
    try:
        return probe()
    except (ReexError, OSError):
        return False


def _tail(location: Location, begin: int) -> str:
    """The last lines the daemon printed since `begin`, on one line."""
    try:
        with location.standard_error.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(begin, size - TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return " | ".join(line.strip() for line in lines[-5:] if line.strip())
