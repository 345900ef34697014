"""Walks over the keys that share a prefix. Knows neither what a key means nor what a value holds."""

from __future__ import annotations

from collections.abc import Iterator

import lmdb


def walk(
    txn: lmdb.Transaction, prefix: bytes, *, start: bytes | None = None
) -> Iterator[tuple[bytes, memoryview]]:
    """(key, value) in ascending key order, from `start` (or the first). The value is valid only until the
    next step or write; do not write while walking.
    """
    with txn.cursor() as cursor:
        if not cursor.set_range(start or prefix):
            return
        for key, value in cursor.iternext():
            raw = bytes(key)
            if not raw.startswith(prefix):
                return
            yield raw, value


def walk_back(txn: lmdb.Transaction, prefix: bytes, *, before: bytes | None = None) -> Iterator[bytes]:
    """Keys in descending order, strictly below `before` (or from the last)."""
    end = before or successor(prefix)
    with txn.cursor() as cursor:
        found = cursor.set_range(end) if end else False
        if not (cursor.prev() if found else cursor.last()):
            return
        for key in cursor.iterprev(values=False):
            raw = bytes(key)
            if not raw.startswith(prefix):
                return
            yield raw


def keys(txn: lmdb.Transaction, prefix: bytes, *, start: bytes | None = None) -> Iterator[bytes]:
    """Keys alone, ascending."""
    with txn.cursor() as cursor:
        if not cursor.set_range(start or prefix):
            return
        for key in cursor.iternext(values=False):
            raw = bytes(key)
            if not raw.startswith(prefix):
                return
            yield raw


def delete(txn: lmdb.Transaction, prefix: bytes) -> int:
    """Deletes every key with the prefix; how many there were."""
    count = 0
    with txn.cursor() as cursor:
        found = cursor.set_range(prefix)
        while found and bytes(cursor.key()).startswith(prefix):
            cursor.delete()  # moves to the next key
            count += 1
            found = bool(cursor.key())
    return count


def successor(prefix: bytes) -> bytes:
    """The smallest key above every key with the prefix; empty when there is none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes((stripped[-1] + 1,)) if stripped else b""
