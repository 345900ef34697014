"""Staging: folders of the exchange formats on their way through the daemon, as parts of files in a private folder.

Owns: which files may come, how much, and that nothing stays behind. Must not know what is in them. A part names a file
of the format and nothing else, so that no client's path, link or `..` ever reaches the disk.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
import uuid
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reexd.errors import Exhausted, InvalidInput, StorageFull

PART_SIZE_BYTES = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, None)  # NumPy says of some short writes only how short


@dataclass(frozen=True)
class Room:
    """Where folders are put together, and how large one that comes in may be."""

    scratch: Path
    size_max_bytes: int


class Stage:
    """A private folder with room for one of the format's at `path`; gone when closed, or with the last reference."""

    def __init__(self, room: Room, suffix: str) -> None:
        folder = room.scratch / "exchange" / uuid.uuid4().hex
        folder.mkdir(mode=0o700, parents=True)
        self.path = folder / f"content{suffix}"
        self._finalizer = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    def close(self) -> None:
        self._finalizer()

    def fill(self, write: Callable[[Path], object]) -> None:
        """`write` the folder to be sent, at the path that it is given. Raises StorageFull, and keeps nothing."""
        told = f"the disk of {self.path.parent.parent} is full; free some space and export again"
        try:
            with _told_when_full(told):
                write(self.path)
        except BaseException:
            self.close()
            raise

    def parts(self) -> Iterator[tuple[str, bytes]]:
        """(name, bytes) of every file, each in order; an empty file is one part without bytes."""
        for file in sorted(self.path.iterdir()):
            with file.open("rb") as stream:
                data = stream.read(PART_SIZE_BYTES)
                yield file.name, data
                while data := stream.read(PART_SIZE_BYTES):
                    yield file.name, data


class Arriving(Stage):
    """A folder that a client sends."""

    def __init__(self, room: Room, suffix: str, names: Sequence[str]) -> None:
        super().__init__(room, suffix)
        self.path.mkdir(mode=0o700)
        self._names = names
        self._left_bytes = self._size_max_bytes = room.size_max_bytes
        self._current = ""

    def write(self, name: str, data: bytes) -> None:
        """Append to the file under way, or begin another.

        Raises InvalidInput for a name that is not the format's or comes again, Exhausted beyond the limit (before
        anything beyond it is written), StorageFull.
        """
        if name not in self._names:
            raise InvalidInput(
                f"expected the files {', '.join(self._names)} and no other; received {name!r:.80}; take what else"
                " is in the folder out of it"
            )
        if name != self._current and (self.path / name).exists():
            raise InvalidInput(
                f"expected each file once and in one piece; received {name} again; send it anew"
            )
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            raise Exhausted(
                f"expected at most {self._size_max_bytes:,} bytes; more were sent; if it is meant to be this large,"
                " raise the daemon's setting exchange_size_max_bytes",
                limit=self._size_max_bytes,
            )
        self._current = name
        told = "the disk is full, nothing was imported; free some space and send it again"
        with _told_when_full(told), (self.path / name).open("ab") as stream:
            stream.write(data)


@contextlib.contextmanager
def _told_when_full(told: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise StorageFull(told) from error
