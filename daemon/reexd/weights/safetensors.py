"""The header of a safetensors file, checked against the file's size.

Format: an eight-byte little-endian header length, a JSON header that gives each tensor's dtype, shape and
[begin, end) in the data that follows, then the data, without a gap and without overlap.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

from reexd.weights.tensor import Tensor, corrupt, opened

_HEADER_MAX_BYTES = 100 << 20  # the format's own limit
ITEM_BYTES = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4,
    "F16": 2, "BF16": 2, "I16": 2, "U16": 2, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip


def tensors(path: Path) -> list[Tensor]:
    """What the file declares, in the order of its bytes.

    Raises ModelCorrupt unless every tensor lies inside the file, and all of them fill it without overlap.
    """
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(_HEADER_MAX_BYTES, size - 8):
            raise corrupt(path, f"a header of {length} bytes is declared in a file of {size}")
        try:
            header = json.loads(file.read(length))
            found = [
                _declared(name, entry, 8 + length) for name, entry in header.items() if name != "__metadata__"
            ]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise corrupt(path, f"the header cannot be read: {error}") from error
    found.sort(key=lambda tensor: (tensor.begin, tensor.end))
    end = 8 + length
    for tensor in found:
        if tensor.begin != end:
            raise corrupt(path, f"tensor {tensor.name} begins at {tensor.begin}, expected {end}")
        end = tensor.end
    if end != size:
        raise corrupt(path, f"tensors are declared up to byte {end}, the file has {size}")
    return found


def _declared(name: str, entry: dict, start: int) -> Tensor:
    begin, end = (int(place) for place in entry["data_offsets"])
    shape = tuple(int(extent) for extent in entry["shape"])
    if begin < 0 or min(shape, default=0) < 0:
        raise ValueError(f"tensor {name} has a negative offset or extent")
    if end - begin != math.prod(shape) * ITEM_BYTES[entry["dtype"]]:
        raise ValueError(f"tensor {name} of shape {list(shape)} does not fill its {end - begin} bytes")
    return Tensor(name, entry["dtype"], shape, start + begin, start + end)
