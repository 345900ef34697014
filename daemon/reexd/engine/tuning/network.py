"""The top layers of a model under a classification head, as functions of one flat vector of weights.

Owns the loss, its gradient and the layout of that vector. Must not know files, epochs or documents.

The vector holds the tuned layers from the lowest to the highest, then the head. Matrices lie as products take them,
(inputs, outputs): the transpose of the module's own weight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten

from reexd.engine.encoding import pooled
from reexd.engine.models import kernels
from reexd.engine.models.form import BaseModel
from reexd.engine.tuning.adamw import Segment
from reexd.engine.tuning.settings import TuneSettings
from reexd.pooling import Pooling


@dataclass(frozen=True, slots=True)
class Leaf:
    """One weight of one tuned layer, or of the head (layer -1)."""

    layer: int  # number in the model
    name: str
    shape: tuple[int, ...]  # as it lies in the vector
    begin: int

    @property
    def end(self) -> int:
        return self.begin + math.prod(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """n windows: what the lowest tuned layer reads, and which of it is pooled."""

    x: np.ndarray  # (n, t, hidden) float16 or float32, padded on the right
    lengths: np.ndarray  # (n,) tokens
    begin: np.ndarray  # (n,) the tokens begin <= i < end are pooled
    end: np.ndarray
    context: np.ndarray  # (n,) leading tokens that are no part of the document

    def mask(self) -> mx.array | None:
        width = self.x.shape[1]
        return None if self.lengths.min() == width else kernels.additive_mask(mx.array(self.lengths), width)


class Network:
    """`model` is changed in place by `place`: it must be this network's own, see `adapters.copied`."""

    def __init__(self, model: BaseModel, pooling: Pooling, settings: TuneSettings) -> None:
        self._model = model
        self._pooling = pooling
        self._settings = settings
        self._first = len(model.layers) - settings.layers
        self.leaves: list[Leaf] = []
        self._size = 0
        for number in range(self._first, len(model.layers)):
            for name, value in tree_flatten(model.layers[number].parameters()):
                self._leaf(number, name, value.shape[::-1] if value.ndim == 2 else value.shape)
        width = model.args.hidden_size * len(pooling.words)
        self._leaf(-1, "weight", (width, settings.class_count))
        self._leaf(-1, "bias", (settings.class_count,))
        self.centre = mx.zeros(width)  # of the pooled states, as the head reads them
        self.spread = mx.array(1.0)

    def _leaf(self, layer: int, name: str, shape: tuple[int, ...]) -> None:
        self.leaves.append(Leaf(layer, name, tuple(shape), self._size))
        self._size = self.leaves[-1].end

    def weights(self) -> np.ndarray:
        """The vector of the model as it is, (size,) float32, with a head of zeros."""
        vector = np.zeros(self._size, np.float32)
        for leaf in self.leaves[:-2]:
            value = dict(tree_flatten(self._model.layers[leaf.layer].parameters()))[leaf.name]
            lying = (value.T if value.ndim == 2 else value).astype(mx.float32)  # NumPy knows no bfloat16
            vector[leaf.begin : leaf.end] = np.asarray(lying).reshape(-1)
        return vector

    def segments(self) -> list[Segment]:
        """Rates fall by `layer_decay` per layer downwards; biases and norms are not decayed, nor is the head."""
        settings, highest = self._settings, len(self._model.layers) - 1
        return [
            Segment(
                leaf.begin,
                leaf.end,
                settings.head_learning_rate / settings.learning_rate
                if leaf.layer < 0
                else settings.layer_decay ** (highest - leaf.layer),
                float(leaf.layer >= 0 and len(leaf.shape) == 2),
            )
            for leaf in self.leaves
        ]

    def normalise(self, inputs: list[Inputs]) -> None:
        """Fix what the head takes for the middle and the spread of a component: those of these windows, untuned."""
        states = np.concatenate([np.array(self._pooled(each)) for each in inputs])
        self.centre = mx.array(states.mean(axis=0))
        self.spread = mx.array(np.float32(max(states.std(axis=0).mean(), 1e-6)))

    def place(self, vector: np.ndarray) -> None:
        """Make the model's weights those of a vector (without the head's)."""
        self._place([self._array(vector, leaf) for leaf in self.leaves[:-2]])

    def logits(self, vector: np.ndarray, inputs: Inputs) -> np.ndarray:
        """(n, C) float32, by the weights that were placed and the head of `vector`."""
        head = [self._array(vector, leaf) for leaf in self.leaves[-2:]]
        return np.array(self._head(head, self._pooled(inputs)))

    def gradient(
        self,
        vector: np.ndarray,
        inputs: Inputs,
        labels: np.ndarray,
        weights: np.ndarray,
        seed: int,
        out: np.ndarray,
        *,
        add: bool,
    ) -> float:
        """The gradient of the weighted cross-entropy, summed over the windows, into or added to `out`; the loss.

        labels, weights (n,). `seed` draws what is dropped.
        """
        kept = self._kept(len(labels), seed)
        target = mx.array(np.eye(self._settings.class_count, dtype=np.float32)[labels] * weights[:, None])

        def loss(leaves: list[mx.array]) -> mx.array:
            self._place(leaves[:-2])
            z = self._head(leaves[-2:], self._pooled(inputs), kept)
            return (target * (mx.logsumexp(z, axis=1, keepdims=True) - z)).sum()

        value, gradients = mx.value_and_grad(loss)([self._array(vector, leaf) for leaf in self.leaves])
        mx.eval(value, gradients)
        for leaf, gradient in zip(self.leaves, gradients, strict=True):
            flat = np.asarray(gradient).reshape(-1)
            if add:
                out[leaf.begin : leaf.end] += flat
            else:
                out[leaf.begin : leaf.end] = flat
        return value.item()

    def _kept(self, rows: int, seed: int) -> mx.array | None:
        share = self._settings.dropout
        if not share:
            return None
        drawn = mx.random.bernoulli(1 - share, (rows, self.centre.size), key=mx.random.key(seed))
        return drawn.astype(mx.float32) / (1 - share)

    def _head(self, head: list[mx.array], states: mx.array, kept: mx.array | None = None) -> mx.array:
        z = (states - self.centre) / self.spread
        return (z if kept is None else z * kept) @ head[0] + head[1]

    def _pooled(self, inputs: Inputs) -> mx.array:
        """(n, W D): what embedding these windows as texts of their own gives."""
        x = mx.array(inputs.x).astype(mx.float32)
        walked = self._model.states(x, inputs.mask(), self._first)
        given = inputs.lengths, inputs.begin, inputs.end, inputs.context
        states = pooled(self._model, walked, self._pooling, *given)
        if not self._pooling.unit:
            return states
        parts = states.reshape(len(states), len(self._pooling.words), -1)
        return mx.fast.rms_norm(parts, None, 1e-12).reshape(states.shape)

    def _place(self, leaves: list[mx.array]) -> None:
        by_layer: dict[int, list[tuple[str, mx.array]]] = {}
        for leaf, value in zip(self.leaves[:-2], leaves, strict=True):
            by_layer.setdefault(leaf.layer, []).append((leaf.name, value.T if value.ndim == 2 else value))
        for number, values in by_layer.items():
            layer: nn.Module = self._model.layers[number]
            layer.update(tree_unflatten(values))

    @staticmethod
    def _array(vector: np.ndarray, leaf: Leaf) -> mx.array:
        return mx.array(vector[leaf.begin : leaf.end].reshape(leaf.shape))
