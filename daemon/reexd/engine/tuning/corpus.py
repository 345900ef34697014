"""The files of one tuning: the windows of its documents, and what the frozen lower layers make of them.

Owns their names and layout. On disk and memory-mapped: a corpus is bounded by it, not by memory. Free of mlx.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reexd.engine import states
from reexd.engine.tasks import State
from reexd.engine.tokens import Window
from reexd.errors import StorageFull

WINDOWS, RESULT = "windows", "result"  # states in the folder; the first is there once it is complete
_STATES, _FILLED = "states.npy", "filled.json"
_LEFT_BYTES = 256 << 20  # that stay free for checkpoints and everything else
_FLOAT32_MAX_BYTES = 2 << 30  # above it the lower layers' outputs are kept in half precision


def write_windows(folder: Path, windows: Sequence[Window], labels: np.ndarray, keep: State) -> None:
    """Lay out the windows of n documents, in their order, with labels (n,), and what the caller wants kept."""
    lengths = np.array([len(window.ids) for window in windows], np.int64)
    counts = np.bincount([window.text for window in windows], minlength=len(labels)).astype(np.int64)
    arrays = {
        "ids": np.concatenate([window.ids for window in windows]),
        "offsets": np.concatenate([[0], np.cumsum(lengths)]),
        "begin": np.array([window.begin for window in windows], np.int64),
        "end": np.array([window.end for window in windows], np.int64),
        "context": np.array([window.context for window in windows], np.int64),
        "firsts": np.concatenate([[0], np.cumsum(counts)[:-1]]),
        "counts": counts,
        "labels": labels.astype(np.int64),
        **{f"kept_{name}": array for name, array in keep.arrays.items()},
    }
    states.save(folder / WINDOWS, State(arrays, keep.facts))


def kept(folder: Path) -> State | None:
    """What `write_windows` was given to keep; None when it did not come to its end."""
    if not states.complete(folder / WINDOWS):
        return None
    state = states.load(folder / WINDOWS)
    prefix = "kept_"
    found = {
        name.removeprefix(prefix): state.arrays[name] for name in state.arrays if name.startswith(prefix)
    }
    return State(found, state.facts)


def windows(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of `write_windows`, memory-mapped."""
    return dict(states.load(folder / WINDOWS, mapped=True).arrays)


def create_states(folder: Path, tokens: int, width: int) -> None:
    """Make the file of the lower layers' outputs, (tokens, width), unless it is there. Raises StorageFull.

    Its space is taken at once: a page that finds none when a worker writes to it would end the worker.
    """
    path = folder / _STATES
    if path.exists():
        return
    dtype = np.float32 if tokens * width * 4 <= _FLOAT32_MAX_BYTES else np.float16
    size = tokens * width * np.dtype(dtype).itemsize
    if shutil.disk_usage(folder).free < size + _LEFT_BYTES:
        raise StorageFull(
            f"the cache of a tuning takes {size / 1e9:.1f} GB below {folder.parent}, where"
            f" {shutil.disk_usage(folder).free / 1e9:.1f} GB are free; make room, or tune on fewer documents"
        )
    blank = folder / f"{_STATES}.new"
    np.lib.format.open_memmap(blank, mode="w+", dtype=dtype, shape=(tokens, width)).flush()
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with blank.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, blank.stat().st_size)
    blank.rename(path)


def lower_states(folder: Path, *, writable: bool = False) -> np.ndarray:
    """(all tokens, width) float16 or float32: what the lowest tuned layer reads."""
    return np.load(folder / _STATES, mmap_mode="r+" if writable else "r", allow_pickle=False)


def exact(folder: Path) -> bool:
    """Whether the lower layers' outputs are all there, in full precision."""
    full = (folder / _STATES).exists() and lower_states(folder).dtype == np.float32
    return full and states.complete(folder / RESULT)


def filled(folder: Path) -> int:
    """How many windows, in the order in which they are filled, are on disk."""
    path = folder / _FILLED
    return int(json.loads(path.read_text()).get("windows", 0)) if path.exists() else 0


def mark_filled(folder: Path, windows: int) -> None:
    """Say so, after what they wrote was synced. Of windows, not of units: how many a unit holds depends on the daemon
    that cuts them."""
    states.sync(folder / _STATES)
    path = folder / f"{_FILLED}.new"
    path.write_text(json.dumps({"windows": windows}))
    states.sync(path)
    path.rename(folder / _FILLED)
