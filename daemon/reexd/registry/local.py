"""A model folder on this machine as a source. Copies what is selected and follows no link."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

from reexd.errors import InvalidInput, ModelNotFound
from reexd.registry import selection

BLOCK_BYTES = 1 << 20


def copy(
    source: Path, folder: Path, *, size_max_bytes: int, on_bytes: Callable[[int, int], None]
) -> list[str]:
    """Copy the model's files into `folder` and return their names. Raises ModelNotFound or InvalidInput."""
    if not source.is_dir():
        raise ModelNotFound(f"expected a model folder or a wheel at {source}, found none.", source=source)
    present = [name.name for name in source.iterdir()]
    present += [name for name in selection.OPTIONAL if "/" in name and (source / name).exists()]
    names = selection.select(present, str(source))
    sizes = {name: (source / name).lstat().st_size for name in names}
    selection.check_sizes(sizes, str(source), size_max_bytes)
    done, total = 0, sum(sizes.values())
    for name in names:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(_open_regular(source / name), "rb") as opened, target.open("xb") as file:
            while block := opened.read(BLOCK_BYTES):
                file.write(block)
                done += len(block)
                on_bytes(done, total)
    return names


def _open_regular(path: Path) -> int:
    try:
        # Without O_NONBLOCK, opening a fifo would wait for its other end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        received = "a link" if error.errno == errno.ELOOP else error.strerror
        raise InvalidInput(
            f"expected a regular file {path}, got: {received}. Copy the folder with `cp -RL` first.",
            path=path,
        ) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidInput(f"expected a regular file {path}, got something else.", path=path)
    return descriptor
