"""How an older store becomes a current one. A migration, once released, is never edited.

`MIGRATIONS[n]` turns schema n into n + 1 inside one transaction. A store written by each release stands under
tests/stores and is opened and used by a test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import lmdb

from reexd.errors import StoreCorrupt, StoreTooNew
from reexd.store import keys, meta

SCHEMA_VERSION = 1

MIGRATIONS: Mapping[int, Callable[[lmdb.Transaction], None]] = {}


def bring_up_to_date(
    environment: lmdb.Environment,
    path: Path,
    *,
    current: int = SCHEMA_VERSION,
    migrations: Mapping[int, Callable[[lmdb.Transaction], None]] = MIGRATIONS,
) -> None:
    """Writes the schema version into an empty store, migrates an older one step by step, refuses a newer one.

    Raises StoreTooNew, and StoreCorrupt where the file holds records but no version, or an unknown one.
    """
    with environment.begin(buffers=True) as txn:
        version = meta.get(txn, keys.Meta.SCHEMA_VERSION)
        empty = txn.stat()["entries"] == 0
    if version == 0:
        if not empty:
            raise StoreCorrupt(
                f"{path} holds records but no schema version, so it was not written by reexd; "
                "move it away or restore a backup"
            )
        with environment.begin(write=True) as txn:
            meta.put(txn, keys.Meta.SCHEMA_VERSION, current)
        return
    if version > current:
        raise StoreTooNew(
            f"{path} has schema version {version}, this reexd reads up to {current}; "
            "install the newer reexd again",
            path=path,
            found=version,
            supported=current,
        )
    for step in range(version, current):
        if step not in migrations:
            raise StoreCorrupt(
                f"{path} has schema version {version}, from which no migration leads; restore a backup"
            )
        with environment.begin(write=True, buffers=True) as txn:
            migrations[step](txn)
            meta.put(txn, keys.Meta.SCHEMA_VERSION, step + 1)
