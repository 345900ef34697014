"""The header of a stored array: its dtype and shape. The bytes follow in records of their own."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from reexd.errors import InvalidInput, StoreCorrupt
from reexd.store.codecs.fields import Buffer, Reader, Writer

# Numbers of dtypes in the store: append only. All little-endian.
_DTYPES = {
    1: "<f4",
    2: "<f8",
    3: "<i4",
    4: "<i8",
    5: "|u1",
    6: "<u4",
    7: "<u8",
    8: "|b1",
    9: "<u2",
    10: "<i2",
    11: "|i1",
    12: "<f2",
}
_NUMBERS = {np.dtype(name): number for number, name in _DTYPES.items()}
_HEADER = struct.Struct("<BQ")  # dtype, bytes of data


@dataclass(frozen=True, slots=True)
class ArrayHeader:
    dtype: np.dtype
    shape: tuple[int, ...]
    size: int  # bytes of data


def encode_array_header(array: np.ndarray) -> bytes:
    number = _NUMBERS.get(array.dtype.newbyteorder("<"))
    if number is None:
        raise InvalidInput(
            f"an array must have one of the dtypes {', '.join(_DTYPES.values())}, got {array.dtype}"
        )
    return Writer().pack(_HEADER, number, array.nbytes).numbers(array.shape, "<u8").finish()


def decode_array_header(buffer: Buffer) -> ArrayHeader:
    reader = Reader(buffer, "array header")
    number, size = reader.unpack(_HEADER)
    shape = reader.numbers("<u8")
    reader.end()
    if number not in _DTYPES:
        raise StoreCorrupt(f"array header: dtype {number} is unknown; the store is damaged")
    dtype = np.dtype(_DTYPES[number])
    expected = dtype.itemsize
    for extent in shape:
        expected *= extent
    if expected != size:
        raise StoreCorrupt(
            f"array header: shape {shape} of {dtype} is not {size} bytes; the store is damaged"
        )
    return ArrayHeader(dtype, shape, size)
