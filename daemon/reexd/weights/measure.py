"""How much a model's weights are: parameters, bytes, element types, from the headers of its files alone."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from reexd.weights import gguf, safetensors
from reexd.weights.tensor import Tensor, corrupt

_PACKED = "U32"  # in which MLX's quantised checkpoints keep several parameters in one element
# Hidden states are taken before it, and some files repeat the embedding under this name.
_UNEMBEDDING = ("lm_head.weight", "output.weight")
_FLOATS = ("F64", "F32", "F16", "BF16")


@dataclass(frozen=True, slots=True)
class Measure:
    parameters: int  # those that are read into memory
    stored_bytes: int  # of the weight files
    dtype: str  # of most parameters, as the file writes it: F32, BF16, Q4_1; `4-bit` for MLX's quantised ones


def measure(folder: Path) -> Measure:
    """Of all weight files at the root of a model's folder. Raises ModelCorrupt, InvalidInput (see `gguf.read`)."""
    files = sorted(folder.glob("*.safetensors"))
    if files:
        bits = _bits(folder / "config.json")
        kinds = Counter()
        for file in files:
            for tensor in safetensors.tensors(file):
                kinds[_kind(tensor, bits)] += _parameters(tensor, bits)
    else:
        files = sorted(folder.glob("*.gguf"))
        kinds = Counter()
        for file in files:
            for tensor in gguf.read(file).tensors:
                kinds[tensor.dtype] += 0 if tensor.name in _UNEMBEDDING else tensor.size
    if not files:
        raise corrupt(folder / "*", "expected safetensors or GGUF, found none")
    (dtype, _), *_ = kinds.most_common(1) or [("", 0)]
    return Measure(kinds.total(), sum(file.stat().st_size for file in files), dtype)


def _bits(config: Path) -> int:
    """Of MLX's quantisation; 0 for a checkpoint that is not quantised."""
    try:
        quantization = json.loads(config.read_text(encoding="utf-8")).get("quantization")
        bits = quantization["bits"] if quantization else 0
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0
    return bits if bits in (2, 3, 4, 5, 6, 8) else 0


def _kind(tensor: Tensor, bits: int) -> str:
    return f"{bits}-bit" if bits and tensor.dtype == _PACKED else tensor.dtype


def _parameters(tensor: Tensor, bits: int) -> int:
    """Parameters that are read: positions and other integers are none, nor are the scales of packed ones."""
    if tensor.name in _UNEMBEDDING:
        return 0
    if bits and tensor.dtype == _PACKED:
        return tensor.size * 32 // bits
    if bits and tensor.name.endswith((".scales", ".biases")):
        return 0
    return tensor.size if tensor.dtype in _FLOATS else 0
