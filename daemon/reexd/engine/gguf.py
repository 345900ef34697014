"""What a GGUF file says of itself, in Hugging Face's words: configuration and names of tensors. Opens no weights.

Source of keys and names: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and llama.cpp's gguf-py.
"""

from __future__ import annotations

import re
from pathlib import Path

from reexd.errors import InvalidSetting
from reexd.weights.gguf import Header

ARCHITECTURES = ("llama", "qwen2", "qwen3")
# In these llama.cpp turns pairs of neighbouring components, and its files have queries' and keys' rows in that order.
PAIRED = ("llama",)

_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_OUTSIDE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}
_UNEMBEDDING = "output."
_LAYER = re.compile(r"blk\.(\d+)\.([a-z_]+)\.([a-z]+)")


def file(folder: Path) -> Path | None:
    """The file a model is read from when there are no safetensors beside it."""
    if any(folder.glob("*.safetensors")):
        return None
    return next(iter(sorted(folder.glob("*.gguf"))), None)


def config(header: Header, name: str) -> dict:
    """As config.json says it. Raises InvalidSetting for what is not read from GGUF, KeyError for what is missing."""
    said = header.metadata
    architecture = str(said["general.architecture"])
    if architecture not in ARCHITECTURES:
        raise InvalidSetting(
            f"model {name} is a GGUF file of type {architecture!r}; of these {', '.join(ARCHITECTURES)} are read."
            " Pull the model's safetensors instead",
            architecture=architecture,
        )

    def value(key: str, default: object = None):
        found = said.get(f"{architecture}.{key}", default)
        if found is None:
            raise KeyError(f"{architecture}.{key}")
        return found

    stretched = value("rope.scaling.type", "none")
    if stretched != "none" or any(tensor.name.startswith("rope_") for tensor in header.tensors):
        raise InvalidSetting(
            f"model {name} is a GGUF file with stretched rotary positions, which are not read from GGUF. Pull the"
            " model's safetensors instead",
            architecture=architecture,
        )
    heads, hidden = value("attention.head_count"), value("embedding_length")
    embedding = next(tensor for tensor in header.tensors if tensor.name == "token_embd.weight")
    return {
        "model_type": architecture,
        "hidden_size": hidden,
        "num_hidden_layers": value("block_count"),
        "intermediate_size": value("feed_forward_length"),
        "num_attention_heads": heads,
        "num_key_value_heads": value("attention.head_count_kv", heads),
        "head_dim": value("attention.key_length", hidden // heads),
        "rms_norm_eps": value("attention.layer_norm_rms_epsilon"),
        "vocab_size": embedding.shape[1],  # extents are written fastest first
        "max_position_embeddings": value("context_length"),
        "rope_theta": value("rope.freq_base", 10_000.0),
        "tie_word_embeddings": True,  # whether or not: the unembedding is not read
        "architectures": ["ForCausalLM"],
    }


def hugging_face_name(name: str) -> str | None:
    """The tensor's name in a Hugging Face checkpoint; None for one that is not read. Raises KeyError if unknown."""
    if name.startswith(_UNEMBEDDING):
        return None
    if found := _LAYER.fullmatch(name):
        return f"model.layers.{found[1]}.{_NAMES[found[2]]}.{found[3]}"
    outside, _, part = name.partition(".")
    return f"{_OUTSIDE[outside]}.{part}"
