"""The language models, one file per architecture, found by Hugging Face's `model_type`.

A model file holds `ModelArgs` (a dataclass filled from config.json) and `Model` (see form.py; attribute names are
the checkpoint's, `sanitize` adapts its tensors). To add one: write the file, name it in `ARCHITECTURES`.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reexd.errors import InvalidSetting, ModelCorrupt

if TYPE_CHECKING:
    from reexd.engine.models.form import BaseModel


@dataclass(frozen=True, slots=True)
class Architecture:
    """Which file reads it, and how many entries of its position table precede the first token's."""

    file: str
    first_position: int = 0


ARCHITECTURES = {
    "bert": Architecture("bert"),
    "camembert": Architecture("xlm_roberta", first_position=2),
    "deberta-v2": Architecture("deberta_v2"),
    "distilbert": Architecture("distilbert"),
    "modernbert": Architecture("modernbert"),
    "mpnet": Architecture("mpnet", first_position=2),
    "roberta": Architecture("xlm_roberta", first_position=2),
    "xlm-roberta": Architecture("xlm_roberta", first_position=2),
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model whose weights are in memory."""

    model: BaseModel
    architecture: str
    hidden_size: int
    layers: int
    parameters: int
    multiplied: int  # parameters that each token is multiplied with: all but those that are looked up
    size_bytes: int


def load(folder: Path, digests: dict[str, str]) -> Loaded:
    """Open a Hugging Face folder: config.json and one or more safetensors files, never pickle.

    `digests`: file name -> hex SHA-256, verified where given. Raises ModelCorrupt for files that are damaged
    or do not fit together, InvalidSetting for an architecture this build does not know.
    """
    import mlx.core as mx
    import mlx.nn as nn
    from mlx.utils import tree_flatten

    from reexd.engine.models import safetensors

    config = read_config(folder)
    architecture = config["model_type"]
    module = importlib.import_module(f"reexd.engine.models.{ARCHITECTURES[architecture].file}")
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ModelCorrupt(f"{folder.name}: expected *.safetensors, found none. Pull the model again.")
    tensors: dict[str, mx.array] = {}
    for path in files:
        tensors.update(safetensors.load(path, digests.get(path.name)))
    try:
        args = module.ModelArgs.from_dict(config)
        model = module.Model(args)
        # Taken out one by one, so that what was converted is not held beside what it became.
        weights = model.sanitize({name: tensors.pop(name).astype(mx.float32) for name in list(tensors)})
        model.load_weights(list(weights.items()), strict=True)
    except (ValueError, TypeError, KeyError) as error:
        raise ModelCorrupt(f"{folder.name}: config.json and weights do not fit together: {error}") from error
    model.eval()
    leaves = [value for _, value in tree_flatten(model.parameters())]
    mx.eval(leaves)
    parameters = sum(leaf.size for leaf in leaves)
    tables = [each.weight.size for _, each in model.named_modules() if isinstance(each, nn.Embedding)]
    return Loaded(
        model=model,
        architecture=architecture,
        hidden_size=args.hidden_size,
        layers=args.num_hidden_layers,
        parameters=parameters,
        multiplied=parameters - sum(tables),
        size_bytes=sum(leaf.nbytes for leaf in leaves),
    )


def read_config(folder: Path) -> dict:
    """config.json of a model whose architecture is known here."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        architecture = config["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelCorrupt(
            f"{folder.name}: config.json with a model_type expected: {error}. Pull the model again."
        ) from error
    if architecture not in ARCHITECTURES:
        raise InvalidSetting(
            f"model {folder.name} is of type {architecture!r}; this build reads {', '.join(ARCHITECTURES)}. "
            "Choose another model: reexctl models list",
            architecture=architecture,
        )
    return config


def positions(config: dict) -> int:
    """The longest sequence, in tokens, that a model's position table has entries for."""
    return int(config["max_position_embeddings"]) - ARCHITECTURES[config["model_type"]].first_position
