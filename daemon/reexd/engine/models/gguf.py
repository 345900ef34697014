"""Reading GGUF files that nobody vouches for: digest, then header, then MLX; tensors under Hugging Face's names.

llama.cpp's converter moves the rows of llama's queries and keys so that a rotation turns neighbouring components;
they are moved back here. Packed tensors (Q4_0, Q4_1, Q8_0) come as MLX packs them, in groups of 32.
"""

from __future__ import annotations

from pathlib import Path

import mlx.core as mx

from reexd.engine import gguf
from reexd.engine.models import safetensors
from reexd.weights import gguf as headers
from reexd.weights.tensor import corrupt

_GROUP = 32


def load(path: Path, digest: str | None, config: dict) -> tuple[dict[str, mx.array], dict]:
    """The tensors of a checked file, and how those that have `scales` are packed."""
    safetensors.verify(path, digest)
    headers.read(path)
    tensors = {}
    try:
        for name, value in mx.load(str(path), format="gguf").items():
            found = gguf.hugging_face_name(name)
            if found is None:
                continue
            module = found.rpartition(".")[0]
            if config["model_type"] in gguf.PAIRED and module.endswith(("q_proj", "k_proj")):
                heads = config["num_attention_heads" if module.endswith("q_proj") else "num_key_value_heads"]
                value = _halves(value, heads)
            tensors[found] = value
    except KeyError as error:
        raise corrupt(path, f"tensor {error} is none of a {config['model_type']} model's") from error
    return tensors, {"group_size": _GROUP}


def _halves(rows: mx.array, heads: int) -> mx.array:
    """Rows (h d, ...) whose neighbours turn together, as a rotation of a head's two halves wants them."""
    apart = rows.reshape(heads, -1, 2, *rows.shape[1:])
    return apart.swapaxes(1, 2).reshape(rows.shape)
