"""Where vectors lie: tail rows of one key each, sealed blocks, and their bitmaps. Knows neither digests nor
documents."""

from __future__ import annotations

from collections.abc import Iterator

import lmdb
import numpy as np

from reexd.errors import StoreCorrupt
from reexd.store import keys, ranges
from reexd.store.codecs import hidden_state as codec
from reexd.store.spaces import Space

BLOCK_ROWS = codec.BLOCK_ROWS


def by_block(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(block, positions in `rows`) for each block that `rows` touches, ascending."""
    if len(rows) == 0:
        return
    blocks = rows // BLOCK_ROWS
    order = np.argsort(blocks, kind="stable")
    sorted_blocks = blocks[order]
    starts = np.flatnonzero(np.r_[True, sorted_blocks[1:] != sorted_blocks[:-1]])
    for start, positions in zip(starts, np.split(order, starts[1:]), strict=True):
        yield int(sorted_blocks[start]), positions


def live(txn: lmdb.Transaction, space: Space, block: int) -> np.ndarray:
    """(1024,) bool: the rows of a block that something needs."""
    value = txn.get(keys.hidden_live(space.number, block))
    return np.zeros(BLOCK_ROWS, bool) if value is None else codec.decode_bitmap(value)


def store(txn: lmdb.Transaction, space: Space, first: int, vectors: np.ndarray) -> None:
    """Rows `first`.. into the tail, or straight into a block where they complete one."""
    start, stop = first, first + len(vectors)
    while start < stop:
        block = start // BLOCK_ROWS
        end = min(stop, (block + 1) * BLOCK_ROWS)
        part = vectors[start - first : end - first]
        if end == (block + 1) * BLOCK_ROWS:
            seal(txn, space, block, start, part)
        else:
            for row, vector in zip(range(start, end), part, strict=True):
                txn.put(keys.hidden_tail(space.number, row), vector.tobytes())
        start = end


def seal(txn: lmdb.Transaction, space: Space, block: int, first: int, vectors: np.ndarray) -> None:
    """The tail's rows of this block (those not forgotten) and the new ones that end it, as one value."""
    head = list(
        ranges.walk(
            txn, keys.hidden_tails(space.number), start=keys.hidden_tail(space.number, block * BLOCK_ROWS)
        )
    )
    rows = np.array([keys.number_of(key) for key, _ in head], np.int64)
    present = np.zeros(BLOCK_ROWS, bool)
    present[rows - block * BLOCK_ROWS] = True
    present[first - block * BLOCK_ROWS :] = True
    joined = codec.decode_vectors(b"".join(value for _, value in head), space.dimension)
    put_block(txn, space, block, present, np.concatenate([joined, vectors]))
    for key, _ in head:
        txn.delete(key)


def put_block(
    txn: lmdb.Transaction, space: Space, block: int, present: np.ndarray, vectors: np.ndarray
) -> None:
    """Replaces a block and the bitmap of the rows it stores; a block without rows has no keys."""
    if len(vectors):
        txn.put(
            keys.hidden_block(space.number, block), vectors.astype(codec.VECTOR_DTYPE, copy=False).tobytes()
        )
        txn.put(keys.hidden_stored(space.number, block), codec.encode_bitmap(present))
    else:
        txn.delete(keys.hidden_block(space.number, block))
        txn.delete(keys.hidden_stored(space.number, block))


def sealed(txn: lmdb.Transaction, space: Space, block: int) -> tuple[np.ndarray, np.ndarray] | None:
    """((1024,) bool stored, (stored rows, dimension) view), or None while the block is still in the tail."""
    value = txn.get(keys.hidden_block(space.number, block))
    if value is None:
        return None
    present = stored(txn, space, block)
    vectors = codec.decode_vectors(value, space.dimension)
    if len(vectors) != np.count_nonzero(present):
        raise missing(space, block)
    return present, vectors


def stored(txn: lmdb.Transaction, space: Space, block: int) -> np.ndarray:
    """(1024,) bool: the rows whose vectors a sealed block holds, in this order."""
    value = txn.get(keys.hidden_stored(space.number, block))
    if value is None:
        raise missing(space, block)
    return codec.decode_bitmap(value)


def tail(txn: lmdb.Transaction, space: Space, rows: np.ndarray) -> np.ndarray:
    """(n, dimension), a copy."""
    values = [txn.get(keys.hidden_tail(space.number, int(row))) for row in rows]
    if any(value is None for value in values):
        raise missing(space, int(rows[0]) // BLOCK_ROWS)
    return codec.decode_vectors(b"".join(values), space.dimension)


def missing(space: Space, block: int) -> StoreCorrupt:
    return StoreCorrupt(
        f"a hidden state of block {block} in space {space.number} is named but not stored; "
        "restore the project from a backup",
        space=space.number,
        block=block,
    )
