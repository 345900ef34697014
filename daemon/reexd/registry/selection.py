"""Which files of a model folder are taken, and what they say about pooling and window. Knows no source.

A name that is not listed here is never copied, so pickles, code and stray links stay where they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reexd.errors import InvalidInput

REQUIRED = ("config.json", "tokenizer.json")
OPTIONAL = (
    "1_Pooling/config.json",
    "config_sentence_transformers.json",
    "generation_config.json",
    "model.safetensors.index.json",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
    "LICENSE",
    "LICENSE.txt",
    "NOTICE",
)
WEIGHTS_SUFFIX = ".safetensors"

# Everything but the weights is small; a larger one is not what its name says.
OTHER_FILE_MAX_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Reading:
    """How a text becomes a vector. `pooling`: mean, first, max, last, joined by `+`; 0 tokens: the model's own."""

    pooling: str = "mean"
    window_tokens: int = 0
    query_prefix: str = ""


def select(names: Iterable[str], where: str) -> list[str]:
    """The files to take of those a source has at the model's root, sorted.

    Raises InvalidInput when one that is needed is missing, above all safetensors.
    """
    present = set(names)
    weights = {name for name in present if name.endswith(WEIGHTS_SUFFIX) and "/" not in name}
    # Some repositories carry the same tensors twice, once in their author's own layout.
    weights = {name for name in weights if name.startswith("model")} or weights
    if not weights:
        pickled = sorted(name for name in present if name.endswith((".bin", ".pt", ".pth", ".ckpt", ".pkl")))
        found = f"only {', '.join(pickled[:3])}, which can run code when opened" if pickled else "none"
        raise InvalidInput(
            f"{where}: expected weights in safetensors at the model's root, found {found}. "
            "Choose a revision or a repository that has them.",
            source=where,
        )
    missing = [name for name in REQUIRED if name not in present]
    if missing:
        raise InvalidInput(
            f"{where}: expected {', '.join(missing)} beside the weights, found none.", source=where
        )
    return sorted(weights | present.intersection(REQUIRED + OPTIONAL))


def check_sizes(sizes: Mapping[str, int], where: str, size_max_bytes: int) -> None:
    """Refuse what is larger than it may be, before a byte of it is written. Raises InvalidInput."""
    for name, size in sizes.items():
        if not name.endswith(WEIGHTS_SUFFIX) and size > OTHER_FILE_MAX_BYTES:
            raise InvalidInput(
                f"{where}: expected {name} of at most {OTHER_FILE_MAX_BYTES} bytes, it has {size}."
            )
    total = sum(sizes.values())
    if total > size_max_bytes:
        raise InvalidInput(f"{where}: expected a model of at most {size_max_bytes} bytes, it has {total}.")


def reading(folder: Path) -> Reading:
    """What a sentence-transformers folder says of itself; plain defaults where it says nothing."""
    pooling = _object(folder / "1_Pooling" / "config.json")
    modes = {
        "mean": pooling.get("pooling_mode_mean_tokens"),
        "first": pooling.get("pooling_mode_cls_token"),
        "max": pooling.get("pooling_mode_max_tokens"),
        "last": pooling.get("pooling_mode_lasttoken"),
    }
    window = _object(folder / "sentence_bert_config.json").get("max_seq_length")
    prompts = _object(folder / "config_sentence_transformers.json").get("prompts")
    prefix = prompts.get("query") if isinstance(prompts, dict) else None
    return Reading(
        pooling="+".join(name for name, on in modes.items() if on is True) or "mean",
        window_tokens=window if type(window) is int and 0 < window < 1 << 20 else 0,
        query_prefix=prefix if isinstance(prefix, str) else "",
    )


def _object(file: Path) -> dict:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
