"""Frees the bytes of hidden states that nothing needs. Owns the rewriting of blocks, not who needs what."""

from __future__ import annotations

from typing import NamedTuple

import lmdb
import numpy as np

from reexd.store import blocks, hidden_states, keys, ranges
from reexd.store.blocks import BLOCK_ROWS
from reexd.store.spaces import Space


class Compaction(NamedTuple):
    """What one call of `compact` did; `next_block` continues, None when done."""

    rows_freed: int
    blocks_rewritten: int
    next_block: int | None


def compact(txn: lmdb.Transaction, space: Space, *, first_block: int = 0, blocks_max: int = 16) -> Compaction:
    """Frees the bytes of rows that nothing needs, in up to `blocks_max` blocks; call again from `next_block`.

    Bounded, because a transaction holds its new pages in memory: 16 blocks of 384 numbers are 24 MiB.
    """
    freed = rewritten = 0
    first = keys.hidden_block(space.number, first_block)
    pending = [keys.block_of(key) for key in ranges.keys(txn, keys.hidden_blocks(space.number), start=first)]
    for block in pending[:blocks_max]:
        sealed = blocks.sealed(txn, space, block)
        if sealed is None:
            continue
        stored, vectors = sealed
        keep = stored & blocks.live(txn, space, block)
        spare = np.flatnonzero(stored & ~keep)
        if len(spare) == 0:
            continue
        kept = np.ascontiguousarray(vectors[keep[stored]])
        hidden_states.forget(txn, space, block * BLOCK_ROWS + spare)
        blocks.put_block(txn, space, block, keep, kept)
        freed += len(spare)
        rewritten += 1
    if len(pending) > blocks_max:
        return Compaction(freed, rewritten, pending[blocks_max])
    return Compaction(freed + _compact_tail(txn, space), rewritten, None)


def _compact_tail(txn: lmdb.Transaction, space: Space) -> int:
    rows = np.array(
        [keys.number_of(key) for key in ranges.keys(txn, keys.hidden_tails(space.number))], np.int64
    )
    freed = 0
    for block, positions in blocks.by_block(rows):
        mine = rows[positions]
        spare = mine[~blocks.live(txn, space, block)[mine - block * BLOCK_ROWS]]
        hidden_states.forget(txn, space, spare)
        freed += len(spare)
    return freed
