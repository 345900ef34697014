"""The language models, one file per architecture, found by Hugging Face's `model_type`.

A model file holds `ModelArgs` (a dataclass filled from config.json) and `Model` (see form.py; attribute names are
the checkpoint's, `sanitize` adapts its tensors). To add one: write the file, name it in `known.ENCODERS`. Decoders
share one file, over mlx-lm's.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reexd.engine.gguf import config as gguf_config
from reexd.engine.gguf import file as gguf_file
from reexd.engine.models import known
from reexd.errors import ModelCorrupt
from reexd.weights.gguf import read as gguf_header

if TYPE_CHECKING:
    import mlx.core as mx

    from reexd.engine.models.form import BaseModel


_POSITIONS_MAX = 1 << 20  # of rotary positions that nobody bounded


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
    """Open a Hugging Face folder: config.json and one or more safetensors files, or one GGUF file, never pickle.

    `digests`: file name -> hex SHA-256, verified where given. Raises ModelCorrupt for files that are damaged
    or do not fit together, InvalidSetting for an architecture this build does not know.
    """
    import mlx.core as mx
    import mlx.nn as nn
    from mlx.utils import tree_flatten

    from reexd.engine.models import kernels, packed

    config = read_config(folder)
    architecture = config["model_type"]
    decoder = known.is_decoder(architecture)
    module = importlib.import_module(
        f"reexd.engine.models.{'decoder' if decoder else known.ENCODERS[architecture].file}"
    )
    tensors, quantization = _read(folder, digests, config)
    as_stored = decoder and kernels.on_metal()
    try:
        args = module.ModelArgs.from_dict(config)
        model = module.Model(args)
        if not as_stored:
            tensors = packed.unpacked(tensors, quantization)
        if as_stored:
            weights = model.sanitize(tensors)
            model.pack(weights, quantization)
        else:
            # Taken out one by one, so that what was converted is not held beside what it became.
            weights = model.sanitize({name: tensors.pop(name).astype(mx.float32) for name in list(tensors)})
        model.load_weights(list(weights.items()), strict=True)
    except (ValueError, TypeError, KeyError) as error:
        raise ModelCorrupt(f"{folder.name}: config.json and weights do not fit together: {error}") from error
    model.eval()
    leaves = [value for _, value in tree_flatten(model.parameters())]
    mx.eval(leaves)
    model.check()
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


def _read(folder: Path, digests: dict[str, str], config: dict) -> tuple[dict[str, mx.array], dict]:
    """The tensors of all weight files under Hugging Face's names, and how those are packed that are."""
    from reexd.engine.models import gguf, safetensors

    if gguf_file(folder) is not None:
        return gguf.load(gguf_file(folder), digests.get(gguf_file(folder).name), config)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ModelCorrupt(
            f"{folder.name}: expected *.safetensors or a .gguf, found none. Pull the model again."
        )
    tensors: dict[str, mx.array] = {}
    for path in files:
        tensors.update(safetensors.load(path, digests.get(path.name)))
    return tensors, config.get("quantization") or {}


def read_config(folder: Path) -> dict:
    """config.json of a model whose architecture is known here, or what a GGUF file says in its place."""
    try:
        file = gguf_file(folder)
        config = (
            json.loads((folder / "config.json").read_text(encoding="utf-8"))
            if file is None
            else gguf_config(gguf_header(file), folder.name)
        )
        architecture = config["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelCorrupt(
            f"{folder.name}: config.json with a model_type expected: {error}. Pull the model again."
        ) from error
    known.check(folder.name, architecture)
    return config


def positions(config: dict) -> int:
    """The longest sequence, in tokens, that a model's position table has entries for, or that it is read rightly in."""
    encoder = known.ENCODERS.get(config["model_type"])
    if encoder is not None:
        return int(config["max_position_embeddings"]) - encoder.first_position
    said = {**config.get("text_config", {}), **config}
    most = int(said.get("max_position_embeddings") or _POSITIONS_MAX)
    most = min(most, known.original_positions(config) or most)
    if config["model_type"] in known.UNWINDOWED and said.get("sliding_window"):
        return min(most, int(said["sliding_window"]))
    return most


def layers(config: dict) -> int:
    """How many a model's configuration says that it has; 0 where it does not, and then the model cannot be opened."""
    said = {**config.get("text_config", {}), **config}
    found = said.get("num_hidden_layers", said.get("n_layers"))
    return found if type(found) is int else 0
