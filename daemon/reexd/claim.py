"""One daemon per home: the lock, the socket's folder, and the socket's modes. Knows nothing of gRPC.

A second gRPC server that binds a live Unix socket *succeeds*, takes the new clients, and unlinks the
survivor's socket when it stops, without an error anywhere. So the lock comes first, and a socket is removed
only while it is still the one we bound.

    with claim(location) as held:            # DaemonRunning when another daemon has this home
        with held.binding():                 # umask 0177; a stale socket file is gone
            server.add_insecure_port(held.target)
        ...                                  # serve
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from reex.location import Location

from reexd.errors import DaemonRunning, InvalidSetting
from reexd.paths import private_folder

# `reexctl` takes the lock for an instant to learn whether a daemon runs, and a daemon that was told to stop
# needs a moment to let go. Neither is "another daemon".
LOCK_PATIENCE_S = 0.5


def claim(location: Location) -> Claim:
    """Take the home for this process.

    Raises DaemonRunning (with `pid` in its metadata) or InvalidSetting for a folder that cannot be trusted.
    """
    private_folder(location.data)
    descriptor = _open_lock(location.lock)
    try:
        _lock(descriptor, location)
        if location.socket.parent != location.data:
            private_folder(location.socket.parent)  # not before: who let go of the lock removed it
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n{location.socket}\n".encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return Claim(location=location, _descriptor=descriptor)


@dataclass(slots=True)
class Claim:
    """A home held by this process until `release` or its end, however it ends."""

    location: Location
    _descriptor: int
    _bound: tuple[int, int] | None = field(default=None)  # device and inode of our socket

    @property
    def target(self) -> str:
        return self.location.target

    @contextlib.contextmanager
    def binding(self, *, again: bool = False) -> Iterator[Path]:
        """Bind the socket inside. The umask belongs to the whole process: create nothing else here.

        `again`: other threads do by now. The umask is left alone, and the folder alone keeps others out for an instant.
        Raises InvalidSetting when something else stands in the way, or nothing private was bound.
        """
        path = self.location.socket
        if again and path.parent != self.location.data:
            private_folder(path.parent)
        _remove_stale(path)
        if again:
            yield path
            path.chmod(0o600)
        else:
            before = os.umask(0o177)
            try:
                yield path
            finally:
                os.umask(before)
        self._bound = _verify(path)

    def has_home(self) -> bool:
        """Whether the lock file is still the one that was locked; where it is another, so may the daemon be."""
        found = os.fstat(self._descriptor)
        return _identity(self.location.lock) == (found.st_dev, found.st_ino)

    def still_ours(self) -> bool:
        """Whether the socket's path still leads to the socket that was bound."""
        return self._bound is not None and _identity(self.location.socket) == self._bound

    def release(self) -> None:
        """Remove our socket, if it is still ours, and let go of the lock. Twice does no harm."""
        if self._descriptor < 0:
            return
        if self.still_ours():
            self.location.socket.unlink(missing_ok=True)
        self._bound = None
        if self.location.socket.parent != self.location.data:
            # Our own folder below the runtime folder; the next start makes it again.
            with contextlib.suppress(OSError):
                self.location.socket.parent.rmdir()
        # The file stays: were it removed, a third process could lock a new one while a second waits on this.
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
        self._descriptor = -1

    def __enter__(self) -> Claim:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _open_lock(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        received = "a link" if error.errno == errno.ELOOP else error.strerror
        raise InvalidSetting(
            f"expected to open the lock file {path}, got: {received}. Remove it or choose another REEX_HOME.",
            path=path,
        ) from error
    os.fchmod(descriptor, 0o600)
    return descriptor


def _lock(descriptor: int, location: Location) -> None:
    deadline = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.02)
                continue
        except OSError as error:
            raise InvalidSetting(
                f"expected a file system that can lock {location.lock}, got: {error.strerror}. "
                "Put REEX_HOME on a local disk.",
                path=location.lock,
            ) from error
        pid = os.pread(descriptor, 64, 0).split(b"\n")[0].decode("ascii", "replace") or "unknown"
        raise DaemonRunning(
            f"already running, pid {pid}: a daemon holds {location.data}. "
            "Use it, stop it with `reexctl daemon stop`, or set another REEX_HOME.",
            pid=pid,
        )


def _remove_stale(path: Path) -> None:
    """A socket that a killed daemon left. Nobody serves it: we hold the lock of the only home it has."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.getuid():
        raise InvalidSetting(
            f"expected no file or an old socket of ours at {path}, got something else. Move it away.",
            path=path,
        )
    path.unlink()


def _verify(path: Path) -> tuple[int, int]:
    try:
        found = path.lstat()
    except FileNotFoundError:
        raise InvalidSetting(f"expected a socket bound at {path}, got nothing there.", path=path) from None
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISSOCK(found.st_mode) or mode != 0o600 or found.st_uid != os.getuid():
        raise InvalidSetting(f"expected our socket with mode 0600 at {path}, got mode {mode:04o}.", path=path)
    return found.st_dev, found.st_ino


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
