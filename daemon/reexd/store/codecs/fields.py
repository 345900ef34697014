"""The primitives every value is made of: little-endian structs and length-prefixed UTF-8. Knows no record."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from reexd.errors import InvalidInput, StoreCorrupt

Buffer = bytes | bytearray | memoryview

_LENGTH = struct.Struct("<I")
U32 = struct.Struct("<I")
U64 = struct.Struct("<Q")


class Writer:
    """Appends fields; `finish` joins them."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def pack(self, layout: struct.Struct, *values: Any) -> Writer:
        self._parts.append(layout.pack(*values))
        return self

    def string(self, text: str) -> Writer:
        raw = utf8(text)
        self._parts.append(_LENGTH.pack(len(raw)))
        self._parts.append(raw)
        return self

    def strings(self, texts: tuple[str, ...]) -> Writer:
        self._parts.append(_LENGTH.pack(len(texts)))
        for text in texts:
            self.string(text)
        return self

    def numbers(self, values: tuple[float, ...] | tuple[int, ...] | np.ndarray, dtype: str) -> Writer:
        array = np.asarray(values, dtype)
        self._parts.append(_LENGTH.pack(array.size))
        self._parts.append(array.tobytes())
        return self

    def finish(self) -> bytes:
        return b"".join(self._parts)


class Reader:
    """Reads fields back in order. A record too short or too long is StoreCorrupt, not a struct error."""

    __slots__ = ("_buffer", "_position", "_what")

    def __init__(self, buffer: Buffer, what: str) -> None:
        self._buffer = memoryview(buffer)
        self._position = 0
        self._what = what

    def unpack(self, layout: struct.Struct) -> tuple[Any, ...]:
        return layout.unpack(self._take(layout.size))

    def string(self) -> str:
        (size,) = self.unpack(_LENGTH)
        return text(self._take(size), self._what)

    def strings(self) -> tuple[str, ...]:
        (count,) = self.unpack(_LENGTH)
        self._expect(count * _LENGTH.size)
        return tuple(self.string() for _ in range(count))

    def array(self, dtype: str) -> np.ndarray:
        """A copy, so that it may outlive the transaction."""
        (count,) = self.unpack(_LENGTH)
        return np.frombuffer(self._take(count * np.dtype(dtype).itemsize), dtype).copy()

    def numbers(self, dtype: str) -> tuple[Any, ...]:
        return tuple(self.array(dtype).tolist())

    @property
    def ended(self) -> bool:
        """Whether nothing is left: fields that were added to a record later are not in older ones."""
        return self._position == len(self._buffer)

    def skip(self, dtype: str) -> None:
        """Pass over an array."""
        (count,) = self.unpack(_LENGTH)
        self._take(count * np.dtype(dtype).itemsize)

    def end(self) -> None:
        left = len(self._buffer) - self._position
        if left:
            raise StoreCorrupt(f"{self._what}: {left} bytes follow the last field; the store is damaged")

    def _take(self, size: int) -> memoryview:
        self._expect(size)
        start = self._position
        self._position += size
        return self._buffer[start : self._position]

    def _expect(self, size: int) -> None:
        """Checked before a count from the file allocates anything."""
        left = len(self._buffer) - self._position
        if size > left:
            raise StoreCorrupt(
                f"{self._what}: expected {size} more bytes, found {left}; the store is damaged"
            )


def utf8(value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"text must be valid Unicode, but character {error.start} is a lone surrogate; "
            "remove or replace it and send the text again"
        ) from error


def text(raw: Buffer, what: str) -> str:
    try:
        return str(raw, "utf-8")
    except UnicodeDecodeError as error:
        raise StoreCorrupt(
            f"{what}: text is not UTF-8 at byte {error.start}; the store is damaged"
        ) from error


def encode_u64(value: int) -> bytes:
    return U64.pack(value)


def decode_u64(buffer: Buffer, what: str) -> int:
    return _single(U64, buffer, what)


def _single(layout: struct.Struct, buffer: Buffer, what: str) -> int:
    if len(buffer) != layout.size:
        raise StoreCorrupt(f"{what}: expected {layout.size} bytes, found {len(buffer)}; the store is damaged")
    return layout.unpack(buffer)[0]
