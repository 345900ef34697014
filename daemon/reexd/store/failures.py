"""What LMDB's errors mean to a person. Owns the mapping to reexd's errors; touches no data."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import lmdb

from reexd.errors import QueueFull, ReexError, StorageFull, StoreCorrupt

_LIMITED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # what this process may have, not what the file is
# A full disk reaches us as the text of errno, not as a class: EIO from a short write, ENOSPC, EDQUOT, EFBIG.
_FULL = ("Input/output error", "No space left", "quota exceeded", "File too large")


def translate(error: Exception, path: Path) -> ReexError:
    """The declared error for what LMDB or the file system said about the store in `path`."""
    if isinstance(error, lmdb.MapFullError):
        return StorageFull(
            f"the store in {path} reached the size it was opened with; raise the setting for the store's "
            "map size and restart, or delete documents",
            path=path,
        )
    if isinstance(error, lmdb.TxnFullError):
        return StorageFull(
            f"too much for one transaction of the store in {path}; send smaller batches", path=path
        )
    if isinstance(error, lmdb.ReadersFullError):
        return QueueFull(f"too many readers of the store in {path} at once; try again", path=path)
    said = str(error)
    if any(os.strerror(number) in said for number in _LIMITED):
        return QueueFull(
            f"the store in {path} could not be opened now ({said}); it is not damaged. The daemon needs a file "
            "descriptor or two and address space (the setting for the store's map size) for each project: raise "
            "`ulimit -n` or `ulimit -v`, and restart it",
            path=path,
        )
    if isinstance(error, lmdb.DiskError) or any(sign in said for sign in _FULL):
        return StorageFull(
            f"writing to the store in {path} failed ({said}) with {_free(path)} free; nothing of this "
            "write was kept. Free some space and send it again; no restart is needed",
            path=path,
        )
    return StoreCorrupt(
        f"the store in {path} cannot be used ({said}); other stores are not affected. "
        "Restore this one from a backup, or check the disk and its permissions",
        path=path,
    )


def _free(path: Path) -> str:
    try:
        return f"{shutil.disk_usage(path).free:,} bytes"
    except OSError:
        return "an unknown number of bytes"
