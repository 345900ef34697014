"""Hidden states: vectors found by the digest of their content, read in place. Knows nothing of documents
or versions (references.py counts who needs a row), nor where in the file a vector lies (blocks.py).

A new row starts as one key (a cheap, small commit). When the 1,024 rows of a block exist they are sealed into
one value of contiguous little-endian float32, which is never changed in place and is read without a copy. Row
numbers are stable: row r lies in block r // 1024 for ever. `compact` rewrites a block with only the rows
still needed; the bitmap of stored rows then tells which line of the block is which row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import lmdb
import numpy as np

from reexd.errors import InvalidInput
from reexd.store import blocks, keys, ranges, spaces
from reexd.store.blocks import BLOCK_ROWS
from reexd.store.codecs import hidden_state as codec
from reexd.store.codecs.fields import decode_u64, encode_u64
from reexd.store.spaces import Space

_OFFSETS = np.arange(BLOCK_ROWS)


class Block(NamedTuple):
    """A run of stored rows, ascending. `vectors` is a view that dies with the transaction."""

    rows: np.ndarray  # (n,) int64
    vectors: np.ndarray  # (n, dimension) float32, read-only
    live: np.ndarray  # (n,) bool: some document or version needs the row


def digest(fingerprint: str, prompt: str, text: str) -> bytes:
    """32 bytes that name a hidden state by its sources; `prompt` is empty for a model that ignores it."""
    state = hashlib.sha256()
    for part in (fingerprint.encode(), prompt.encode()):
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    state.update(text.encode())
    return state.digest()


def vector_digest(fingerprint: str, vector: np.ndarray) -> bytes:
    """32 bytes that name a hidden state by itself, where no text is known that gives it: never those of `digest`."""
    state = hashlib.sha256()
    state.update(len(fingerprint.encode()).to_bytes(8, "little"))
    state.update(fingerprint.encode())
    state.update(b"\xff" * 8)  # no prompt is that long
    state.update(np.ascontiguousarray(vector, codec.VECTOR_DTYPE).tobytes())
    return state.digest()


def lookup(txn: lmdb.Transaction, space: Space, digests: Sequence[bytes]) -> np.ndarray:
    """(n,) int64 rows; -1 where the hidden state is not stored."""
    values = (txn.get(keys.hidden_digest(space.number, one)) for one in digests)
    return np.fromiter(
        (-1 if value is None else decode_u64(value, "hidden digest") for value in values),
        np.int64,
        len(digests),
    )


def append(
    txn: lmdb.Transaction,
    space: Space,
    digests: Sequence[bytes],
    vectors: np.ndarray,
    windows: Sequence[int] | np.ndarray | None = None,
) -> np.ndarray:
    """Stores (n, dimension) vectors under their digests; (n,) int64 rows. A known digest keeps its row.

    `windows` is how many windows of the model each text took (default 1). Rows are not live until something
    links to them (references.py) and may be freed by `compact`: link in the same transaction.
    """
    vectors = np.ascontiguousarray(vectors, codec.VECTOR_DTYPE)
    if vectors.shape != (len(digests), space.dimension):
        raise InvalidInput(
            f"expected vectors of shape ({len(digests)}, {space.dimension}), got {vectors.shape}"
        )
    first = row = spaces.next_row(txn, space.number)
    rows = np.empty(len(digests), np.int64)
    fresh: list[int] = []
    for position, one in enumerate(digests):
        key = keys.hidden_digest(space.number, one)
        stored = txn.get(key)
        if stored is not None:
            rows[position] = decode_u64(stored, "hidden digest")
            continue
        txn.put(key, encode_u64(row))
        count = 1 if windows is None else int(windows[position])
        txn.put(keys.hidden_row(space.number, row), codec.encode_row(one, count))
        rows[position] = row
        fresh.append(position)
        row += 1
    if fresh:
        spaces.advance(txn, space.number, row)
        blocks.store(txn, space, first, vectors if len(fresh) == len(digests) else vectors[fresh])
    return rows


def windows(txn: lmdb.Transaction, space: Space, rows: np.ndarray) -> np.ndarray:
    """(n,) int32: how many windows each row's text took."""
    return np.array([_row(txn, space, int(row))[1] for row in rows], np.int32)


def gather(txn: lmdb.Transaction, space: Space, rows: np.ndarray) -> np.ndarray:
    """(n, dimension) float32, an owned copy in the order asked. Raises StoreCorrupt for an absent row."""
    rows = np.asarray(rows, np.int64)
    out = np.empty((len(rows), space.dimension), np.float32)
    for block, positions in blocks.by_block(rows):
        offsets = rows[positions] - block * BLOCK_ROWS
        sealed = blocks.sealed(txn, space, block)
        if sealed is None:
            out[positions] = blocks.tail(txn, space, rows[positions])
            continue
        stored, vectors = sealed
        if len(vectors) < BLOCK_ROWS:
            if not stored[offsets].all():
                raise blocks.missing(space, block)
            offsets = (np.cumsum(stored) - 1)[offsets]
        out[positions] = vectors[offsets]
    return out


def scan(txn: lmdb.Transaction, space: Space) -> Iterator[Block]:
    """Every stored row in order: sealed blocks as views, then the tail as one copy. For read transactions."""
    for key, value in ranges.walk(txn, keys.hidden_blocks(space.number)):
        block = keys.block_of(key)
        vectors = codec.decode_vectors(value, space.dimension)
        offsets, alive = _OFFSETS, blocks.live(txn, space, block)
        if len(vectors) < BLOCK_ROWS:
            stored = blocks.stored(txn, space, block)
            offsets, alive = np.flatnonzero(stored), alive[stored]
        if len(vectors) != len(offsets):
            raise blocks.missing(space, block)
        yield Block(block * BLOCK_ROWS + offsets, vectors, alive)
    found = list(ranges.walk(txn, keys.hidden_tails(space.number)))
    if found:
        rows = np.array([keys.number_of(key) for key, _ in found], np.int64)
        vectors = codec.decode_vectors(b"".join(value for _, value in found), space.dimension)
        alive = np.empty(len(rows), bool)
        for block, positions in blocks.by_block(rows):
            alive[positions] = blocks.live(txn, space, block)[rows[positions] - block * BLOCK_ROWS]
        yield Block(rows, vectors, alive)


def count(txn: lmdb.Transaction, space: Space) -> int:
    """Live rows."""
    bitmaps = ranges.walk(txn, keys.hidden_lives(space.number))
    return sum(int(codec.decode_bitmap(value).sum()) for _, value in bitmaps)


def forget(txn: lmdb.Transaction, space: Space, rows: np.ndarray) -> None:
    """Makes rows impossible to find, and frees those still in the tail; `compact` frees the rest."""
    for row in map(int, rows):
        value = txn.get(keys.hidden_row(space.number, row))
        if value is None:
            continue
        one, _ = codec.decode_row(value)
        txn.delete(keys.hidden_digest(space.number, one))
        txn.delete(keys.hidden_row(space.number, row))
        txn.delete(keys.hidden_tail(space.number, row))


def _row(txn: lmdb.Transaction, space: Space, row: int) -> tuple[bytes, int]:
    value = txn.get(keys.hidden_row(space.number, row))
    if value is None:
        raise blocks.missing(space, row // BLOCK_ROWS)
    return codec.decode_row(value)
