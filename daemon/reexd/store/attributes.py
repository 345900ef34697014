"""Attributes: numbers from other models beside a document's text. Their count is fixed by the first document
that has any; a document may have none. Knows nothing of what they mean.
"""

from __future__ import annotations

import lmdb
import numpy as np

from reexd.errors import InvalidDocument
from reexd.records import Document
from reexd.store import keys, meta
from reexd.store.codecs.document import decode_attributes, encode_attributes


def count(txn: lmdb.Transaction) -> int:
    """How many attributes every document that has any must have; -1 until the first such document."""
    return meta.get(txn, keys.Meta.ATTRIBUTE_COUNT, -1)


def matrix(txn: lmdb.Transaction, numbers: np.ndarray) -> np.ndarray:
    """(n, count) float32, as a classifier sees them; NaN for a document that has none."""
    found = np.full((len(numbers), max(count(txn), 0)), np.nan, np.float32)
    if found.shape[1]:
        for position, number in enumerate(numbers):
            value = txn.get(keys.document_attributes(int(number)))
            if value is not None:
                found[position] = decode_attributes(value)
    return found


def count_of(txn: lmdb.Transaction, numbers: np.ndarray) -> int:
    """How many attributes those of these documents have that have any: 0 where none does, whatever others have."""
    if count(txn) > 0 and any(txn.get(keys.document_attributes(int(number))) for number in numbers):
        return count(txn)
    return 0


def get(txn: lmdb.Transaction, number: int) -> tuple[float, ...]:
    value = txn.get(keys.document_attributes(number))
    return () if value is None else tuple(decode_attributes(value).tolist())


def same(txn: lmdb.Transaction, number: int, values: tuple[float, ...]) -> bool:
    """Bit for bit."""
    return txn.get(keys.document_attributes(number), b"") == encode_attributes(values)


def put(txn: lmdb.Transaction, number: int, values: tuple[float, ...]) -> None:
    if values:
        txn.put(keys.document_attributes(number), encode_attributes(values))
    else:
        txn.delete(keys.document_attributes(number))


def check(txn: lmdb.Transaction, document: Document) -> None:
    """The first document that has attributes fixes the count; another count raises InvalidDocument."""
    found = len(document.attributes)
    if found == 0:
        return
    expected = count(txn)
    if expected < 0:
        meta.put(txn, keys.Meta.ATTRIBUTE_COUNT, found)
    elif found != expected:
        raise InvalidDocument(
            f"document {document.id!r} has {found} attributes, but this project's documents have {expected}; "
            f"send {expected}, or none",
            id=document.id,
            field="attributes",
        )
