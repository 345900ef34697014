"""Who needs a hidden state: counts per row by documents and by versions, and the links from documents to
rows.

A row is live while anything refers to it. At zero it becomes spare: found again by digest, skipped by
searches, and freed by `hidden_states.compact`; or forgotten at once when its document was deleted.
"""

from __future__ import annotations

from enum import IntEnum

import lmdb
import numpy as np

from reexd.errors import StoreCorrupt
from reexd.store import blocks, hidden_states, keys, ranges, spaces
from reexd.store.blocks import BLOCK_ROWS
from reexd.store.codecs import hidden_state as codec
from reexd.store.codecs.fields import decode_u64, encode_u64
from reexd.store.spaces import Space


class Holder(IntEnum):
    """The line of the counts that a reference belongs to. Changing a number breaks every store."""

    DOCUMENT = 0
    VERSION = 1


def retain(txn: lmdb.Transaction, space: Space, rows: np.ndarray, holder: Holder) -> None:
    """One more reference to each row, for each time it occurs in `rows`."""
    _change(txn, space, rows, holder, 1)


def release(
    txn: lmdb.Transaction, space: Space, rows: np.ndarray, holder: Holder, *, forget: bool = False
) -> np.ndarray:
    """One reference less; the rows that nothing needs any more. `forget` makes those impossible to find."""
    spare = _change(txn, space, rows, holder, -1)
    if forget:
        hidden_states.forget(txn, space, spare)
    return spare


def link(txn: lmdb.Transaction, space: Space, numbers: np.ndarray, rows: np.ndarray) -> None:
    """Says which row is the hidden state of which document; replaces an earlier link in the same space."""
    dropped: list[int] = []
    for number, row in zip(map(int, numbers), map(int, rows), strict=True):
        key = keys.document_row(number, space.number)
        old = txn.get(key)
        if old is not None:
            dropped.append(decode_u64(old, "document row"))
        txn.put(key, encode_u64(row))
    retain(txn, space, np.asarray(rows, np.int64), Holder.DOCUMENT)
    release(txn, space, np.array(dropped, np.int64), Holder.DOCUMENT)


def rows(txn: lmdb.Transaction, space: Space, numbers: np.ndarray) -> np.ndarray:
    """(n,) int64: the row of each document; -1 where it has no hidden state in this space."""
    values = (txn.get(keys.document_row(int(number), space.number)) for number in numbers)
    return np.fromiter(
        (-1 if value is None else decode_u64(value, "document row") for value in values),
        np.int64,
        len(numbers),
    )


def unlink(txn: lmdb.Transaction, number: int, *, forget: bool = False) -> None:
    """Ends a document's links in every space."""
    found = [
        (keys.slot_of(key), decode_u64(value, "document row"))
        for key, value in ranges.walk(txn, keys.document_rows(number))
    ]
    for space_number, row in found:
        txn.delete(keys.document_row(number, space_number))
        space = spaces.get(txn, space_number)
        release(txn, space, np.array([row], np.int64), Holder.DOCUMENT, forget=forget)


def pinned(txn: lmdb.Transaction, space: Space) -> bool:
    """Whether any row of a space is needed by a version, or by a job that will become one."""
    found = ranges.walk(txn, keys.of_space(keys.Kind.HIDDEN_REFERENCES, space.number))
    return any(codec.decode_references(value)[Holder.VERSION].any() for _, value in found)


def counts(txn: lmdb.Transaction, space: Space, row: int) -> tuple[int, int]:
    """(references by documents, by versions)"""
    block, offset = divmod(row, BLOCK_ROWS)
    by_document, by_version = _counts(txn, space, block)[:, offset].tolist()
    return by_document, by_version


def _change(txn: lmdb.Transaction, space: Space, rows: np.ndarray, holder: Holder, by: int) -> np.ndarray:
    """Adds `by` for each occurrence of a row; the rows that fell to zero."""
    rows = np.asarray(rows, np.int64)
    spare: list[np.ndarray] = []
    for block, positions in blocks.by_block(rows):
        offsets = rows[positions] - block * BLOCK_ROWS
        counts = _counts(txn, space, block)
        np.add.at(counts[holder], offsets, by)
        if counts[holder, offsets].min() < 0:
            raise StoreCorrupt(
                f"a hidden state of block {block} in space {space.number} was released more often than "
                "retained; restore the project from a backup"
            )
        live = counts.any(axis=0)
        txn.put(keys.hidden_references(space.number, block), codec.encode_references(counts))
        txn.put(keys.hidden_live(space.number, block), codec.encode_bitmap(live))
        spare.append(block * BLOCK_ROWS + np.unique(offsets[~live[offsets]]))
    return np.concatenate(spare) if spare else np.empty(0, np.int64)


def _counts(txn: lmdb.Transaction, space: Space, block: int) -> np.ndarray:
    """(2, 1024) int64"""
    value = txn.get(keys.hidden_references(space.number, block))
    return np.zeros((len(Holder), BLOCK_ROWS), np.int64) if value is None else codec.decode_references(value)
