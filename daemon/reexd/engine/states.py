"""Named arrays and plain facts in a folder: how large things pass between daemon and workers.

One `.npy` file per array, which readers may memory-map, and `facts.json`, written last: a folder without it
was not finished. Never pickle. Free of mlx.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np

from reexd.engine.tasks import State
from reexd.errors import StorageFull

_FACTS = "facts.json"
RESUME = "resume"  # where a fit finds the checkpoint it goes on from
START = "start"  # and, beside the pool, the weights that all shuffles begin with
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, None)  # NumPy says of some short writes only how short


def save(folder: Path, state: State) -> None:
    """Write a state into a new folder. Raises StorageFull, which leaves none."""
    try:
        folder.mkdir(mode=0o700, parents=True)
        for name, array in state.arrays.items():
            np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
        (folder / _FACTS).write_text(json.dumps(dict(state.facts)), encoding="utf-8")
    except OSError as error:
        if error.errno not in _FULL:
            raise
        shutil.rmtree(folder, ignore_errors=True)
        raise StorageFull(
            f"the disk of {folder.parent}, where files pass to the engine, is full; free some space and try again",
            path=folder.parent,
        ) from error


def complete(folder: Path) -> bool:
    """Whether `save` came to its end."""
    return (folder / _FACTS).is_file()


def sync(path: Path) -> None:
    """Wait until a file, or every file of a folder, is on disk."""
    for each in sorted(path.iterdir()) if path.is_dir() else [path]:
        with each.open("rb") as file:
            os.fsync(file.fileno())


def load(folder: Path, *, mapped: bool = False) -> State:
    """Read a state; `mapped` arrays are read-only views of the files."""
    facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    mode = "r" if mapped else None
    arrays = {
        path.stem: np.load(path, mmap_mode=mode, allow_pickle=False) for path in sorted(folder.glob("*.npy"))
    }
    return State(arrays, facts)
