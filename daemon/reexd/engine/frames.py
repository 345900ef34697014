"""The frames that daemon and worker exchange. Owns their layout; knows no operation.

A frame is a magic word, the lengths of its two parts, a JSON header, and the raw bytes of its arrays in the
order the header lists them. No pickle: a frame can only ever become dicts, strings, numbers and arrays.
"""

from __future__ import annotations

import asyncio
import json
import math
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

_PREFIX = struct.Struct("<4sIQ")
_MAGIC = b"RXF1"
HEADER_MAX_BYTES = 16 << 20
PAYLOAD_MAX_BYTES = 256 << 20  # larger matrices go by memory-mapped files
_COPIED_MAX_BYTES = 64 << 10  # up to here a copy costs less than a system call for each part
_DTYPES = frozenset({"<f4", "<i4", "<i8"})


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One message: what to do or what was done, and the arrays that go with it."""

    header: dict
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


class FrameError(Exception):
    """The other side sent something that is no frame: the connection cannot be used any more."""


def pack(header: Mapping[str, object], arrays: Mapping[str, np.ndarray] | None = None) -> list[memoryview]:
    """The parts of a frame, to be written one after the other."""
    listed, parts, size = [], [], 0
    for name, array in (arrays or {}).items():
        array = np.ascontiguousarray(array)
        if array.dtype.str not in _DTYPES:
            raise ValueError(f"array {name}: dtype in {sorted(_DTYPES)} expected, got {array.dtype.str}")
        listed.append([name, array.dtype.str, array.shape])
        parts.append(memoryview(array.reshape(-1).view(np.uint8)))
        size += array.nbytes
    text = json.dumps({**header, "arrays": listed}, separators=(",", ":")).encode()
    if len(text) > HEADER_MAX_BYTES or size > PAYLOAD_MAX_BYTES:
        raise ValueError(f"a frame of {len(text)} + {size} bytes is above the limits; use a file")
    return [memoryview(_PREFIX.pack(_MAGIC, len(text), size) + text), *parts]


def unpack(text: bytes, payload: bytes | bytearray) -> Frame:
    """The inverse of `pack`; the arrays are views of `payload`."""
    header = json.loads(text)
    arrays, offset = {}, 0
    for name, dtype, shape in header.pop("arrays", []):
        if dtype not in _DTYPES:
            raise FrameError(f"array {name} of dtype {dtype} in a frame")
        count = math.prod(shape)
        arrays[name] = np.frombuffer(payload, dtype=dtype, count=count, offset=offset).reshape(shape)
        offset += count * np.dtype(dtype).itemsize
    if offset != len(payload):
        raise FrameError(f"{offset} bytes of arrays are declared, {len(payload)} came")
    return Frame(header, arrays)


def send(connection: socket.socket, frame: Frame) -> None:
    """Write one frame to a blocking socket; a small one at once, so that the other side wakes once."""
    parts = pack(frame.header, frame.arrays)
    small = sum(part.nbytes for part in parts) <= _COPIED_MAX_BYTES
    for part in [b"".join(parts)] if small else parts:
        connection.sendall(part)


def receive(connection: socket.socket) -> Frame | None:
    """Read one frame from a blocking socket; None at the end of the stream."""
    prefix = _receive_exactly(connection, _PREFIX.size)
    if prefix is None:
        return None
    header_size, payload_size = _lengths(prefix)
    text = _receive_exactly(connection, header_size)
    payload = _receive_exactly(connection, payload_size)
    if text is None or payload is None:
        return None
    return unpack(bytes(text), payload)


async def read(reader: asyncio.StreamReader) -> Frame | None:
    """Read one frame from a stream; None at its end."""
    try:
        header_size, payload_size = _lengths(await reader.readexactly(_PREFIX.size))
        return unpack(await reader.readexactly(header_size), await reader.readexactly(payload_size))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def _lengths(prefix: bytes | bytearray) -> tuple[int, int]:
    magic, header_size, payload_size = _PREFIX.unpack(prefix)
    if magic != _MAGIC or header_size > HEADER_MAX_BYTES or payload_size > PAYLOAD_MAX_BYTES:
        raise FrameError(f"no frame: magic {magic!r}, {header_size} + {payload_size} bytes")
    return header_size, payload_size


def _receive_exactly(connection: socket.socket, size: int) -> bytearray | None:
    buffer = bytearray(size)
    view, got = memoryview(buffer), 0
    while got < size:
        count = connection.recv_into(view[got:])
        if count == 0:
            return None
        got += count
    return buffer
