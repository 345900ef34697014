"""Folders that hold one model or one dataset: read without trust, written whole or not at all.

Owns: links, sizes, digests, atomic publication. Must not know what the files mean.

A folder is held open by its descriptor and its files are opened beneath it by names this program chose, never by
names a manifest brought; so no link, `..` or absolute path leads anywhere else, and nothing can be swapped in between.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from reexd.errors import Conflict, InvalidInput

MANIFEST = "manifest.json"
_COPY_BYTES = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may hold before anything of it is believed; against bombs, not against data."""

    manifest_bytes_max: int = 64 << 20
    records_bytes_max: int = 2 << 30  # a .jsonl file
    line_bytes_max: int = 16 << 20
    matrix_bytes_max: int = 8 << 30


DEFAULT_LIMITS = Limits()


class Folder:
    """A folder opened for reading; use as a context manager. Raises InvalidInput when it is a link or none."""

    def __init__(self, path: Path, kind: str) -> None:
        self._kind = kind
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise InvalidInput(
                f"expected a {kind} folder that is no link at {str(path)!r}; received {error.strerror};"
                " give the path of the folder itself"
            ) from error

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def has(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def read(self, name: str, size_max: int) -> bytes:
        """The whole of a small file."""
        with self._open(name, size_max) as (stream, size):
            return self._exactly(stream, name, size)

    def floats(self, name: str, count: int, size_max: int, digest: str | None) -> np.ndarray:
        """A file of exactly `count` little-endian Float32, finite: (count,) float32."""
        return self.matrix(name, 0, count, size_max, digest)[1]

    def matrix(
        self, name: str, header: int, count: int, size_max: int, digest: str | None
    ) -> tuple[bytes, np.ndarray]:
        """The first `header` bytes of a file, and exactly `count` finite little-endian Float32 that follow."""
        with self._open(name, size_max) as (stream, size):
            if size != header + 4 * count:
                raise InvalidInput(
                    f"{name}: expected {header + 4 * count} bytes, as its manifest declares; received {size};"
                    " the file is cut off or belongs to another manifest"
                )
            head = self._exactly(stream, name, header)
            values = np.empty(count, "<f4")
            if stream.readinto(values.view(np.uint8)) != values.nbytes:
                raise InvalidInput(f"{name}: ended while it was read; copy the {self._kind} again")
        self._check_digest(name, digest, hashlib.sha256(head), values.view(np.uint8))
        if not np.isfinite(values).all():
            place = int(np.flatnonzero(~np.isfinite(values))[0])
            raise InvalidInput(
                f"{name}: expected finite numbers; received {values[place]} at element {place};"
                " write the file again without it"
            )
        return head, values.astype(np.float32, copy=False)

    def lines(self, name: str, limits: Limits, digest: str | None, count_max: int) -> list[bytes]:
        """The lines of a text file without their ends; at most `count_max` of them."""
        found: list[bytes] = []
        sha = hashlib.sha256()
        with self._open(name, limits.records_bytes_max) as (stream, _):
            while line := stream.readline(limits.line_bytes_max + 1):
                if len(line) > limits.line_bytes_max or len(found) == count_max:
                    raise InvalidInput(
                        f"{name}: expected at most {count_max} lines of at most {limits.line_bytes_max} bytes;"
                        f" line {len(found) + 1} is beyond that; the file does not belong to its manifest"
                    )
                sha.update(line)
                found.append(line.rstrip(b"\r\n"))
        self._check_digest(name, digest, sha)
        return found

    def start(self, name: str, size: int) -> bytes:
        """At most the first `size` bytes of a file of any length."""
        with self._open(name, 1 << 62) as (stream, _):
            return stream.read(size)

    @contextmanager
    def _open(self, name: str, size_max: int) -> Iterator[tuple[BinaryIO, int]]:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, dir_fd=self._descriptor)
        except OSError as error:
            raise InvalidInput(
                f"expected the {self._kind} to hold {name} as a regular file, not a link; received"
                f" {error.strerror}; copy the {self._kind} with the files that links point to"
            ) from error
        with os.fdopen(descriptor, "rb") as stream:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise InvalidInput(
                    f"{name}: expected a regular file; received another kind; copy the {self._kind} again"
                )
            if found.st_size > size_max:
                raise InvalidInput(
                    f"{name}: expected at most {size_max} bytes; received {found.st_size};"
                    f" a {self._kind} of this size is not read"
                )
            yield stream, found.st_size

    def _exactly(self, stream: BinaryIO, name: str, size: int) -> bytes:
        read = stream.read(size)
        if len(read) != size:
            raise InvalidInput(f"{name}: ended while it was read; copy the {self._kind} again")
        return read

    def _check_digest(
        self, name: str, expected: str | None, sha: hashlib._Hash, rest: np.ndarray | bytes = b""
    ) -> None:
        sha.update(rest)
        if expected is not None and sha.hexdigest() != expected:
            raise InvalidInput(
                f"{name}: expected SHA-256 {expected}, as the manifest says; received {sha.hexdigest()};"
                f" the file was changed or damaged; copy the {self._kind} again"
            )


def checked_digest(value: object, name: str) -> str:
    """A lower-case hex SHA-256 out of a manifest."""
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise InvalidInput(
            f"the manifest's checksum of {name}: expected 64 lower-case hex digits; received {value!r};"
            " export the folder again"
        )
    return value


class NewFolder:
    """A folder under construction; see `published`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.digests: dict[str, str] = {}  # name -> hex SHA-256, in the order written

    def write(self, name: str, parts: Iterator[bytes | memoryview]) -> None:
        """One file from its parts, on disk when this returns."""
        sha = hashlib.sha256()
        with (self._path / name).open("xb") as stream:
            for part in parts:
                stream.write(part)
                sha.update(part)
            stream.flush()
            os.fsync(stream.fileno())
        self.digests[name] = sha.hexdigest()


@contextmanager
def published(path: Path, suffix: str) -> Iterator[NewFolder]:
    """A new folder beside `path`, renamed to it when the block ends well and removed when it does not.

    Raises InvalidInput for a name without `suffix`, Conflict when something stands at `path`.
    """
    if path.suffix != suffix:
        raise InvalidInput(f"expected a path that ends in {suffix}; received {str(path)!r}; add the ending")
    if path.exists() or path.is_symlink():
        raise Conflict(
            f"{str(path)!r} exists and exports never overwrite; move it away or choose another name"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield NewFolder(building)
        _sync(building)
        building.chmod(0o755 & _mode_below(building))
        building.rename(path)
        _sync(path.parent)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def float_bytes(values: np.ndarray) -> Iterator[memoryview]:
    """Little-endian Float32 bytes of an array, in parts. Raises InvalidInput when one is not finite."""
    flat = np.ascontiguousarray(values, dtype="<f4").reshape(-1)
    if not np.isfinite(flat).all():
        raise InvalidInput(
            "expected finite numbers to export; received others; the classifier is damaged, train again"
        )
    raw = memoryview(flat.view(np.uint8))
    for start in range(0, len(raw), _COPY_BYTES):
        yield raw[start : start + _COPY_BYTES]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mode_below(folder: Path) -> int:
    """What a new folder may be used for; mkdtemp lets nobody else in, a published folder should not stay so.

    The umask cannot be read but by setting it, for every thread of the process.
    """
    probe = folder / "mode"
    probe.mkdir()
    mode = stat.S_IMODE(probe.stat().st_mode)
    probe.rmdir()
    return mode
