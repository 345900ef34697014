"""The records around hidden states: spaces, rows, bitmaps and reference counts. Vectors are raw float32."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from reexd.errors import StoreCorrupt
from reexd.store.codecs.fields import Buffer, Reader, Writer

BLOCK_ROWS = 1024
DIGEST_SIZE = 32
VECTOR_DTYPE = np.dtype("<f4")

_SPACE = struct.Struct("<IQ")  # dimension, next_row
_ROW = struct.Struct(f"<{DIGEST_SIZE}sI")  # digest, windows
_BITMAP_SIZE = BLOCK_ROWS // 8
_COUNTS_SIZE = BLOCK_ROWS * 4


@dataclass(frozen=True, slots=True)
class SpaceRecord:
    """One representation: vectors of one fingerprint, which may be compared with each other."""

    fingerprint: str
    dimension: int
    next_row: int


def encode_space(record: SpaceRecord) -> bytes:
    return Writer().pack(_SPACE, record.dimension, record.next_row).string(record.fingerprint).finish()


def decode_space(buffer: Buffer) -> SpaceRecord:
    reader = Reader(buffer, "space")
    dimension, next_row = reader.unpack(_SPACE)
    fingerprint = reader.string()
    reader.end()
    return SpaceRecord(fingerprint, dimension, next_row)


def encode_row(digest: bytes, windows: int) -> bytes:
    return _ROW.pack(digest, windows)


def decode_row(buffer: Buffer) -> tuple[bytes, int]:
    """(digest, windows)"""
    _expect(buffer, _ROW.size, "hidden row")
    return _ROW.unpack(buffer)


_FULL = b"\xff" * _BITMAP_SIZE
_ALL = np.ones(BLOCK_ROWS, bool)
_ALL.flags.writeable = False


def encode_bitmap(bits: np.ndarray) -> bytes:
    """(1024,) bool; bit i of byte j is row 8 j + i of the block."""
    return np.packbits(bits, bitorder="little").tobytes()


def decode_bitmap(buffer: Buffer) -> np.ndarray:
    """(1024,) bool; read-only where every bit is set, the usual case, which costs scans no allocation."""
    if buffer == _FULL:
        return _ALL
    _expect(buffer, _BITMAP_SIZE, "row bitmap")
    return np.unpackbits(np.frombuffer(buffer, np.uint8), bitorder="little").astype(bool)


def encode_references(counts: np.ndarray) -> bytes:
    """(2, 1024) uint32: references by documents, then by versions."""
    return counts.astype("<u4").tobytes()


def decode_references(buffer: Buffer) -> np.ndarray:
    _expect(buffer, 2 * _COUNTS_SIZE, "row references")
    return np.frombuffer(buffer, "<u4").reshape(2, BLOCK_ROWS).astype(np.int64)


def decode_vectors(buffer: Buffer, dimension: int) -> np.ndarray:
    """(rows, dimension) float32, a view of the buffer: valid only while its transaction is open."""
    if len(buffer) % (dimension * VECTOR_DTYPE.itemsize):
        raise StoreCorrupt(
            f"vectors: {len(buffer)} bytes are not whole rows of {dimension} float32; the store is damaged"
        )
    return np.frombuffer(buffer, VECTOR_DTYPE).reshape(-1, dimension)


def _expect(buffer: Buffer, size: int, what: str) -> None:
    if len(buffer) != size:
        raise StoreCorrupt(f"{what}: expected {size} bytes, found {len(buffer)}; the store is damaged")
