"""Spaces: one per representation fingerprint. Vectors are compared only within a space."""

from __future__ import annotations

from dataclasses import dataclass, replace

import lmdb

from reexd.errors import InvalidInput, StoreCorrupt
from reexd.store import keys, meta, ranges
from reexd.store.codecs.hidden_state import SpaceRecord, decode_space, encode_space


@dataclass(frozen=True, slots=True)
class Space:
    """A number that stands for a fingerprint in keys, and the width of its vectors."""

    number: int
    fingerprint: str
    dimension: int


def listed(txn: lmdb.Transaction) -> list[Space]:
    return [
        Space(keys.slot_of(key), record.fingerprint, record.dimension)
        for key, value in ranges.walk(txn, keys.kind(keys.Kind.SPACE))
        for record in (decode_space(value),)
    ]


def find(txn: lmdb.Transaction, fingerprint: str) -> Space | None:
    return next((space for space in listed(txn) if space.fingerprint == fingerprint), None)


def there(txn: lmdb.Transaction, number: int) -> bool:
    """Whether a space that was found earlier is still there: that of a tuned model goes with its last version."""
    return txn.get(keys.space(number)) is not None


def get(txn: lmdb.Transaction, number: int) -> Space:
    """Raises StoreCorrupt: numbers come from the store's own records."""
    record = _record(txn, number)
    return Space(number, record.fingerprint, record.dimension)


def find_or_create(txn: lmdb.Transaction, fingerprint: str, dimension: int) -> Space:
    """Raises InvalidInput when the fingerprint is known with another dimension."""
    known = listed(txn)
    for space in known:
        if space.fingerprint == fingerprint:
            if space.dimension != dimension:
                raise InvalidInput(
                    f"hidden states of {fingerprint} have {space.dimension} numbers, got {dimension}; "
                    "one fingerprint cannot name two representations"
                )
            return space
    # A number is never given twice, or what was read for a deleted space would be written into another one.
    highest = max((space.number for space in known), default=0)
    number = max(meta.get(txn, keys.Meta.NEXT_SPACE), highest + 1)
    meta.put(txn, keys.Meta.NEXT_SPACE, number + 1)
    txn.put(keys.space(number), encode_space(SpaceRecord(fingerprint, dimension, 0)))
    return Space(number, fingerprint, dimension)


def next_row(txn: lmdb.Transaction, number: int) -> int:
    """One past the highest row ever given out."""
    return _record(txn, number).next_row


def advance(txn: lmdb.Transaction, number: int, row: int) -> None:
    txn.put(keys.space(number), encode_space(replace(_record(txn, number), next_row=row)))


def _record(txn: lmdb.Transaction, number: int) -> SpaceRecord:
    value = txn.get(keys.space(number))
    if value is None:
        raise StoreCorrupt(f"space {number} is named by a record but does not exist; restore a backup")
    return decode_space(value)
