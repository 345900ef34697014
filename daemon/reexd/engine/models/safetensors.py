"""Reading safetensors files that nobody vouches for. Owns the format's checks; knows no architecture.

Format: an eight-byte little-endian header length, a JSON header that gives each tensor's dtype, shape and
[begin, end) in the data that follows, then the data. Every declaration is checked against the file's size
before MLX maps anything.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import mlx.core as mx

from reexd.errors import ModelCorrupt

_HEADER_MAX_BYTES = 100 << 20  # the format's own limit
_ITEM_BYTES = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4,
    "F16": 2, "BF16": 2, "I16": 2, "U16": 2, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip


def check(path: Path) -> None:
    """Raise ModelCorrupt unless every declared tensor lies inside the file, without overlap."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(_HEADER_MAX_BYTES, size - 8):
            raise _corrupt(path, f"a header of {length} bytes is declared in a file of {size}")
        try:
            header = json.loads(file.read(length))
            spans = [_span(name, entry) for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise _corrupt(path, f"the header cannot be read: {error}") from error
    end = 0
    for begin, stop, name in sorted(spans):
        if begin != end:
            raise _corrupt(path, f"tensor {name} begins at {begin}, expected {end}")
        end = stop
    if end != size - 8 - length:
        raise _corrupt(path, f"{end} bytes of tensors are declared, {size - 8 - length} are there")


def load(path: Path, digest: str | None) -> dict[str, mx.array]:
    """The tensors of a checked file. `digest`: hex SHA-256 pinned when the model was pulled, or None."""
    if digest is not None:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != digest:
            raise _corrupt(path, f"SHA-256 {digest} was pinned when it was pulled, the file has {found}")
    check(path)
    return mx.load(str(path), format="safetensors")


def _span(name: str, entry: dict) -> tuple[int, int, str]:
    begin, end = (int(place) for place in entry["data_offsets"])
    shape = [int(extent) for extent in entry["shape"]]
    if begin < 0 or min(shape, default=0) < 0:
        raise ValueError(f"tensor {name} has a negative offset or extent")
    if end - begin != math.prod(shape) * _ITEM_BYTES[entry["dtype"]]:
        raise ValueError(f"tensor {name} of shape {shape} does not fill its {end - begin} bytes")
    return begin, end, name


def _corrupt(path: Path, what: str) -> ModelCorrupt:
    return ModelCorrupt(f"{path.name}: {what}. Pull the model again: reexctl models pull", file=path.name)
