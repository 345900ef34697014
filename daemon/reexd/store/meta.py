"""The single numbers of an environment: the schema version and the counters."""

from __future__ import annotations

import lmdb

from reexd.store import keys
from reexd.store.codecs.fields import decode_u64, encode_u64


def get(txn: lmdb.Transaction, name: keys.Meta, default: int = 0) -> int:
    value = txn.get(keys.meta(name))
    return default if value is None else decode_u64(value, name.name.lower())


def put(txn: lmdb.Transaction, name: keys.Meta, number: int) -> None:
    txn.put(keys.meta(name), encode_u64(number))


def clear(txn: lmdb.Transaction, name: keys.Meta) -> None:
    txn.delete(keys.meta(name))


def take(txn: lmdb.Transaction, name: keys.Meta, *, first: int = 0) -> int:
    """The next number of a counter. Numbers are never given twice, also not after deletion."""
    number = get(txn, name, first)
    put(txn, name, number + 1)
    return number
