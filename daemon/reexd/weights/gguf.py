"""The header of a GGUF file: metadata and tensors, checked against the file's size.

Format (little-endian, versions 2 and 3): magic `GGUF`, version u32, tensor count u64, metadata count u64; each
metadata entry is a string key, a type u32, a value; each tensor is a string name, a dimension count u32, the
extents u64 (fastest first), a type u32 and an offset u64 into the data, which begins at the next multiple of
`general.alignment` (32 when it is not given). A string is a length u64 and that many bytes of UTF-8.
Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from reexd.errors import InvalidInput
from reexd.weights.tensor import Tensor, corrupt, opened

Value = bool | int | float | str | list

_VERSIONS = (2, 3)
_ALIGNMENT = 32
_DIMENSIONS_MAX = 4
_NESTING_MAX = 4

# Elements of a block and its bytes, of the types that MLX reads: it keeps the last three packed.
READABLE = {0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 8: ("Q8_0", 32, 34)}
_OTHERS = {
    6: "Q5_0", 7: "Q5_1", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K",
    16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS",
    24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 30: "BF16", 34: "TQ1_0", 35: "TQ2_0",
}  # fmt: skip

_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself. `metadata` keys are the file's own, like `general.architecture`."""

    metadata: dict[str, Value]
    tensors: list[Tensor]


def read(path: Path) -> Header:
    """The header of a file.

    Raises ModelCorrupt for one whose declarations do not fit its size, InvalidInput for a tensor type that MLX
    does not read, naming the tensor and its type.
    """
    with opened(path) as file:
        if not os.fstat(file.fileno()).st_size:
            raise corrupt(path, "expected a GGUF file, it is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(path, data).header()


class _Reader:
    """One walk through a header. Nothing is allocated for a count that the rest of the file could not hold."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self._path = path
        self._data = data
        self._at = 0

    def header(self) -> Header:
        if self._take(4) != b"GGUF":
            raise corrupt(self._path, "expected a GGUF file, its first bytes are not GGUF")
        version = self._number("<I")
        if version not in _VERSIONS:
            raise corrupt(self._path, f"expected GGUF version 2 or 3, little-endian, got {version}")
        tensors, entries = self._count(24), self._count(13)
        metadata: dict[str, Value] = {}
        for _ in range(entries):
            key = self._string()
            if key in metadata:
                raise corrupt(self._path, f"the key {key[:80]!r} is declared twice")
            metadata[key] = self._value(self._number("<I"), _NESTING_MAX)
        declared = [self._declared() for _ in range(tensors)]
        return Header(metadata, self._placed(declared, metadata.get("general.alignment", _ALIGNMENT)))

    def _declared(self) -> tuple[str, tuple[int, ...], int, int]:
        name, dimensions = self._string(), self._number("<I")
        if not 1 <= dimensions <= _DIMENSIONS_MAX:
            raise corrupt(self._path, f"tensor {name[:80]!r} has {dimensions} dimensions, expected 1 to 4")
        shape = tuple(self._number("<Q") for _ in range(dimensions))
        return name, shape, self._number("<I"), self._number("<Q")

    def _placed(
        self, declared: list[tuple[str, tuple[int, ...], int, int]], alignment: Value
    ) -> list[Tensor]:
        """The tensors in the order of their bytes, none beyond the file or over another."""
        if type(alignment) is not int or alignment < 8 or alignment & (alignment - 1):
            raise corrupt(
                self._path, f"expected a power of two of at least 8 as alignment, got {alignment!r}"
            )
        if len({name for name, *_ in declared}) != len(declared):
            raise corrupt(self._path, "a tensor's name is declared twice")
        start = -(-self._at // alignment) * alignment
        found = []
        for name, shape, kind, offset in declared:
            dtype, block, block_bytes = self._readable(name, kind)
            if min(shape) < 1 or shape[0] % block or offset % alignment:
                raise corrupt(
                    self._path,
                    f"tensor {name[:80]!r} of {list(shape)} {dtype} at {offset} is not in whole blocks",
                )
            end = start + offset + math.prod(shape) // block * block_bytes
            found.append(Tensor(name, dtype, shape, start + offset, end))
        found.sort(key=lambda tensor: tensor.begin)
        previous = start
        for tensor in found:
            if tensor.begin < previous or tensor.end > len(self._data):
                raise corrupt(
                    self._path,
                    f"tensor {tensor.name[:80]!r} is declared at bytes {tensor.begin} to {tensor.end}, "
                    f"expected between {previous} and the file's {len(self._data)}",
                )
            previous = tensor.end
        return found

    def _readable(self, name: str, kind: int) -> tuple[str, int, int]:
        if kind in READABLE:
            return READABLE[kind]
        raise InvalidInput(
            f"{self._path.name}: tensor {name[:80]!r} is of type {_OTHERS.get(kind, kind)}, which MLX does not "
            f"read from GGUF; it reads {', '.join(name for name, _, _ in READABLE.values())}. Choose a file "
            "in one of those, Q8_0 for instance, or the model's safetensors.",
            file=self._path.name,
        )

    def _value(self, kind: int, nesting: int) -> Value:
        if kind in _SCALARS:
            return self._number(_SCALARS[kind])
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY or not nesting:
            raise corrupt(self._path, f"a metadata value of type {kind} cannot be read")
        inner = self._number("<I")
        if inner in _SCALARS:
            form = _SCALARS[inner]
            count = self._count(struct.calcsize(form))
            return list(struct.unpack(f"<{count}{form[1]}", self._take(count * struct.calcsize(form))))
        return [self._value(inner, nesting - 1) for _ in range(self._count(8))]

    def _string(self) -> str:
        # Vocabularies hold pieces of characters; what is not UTF-8 by itself is kept, not refused.
        return self._take(self._count(1)).decode("utf-8", "surrogateescape")

    def _count(self, least_bytes: int) -> int:
        """A number of things of at least so many bytes each, which the file must still have room for."""
        count = self._number("<Q")
        if count * least_bytes > len(self._data) - self._at:
            raise corrupt(
                self._path, f"{count} entries are declared {len(self._data) - self._at} bytes before the end"
            )
        return count

    def _number(self, form: str) -> int:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _take(self, count: int) -> bytes:
        if count > len(self._data) - self._at:
            raise corrupt(self._path, f"the header breaks off at byte {len(self._data)}")
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken
