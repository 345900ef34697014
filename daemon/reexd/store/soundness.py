"""Whether a store's file can be mapped without killing the process: the one check that LMDB does not make.

LMDB may leave the last pages unwritten when they were freed in the transaction that took them, so a file
shorter than its header says can be sound. It can also be one that was cut; then reading a missing page
through the map is SIGBUS, and a page of zeros is an assertion of LMDB's: either ends the process that reads.
So a short file, and only that, is first read from end to end by a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import lmdb

from reexd.errors import StoreCorrupt

_CHECK_WAIT_S = 600

# Reads every page that anything refers to: values by touching them, the tree and the free pages' list by a copy.
_READ_ALL = """
import lmdb, os, sys
environment = lmdb.open(sys.argv[1], readonly=True, lock=False, create=False, map_size=int(sys.argv[2]))
with environment.begin() as txn, txn.cursor() as cursor:
    for _ in cursor.iternext():
        pass
environment.copyfd(os.open(os.devnull, os.O_WRONLY), compact=True)
"""


def check_present(path: Path) -> None:
    """Raises StoreCorrupt when the file of a store that was written before is gone or empty: LMDB would begin anew."""
    data = path / "data.mdb"
    if not data.is_file() or data.stat().st_size == 0:
        raise StoreCorrupt(
            f"{data} must hold the project but is {'empty' if data.is_file() else 'missing'}. Restore the project"
            " from a backup, or delete it; other projects are not affected",
            path=path,
        )


def check_catalogue_present(path: Path, projects: Path) -> None:
    """Raises StoreCorrupt when the catalogue's file is gone or empty, and projects are there that it had records of.

    LMDB would begin anew, and every folder of a project, being without a record, would be taken for a leftover.
    """
    data = path / "data.mdb"
    if data.is_file() and data.stat().st_size > 0:
        return
    orphans = sorted(each.parent.name for each in projects.glob("*/data.mdb") if each.stat().st_size > 0)
    if orphans:
        raise StoreCorrupt(
            f"{data} must hold the records of {len(orphans):,} projects ({', '.join(orphans[:3])}"
            f"{', ...' if len(orphans) > 3 else ''}) but is {'empty' if data.is_file() else 'missing'}. Nothing of"
            f" theirs was touched. Restore it from a backup; to begin anew, move {projects} away",
            path=path,
        )


def check_length(environment: lmdb.Environment, path: Path) -> None:
    """Raises StoreCorrupt for a file that was cut short; lengthens one that is short and sound."""
    info = environment.info()
    expected = (info["last_pgno"] + 1) * environment.stat()["psize"]
    data = path / "data.mdb"
    found = data.stat().st_size
    if found >= expected:
        return
    reading = subprocess.run(
        [sys.executable, "-c", _READ_ALL, os.fspath(path), str(info["map_size"])],
        capture_output=True,
        timeout=_CHECK_WAIT_S,
        check=False,
    )
    if reading.returncode != 0:
        raise StoreCorrupt(
            f"{data} must have {expected} bytes but has {found}: it was cut short. Restore it from a "
            "backup; other stores are not affected",
            path=path,
        )
    os.truncate(data, expected)
