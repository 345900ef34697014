"""Tuned models made from frozen ones and what a tuning changed. Fused: they run as fast as the frozen ones.

Owns the names of changes, `LAYER.WEIGHT`, and how they lie: matrices as (inputs, outputs), float16.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import mlx.core as mx
from mlx.utils import tree_flatten, tree_unflatten

from reexd.engine import models, states
from reexd.engine.models.form import BaseModel
from reexd.errors import InvalidSetting, ModelCorrupt


def copied(model: BaseModel) -> BaseModel:
    """A model of its own with the same weights, which take no memory until they are replaced.

    Raises InvalidSetting for one whose weights are packed.
    """
    for name, value in tree_flatten(model.parameters()):
        if not mx.issubdtype(value.dtype, mx.floating):
            raise InvalidSetting(
                f"quantised weights cannot be tuned; expected a model in floating point, received {value.dtype} in"
                f" {name}: choose another form of the model",
                name="tune",
            )
    twin = type(model)(model.args)
    twin.update(model.parameters())
    twin.eval()
    return twin


def applied(frozen: models.Loaded, folder: Path) -> models.Loaded:
    """The model with the changes in `folder` added to its weights. Raises ModelCorrupt when they do not fit it."""
    changes = states.load(folder, mapped=True).arrays
    model = copied(frozen.model)
    by_layer: dict[int, list[tuple[str, mx.array]]] = {}
    try:
        for name, change in changes.items():
            number, weight = name.split(".", 1)
            base = dict(tree_flatten(model.layers[int(number)].parameters()))[weight]
            by_layer.setdefault(int(number), []).append((weight, _changed(base, mx.array(change))))
    except (KeyError, IndexError, ValueError) as error:
        raise ModelCorrupt(f"the tuned layers do not fit model {frozen.architecture}: {error}") from error
    for number, weights in by_layer.items():
        model.layers[number].update(tree_unflatten(weights))
        mx.eval(model.layers[number].parameters())
    return dataclasses.replace(frozen, model=model)


def _changed(base: mx.array, change: mx.array) -> mx.array:
    lying = base.T if base.ndim == 2 else base
    if lying.shape != change.shape:
        raise ValueError(f"a change of shape {lying.shape} expected, got {change.shape}")
    # In the type of the layers around it, or what follows it would be computed in the wider of the two.
    summed = (lying + change.astype(mx.float32)).astype(base.dtype)
    return summed.T if base.ndim == 2 else summed
