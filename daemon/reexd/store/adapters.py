"""What tuning changed of a language model, kept once for the space of the tuned model's hidden states: versions that
were derived from one another share it. Knows nothing of layers or how a change is applied.

An adapter and its space go when the last version that needs them goes: nothing else can make those hidden states.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial

import lmdb
import numpy as np

from reexd.errors import StoreCorrupt
from reexd.store import arrays as parts
from reexd.store import keys, ranges, references, spaces
from reexd.store.codecs.adapter import AdapterRecord, decode_adapter, encode_adapter
from reexd.store.spaces import Space

_OF_A_SPACE = (
    keys.Kind.HIDDEN_DIGEST,
    keys.Kind.HIDDEN_ROW,
    keys.Kind.HIDDEN_TAIL,
    keys.Kind.HIDDEN_BLOCK,
    keys.Kind.HIDDEN_STORED,
    keys.Kind.HIDDEN_LIVE,
    keys.Kind.HIDDEN_REFERENCES,
    keys.Kind.ADAPTER_ARRAY,
    keys.Kind.ADAPTER,
    keys.Kind.SPACE,
)


def digest(changes: Mapping[str, np.ndarray]) -> str:
    """Hex SHA-256 that names a set of changes."""
    state = hashlib.sha256()
    for name in sorted(changes):
        array = np.ascontiguousarray(changes[name])
        state.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        state.update(array.data)
    return state.hexdigest()


def put(txn: lmdb.Transaction, space: Space, changes: Mapping[str, np.ndarray]) -> None:
    """Store the changes that make a space's model; of a space that has them already, nothing is written."""
    if txn.get(keys.adapter(space.number)) is not None:
        return
    names = tuple(sorted(changes))
    txn.put(keys.adapter(space.number), encode_adapter(AdapterRecord(digest(changes), names)))
    for number, name in enumerate(names):
        parts.put(txn, partial(keys.adapter_array, space.number, number), changes[name])


def find(txn: lmdb.Transaction, space: int) -> str | None:
    """The digest of a space's adapter; None for the states of a model as it was pulled."""
    value = txn.get(keys.adapter(space))
    return None if value is None else decode_adapter(value).digest


def get(txn: lmdb.Transaction, space: int) -> dict[str, np.ndarray]:
    """The changes of a space that has an adapter: owned copies by name. Raises StoreCorrupt."""
    value = txn.get(keys.adapter(space))
    if value is None:
        raise StoreCorrupt(f"space {space} has no adapter, and a version names one; restore a backup")
    record = decode_adapter(value)
    changes = {
        name: parts.get(txn, partial(keys.adapter_array, space, number), f"adapter of space {space}, {name}")
        for number, name in enumerate(record.names)
    }
    if digest(changes) != record.digest:
        raise StoreCorrupt(
            f"the adapter of space {space} was stored with digest {record.digest} and has {digest(changes)};"
            " restore a backup"
        )
    return changes


def drop(txn: lmdb.Transaction, space: int) -> None:
    """Delete a space that has an adapter, with its hidden states and the documents' links to them."""
    if txn.get(keys.adapter(space)) is None:
        return
    linked = [
        key for key in ranges.keys(txn, keys.kind(keys.Kind.DOCUMENT_ROW)) if keys.slot_of(key) == space
    ]
    for key in linked:
        txn.delete(key)
    for kind in _OF_A_SPACE:
        ranges.delete(txn, keys.of_space(kind, space))


def release(txn: lmdb.Transaction, space: Space) -> None:
    """Drop a tuned model's space unless a version or a job under way needs its rows."""
    if not references.pinned(txn, space):
        drop(txn, space.number)


def sweep(txn: lmdb.Transaction) -> None:
    """`release` every one. Only while no job is between a tuning and its pool, whose rows are not pinned yet."""
    for number in [keys.slot_of(key) for key in ranges.keys(txn, keys.kind(keys.Kind.ADAPTER))]:
        release(txn, spaces.get(txn, number))
