"""Folders of the exchange formats (.sdmkitmodel, .sdmdataset) on this side of the wire: read as parts, written whole.

Owns: links, names and atomic publication. Must not know what the files mean: the daemon checks that. What is read are
regular files of the format's names, opened below the folder's own descriptor; what is written is a new folder beside
its place, renamed when it is complete, and never over anything.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from reex.errors import Conflict, InvalidArgument

MODEL, DATASET = ".sdmkitmodel", ".sdmdataset"
_FILES = {
    MODEL: ("manifest.json", "weights.f32", "support.f32", "support.jsonl", "calibration.jsonl"),
    DATASET: ("manifest.json", "rows.jsonl", "embeddings.npy", "attributes.npy"),
}

Part = tuple[str, bytes]  # the name of a file, and some of its bytes


def is_dataset(source: object) -> bool:
    """Whether a source of documents is a path that ends in .sdmdataset."""
    return isinstance(source, str | os.PathLike) and Path(source).suffix == DATASET


def refuse_form(form: str | None) -> None:
    """Raises InvalidArgument for a format of lines that is asked of a .sdmdataset."""
    if form is not None:
        raise InvalidArgument(
            f"a {DATASET} is a format of its own, received the format {form!r} with it: leave that out, "
            "or give a file of lines"
        )


class PortableFolder:
    """A folder of a format, opened for reading. Use it as a context manager.

    Raises InvalidArgument for another ending, a link, and whatever it holds that is no regular file of the format.
    """

    def __init__(self, path: str | os.PathLike[str], suffix: str) -> None:
        self.path = checked(path, suffix)
        try:
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise InvalidArgument(
                f"expected a folder that is no link at {str(self.path)!r}, received: {error.strerror}"
            ) from None
        try:
            self.sizes = self._sizes(_FILES[suffix])
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> PortableFolder:
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._descriptor)

    @property
    def total_bytes(self) -> int:
        return sum(self.sizes.values())

    def parts(self, size_max_bytes: int) -> Iterator[Part]:
        """Each file in parts of at most so many bytes; an empty one is one part without bytes."""
        for name in self.sizes:
            with self._open(name) as stream:
                data = stream.read(size_max_bytes)
                yield name, data
                while data := stream.read(size_max_bytes):
                    yield name, data

    def _sizes(self, names: tuple[str, ...]) -> dict[str, int]:
        found = os.listdir(self._descriptor)  # noqa: PTH208 (of the descriptor, not of the path)
        sizes = {}
        for name in sorted(found):
            about = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
            if name not in names or not stat.S_ISREG(about.st_mode):
                raise InvalidArgument(
                    f"expected the regular files {', '.join(names)} in {str(self.path)!r}, received also {name!r}; "
                    "take it out"
                )
            sizes[name] = about.st_size
        if names[0] not in sizes:
            raise InvalidArgument(
                f"expected a {names[0]} in {str(self.path)!r}, received a folder without one"
            )
        return sizes

    def _open(self, name: str) -> BinaryIO:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.fdopen(os.open(name, flags, dir_fd=self._descriptor), "rb")


def checked(path: str | os.PathLike[str], suffix: str) -> Path:
    """The path, absolute, when its name has the ending."""
    found = Path(os.path.abspath(path))  # noqa: PTH100 (resolve() would follow links)
    if found.suffix != suffix:
        raise InvalidArgument(f"expected a path that ends in {suffix}, received {str(path)!r}")
    return found


def free(path: str | os.PathLike[str], suffix: str) -> Path:
    """The path of a folder to be written. Raises Conflict when something is there."""
    found = checked(path, suffix)
    if found.exists() or found.is_symlink():
        raise Conflict(
            f"{str(found)!r} exists, and exports never overwrite; move it away or choose another name"
        )
    return found


def publish(path: Path, parts: Iterable[Part]) -> Path:
    """A new folder at `path` (see `free`) from the parts of its files; it appears whole or not at all."""
    writing = NewFolder(path)
    try:
        for part in parts:
            writing.write(part)
        return writing.publish()
    finally:
        writing.discard()


class NewFolder:
    """A folder under construction beside its place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names = _FILES[path.suffix]
        path.parent.mkdir(parents=True, exist_ok=True)
        self._building = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))

    def write(self, part: Part) -> None:
        """Raises InvalidArgument for a name that is not the format's: nothing is written outside the folder."""
        name, data = part
        if name not in self._names:
            raise InvalidArgument(f"the daemon sent a file {name!r}; do client and daemon match in version?")
        with (self._building / name).open("ab") as stream:
            stream.write(data)

    def publish(self) -> Path:
        """On disk, then under its name. Raises Conflict when something came there meanwhile."""
        for file in self._building.iterdir():
            _sync(file)
        _sync(self._building)
        free(self._path, self._path.suffix)
        self._building.chmod(_mode_below(self._building))
        self._building.rename(self._path)
        _sync(self._path.parent)
        return self._path

    def discard(self) -> None:
        """Whatever was not published goes."""
        shutil.rmtree(self._building, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mode_below(folder: Path) -> int:
    """What a new folder may be used for. The umask cannot be read but by setting it, for all threads of the process."""
    probe = folder / "mode"
    probe.mkdir()
    mode = stat.S_IMODE(probe.stat().st_mode) & 0o777
    probe.rmdir()
    return mode
