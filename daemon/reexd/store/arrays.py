"""Arrays of any size as a header and parts. Owns the cutting; callers own the keys.

Parts of at most 8 MiB keep one LMDB value from needing a longer run of free pages than a much used file has.
"""

from __future__ import annotations

from collections.abc import Callable

import lmdb
import numpy as np

from reexd.errors import StoreCorrupt
from reexd.store.codecs.array import decode_array_header, encode_array_header

PART_SIZE = 8 << 20

KeyOfPart = Callable[[int], bytes]  # part number -> key; 0 is the header


def put(txn: lmdb.Transaction, key: KeyOfPart, array: np.ndarray) -> None:
    array = np.asarray(array)
    txn.put(key(0), encode_array_header(array))
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    raw = memoryview(little.reshape(-1).view(np.uint8))
    for part, start in enumerate(range(0, len(raw), PART_SIZE), 1):
        txn.put(key(part), raw[start : start + PART_SIZE])


def get(txn: lmdb.Transaction, key: KeyOfPart, what: str) -> np.ndarray:
    """An owned copy. Raises StoreCorrupt when a part is missing or of another length than the header says."""
    header = txn.get(key(0))
    if header is None:
        raise StoreCorrupt(f"{what}: the array is named but not stored; restore the project from a backup")
    described = decode_array_header(header)
    raw = np.empty(described.size, np.uint8)
    for part, start in enumerate(range(0, described.size, PART_SIZE), 1):
        value = txn.get(key(part), b"")
        expected = min(PART_SIZE, described.size - start)
        if len(value) != expected:
            raise StoreCorrupt(
                f"{what}: part {part} must have {expected} bytes, found {len(value)}; "
                "restore the project from a backup"
            )
        raw[start : start + expected] = np.frombuffer(value, np.uint8)
    return raw.view(described.dtype).reshape(described.shape)
