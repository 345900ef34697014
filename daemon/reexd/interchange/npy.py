"""The one kind of NPY file that the exchange knows: a row-major little-endian Float32 matrix.

Owns: its header. NumPy's own reader takes more (other types, pickles), which must not be tried on foreign files.
"""

from __future__ import annotations

import ast
import struct

from reexd.errors import InvalidInput

NPY_HEADER_MAX = 12 + 65_536


def npy_header(rows: int, columns: int) -> bytes:
    """NPY 1.0, padded so that numbers start at a multiple of 64 bytes."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}".encode("ascii")
    padded = text + b" " * (-(10 + len(text) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded


def npy_size(start: bytes, shape: tuple[int, int], file: str) -> int:
    """Length of the header of an NPY file, which must describe a C-ordered '<f4' matrix of this shape."""
    try:
        if start[:6] != b"\x93NUMPY" or start[6:8] not in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
            raise ValueError("no NPY file of version 1, 2 or 3")
        prefix = 10 if start[6] == 1 else 12
        end = prefix + int.from_bytes(start[8:prefix], "little")
        text = start[prefix:end]
        if end > len(start) or not text.endswith(b"\n"):
            raise ValueError("its header is cut off or too long")
        header = ast.literal_eval(text.decode("ascii").strip())
        if header != {"descr": "<f4", "fortran_order": False, "shape": shape}:
            raise ValueError(f"its header says {header!r:.200}")
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError) as error:
        raise InvalidInput(
            f"{file}: expected an NPY file of row-major little-endian Float32 with shape {shape}; received another:"
            f" {error}; export the dataset again"
        ) from error
    return end
