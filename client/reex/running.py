"""Which process holds a home. Owns the reading of the lock file the daemon writes; starts nothing.

The lock tells the truth where a pid alone cannot: it is gone the moment its process is, and no other process
can be mistaken for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from reex.errors import DeadlineExceeded, PermissionDenied
from reex.location import Location


@dataclass(frozen=True, slots=True)
class Running:
    """A daemon that holds the home. `pid` is 0 in the instant before it has written its own."""

    pid: int
    socket: Path  # where it listens, which another runtime folder than ours may have decided


def running(location: Location) -> Running | None:
    """The daemon of this home, healthy or not; None when there is none.

    Raises PermissionDenied where the home is closed to this user, who then cannot know.
    """
    try:
        descriptor = os.open(location.lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except PermissionError as error:
        raise PermissionDenied(
            f"expected to read {location.lock}, got: {error.strerror}. The home of another user is closed to this one;"
            " choose one of your own with REEX_HOME, or repair its permissions."
        ) from error
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, _, socket = os.pread(descriptor, 4096, 0).decode("utf-8", "replace").partition("\n")
        return Running(int(pid) if pid.isdigit() else 0, Path(socket.strip() or location.socket))
    finally:
        os.close(descriptor)
    return None


def terminate(location: Location, timeout_s: float) -> bool:
    """Ask the holder to end (SIGTERM) and wait until the home is free; False when nothing held it.

    Raises DeadlineExceeded when it still runs after `timeout_s`.
    """
    holder = running(location)
    if holder is None:
        return False
    if holder.pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(holder.pid, signal.SIGTERM)
    wait_until_free(location, timeout_s)
    return True


def wait_until_free(location: Location, timeout_s: float) -> None:
    """Raises DeadlineExceeded when a daemon still holds the home after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while (holder := running(location)) is not None:
        if time.monotonic() > deadline:
            raise DeadlineExceeded(
                f"expected the daemon (pid {holder.pid}) to end within {timeout_s:.0f} s, it still runs. "
                f"Wait for its jobs, or end it: kill -9 {holder.pid}"
            )
        time.sleep(0.05)
