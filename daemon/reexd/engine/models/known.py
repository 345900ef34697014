"""Which architectures are read, by Hugging Face's `model_type`: a table of files here, and mlx-lm's own files.

Looks at names only: neither MLX nor mlx-lm is imported, so that the daemon may ask.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reexd.errors import InvalidSetting


@dataclass(frozen=True, slots=True)
class Architecture:
    """Which file reads it, and how many entries of its position table precede the first token's."""

    file: str
    first_position: int = 0


ENCODERS = {
    "bert": Architecture("bert"),
    "camembert": Architecture("xlm_roberta", first_position=2),
    "deberta-v2": Architecture("deberta_v2"),
    "distilbert": Architecture("distilbert"),
    "modernbert": Architecture("modernbert"),
    "mpnet": Architecture("mpnet", first_position=2),
    "roberta": Architecture("xlm_roberta", first_position=2),
    "xlm-roberta": Architecture("xlm_roberta", first_position=2),
}

# Held to the reference implementation by a test, and the file of mlx-lm that reads each. Any other that mlx-lm has
# a file for is tried, and checked against mlx-lm's own pass when it is loaded.
DECODERS = {
    "gemma2": "gemma2",
    "gemma3_text": "gemma3_text",
    "llama": "llama",
    "mistral": "llama",
    "phi3": "phi3",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "smollm3": "smollm3",
}
# Whose alternating layers look back over `sliding_window` tokens, which mlx-lm's file leaves out: the two agree on
# sequences that are no longer than that, so none is given to them.
UNWINDOWED = ("gemma2",)
ORIGINAL_POSITIONS = 4096  # where a configuration with LongRoPE does not say them
INSTALL = "pip install 'reex[decoders]'"


def architectures() -> list[str]:
    """Every `model_type` that can be opened with what is installed."""
    library = _library()
    return [*ENCODERS, *(dict.fromkeys([*DECODERS, *sorted(library)]) if library else ())]


def is_decoder(architecture: str) -> bool:
    return architecture not in ENCODERS and (architecture in DECODERS or architecture in _library())


def decoder_file(architecture: str) -> str:
    """The module of mlx-lm that reads it."""
    return DECODERS.get(architecture, architecture)


def original_positions(config: Mapping[str, Any]) -> int | None:
    """Up to how many tokens a model with LongRoPE turns positions by its short factors; None for any other."""
    scaling = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if "short_factor" not in scaling:
        return None
    name = "original_max_position_embeddings"
    return int(config.get(name) or scaling.get(name) or ORIGINAL_POSITIONS)


def check(name: str, architecture: str) -> None:
    """Raises InvalidSetting when this `model_type` of model `name` cannot be opened here, with what helps."""
    if architecture in ENCODERS or (is_decoder(architecture) and _library()):
        return
    if architecture in DECODERS:
        raise InvalidSetting(
            f"model {name} is a decoder ({architecture}), which mlx-lm reads, and that is not installed where the"
            f" daemon runs: {INSTALL}, then start the daemon again",
            architecture=architecture,
        )
    more = "" if _library() else f", and with {INSTALL} {', '.join(DECODERS)}"
    raise InvalidSetting(
        f"model {name} is of type {architecture!r}; this build reads {', '.join(architectures())}{more}. "
        "Choose another model: reexctl models list",
        architecture=architecture,
    )


@functools.cache
def _library() -> frozenset[str]:
    """The names of mlx-lm's model files; none when it is not installed."""
    found = importlib.util.find_spec("mlx_lm")  # a top-level name: nothing is imported
    if found is None or not found.submodule_search_locations:
        return frozenset()
    folder = Path(found.submodule_search_locations[0]) / "models"
    return frozenset(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
