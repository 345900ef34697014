"""What an installed model is, read from its configuration and the headers of its weights. Opens no weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from reexd.weights import gguf
from reexd.weights.measure import measure

# Where configurations say how many components a token's state has, how many tokens are read at once, and how many
# layers there are.
_HIDDEN = ("hidden_size", "dim", "d_model", "n_embd")
_WINDOW = ("max_position_embeddings", "n_positions", "max_seq_len")
_LAYERS = ("num_hidden_layers", "n_layers", "num_layers", "n_layer")


@dataclass(frozen=True, slots=True)
class Facts:
    """Zero or empty: not said."""

    architecture: str = ""  # Hugging Face's model_type, or GGUF's general.architecture
    hidden_size: int = 0  # of one token's state
    window_tokens: int = 0  # what the model can read at once
    parameters: int = 0
    stored_bytes: int = 0  # of the weight files
    dtype: str = ""  # of most of them
    causal: bool = False  # a decoder: each token sees those before it
    layers: int = 0


def read(folder: Path) -> Facts:
    """Raises ModelCorrupt, or InvalidInput for a tensor type that is not read."""
    measured = measure(folder)
    config = json_object(folder / "config.json")
    if not config and (files := sorted(folder.glob("*.gguf"))):
        said = gguf.read(files[0]).metadata
        architecture = str(said.get("general.architecture", ""))
        hidden = said.get(f"{architecture}.embedding_length")
        window = said.get(f"{architecture}.context_length")
        layers = said.get(f"{architecture}.block_count")
        causal = bool(said.get(f"{architecture}.attention.causal", True))
    else:
        architecture = str(config.get("model_type", ""))
        hidden = next((config[key] for key in _HIDDEN if key in config), 0)
        window = next((config[key] for key in _WINDOW if key in config), 0)
        layers = next((config[key] for key in _LAYERS if key in config), 0)
        causal = is_causal(config)
    return Facts(
        architecture=architecture,
        hidden_size=_count(hidden),
        window_tokens=_count(window),
        parameters=measured.parameters,
        stored_bytes=measured.stored_bytes,
        dtype=measured.dtype,
        causal=causal,
        layers=_count(layers),
    )


def is_causal(config: dict) -> bool:
    """Whether a configuration is a decoder's, by the classes that it names."""
    classes = config.get("architectures")
    return isinstance(classes, list) and any(str(name).endswith("ForCausalLM") for name in classes)


def json_object(file: Path) -> dict:
    """What a file holds when that is a JSON object, else nothing."""
    value = _json(file)
    return value if isinstance(value, dict) else {}


def json_objects(file: Path) -> list[dict]:
    """The objects of the JSON list that a file holds, else none."""
    value = _json(file)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _json(file: Path) -> object:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _count(value: object) -> int:
    return value if type(value) is int and value > 0 else 0
