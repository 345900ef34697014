"""The adaptor in MLX: an affine map to exemplars and an affine map to logits (sdm.md 3, 6).

Owns: forward and gradient. Must not know: epochs, splits, q and d beyond their use as constants.

Gradients are written out. With g = dloss/dz' (n, C), logits are affine in x, z' = x A^T + c with A = W' W, so
that G = g^T x (C, D) carries everything the two layers need:
    dW = W'^T G   dW' = G W^T + s b^T   db = W'^T s   db' = s   where s = column sums of g.
That is 3 C M D + 2 n C D products against 2 n M D + 3 n C M for the layers one after the other; the smaller
is taken. Both are exact in real arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import mlx.core as mx
import numpy as np

from reexd.sdm import Q_OFFSET, AdaptorWeights


class Parameters(NamedTuple):
    """W (M, D), b (M,), W' (C, M), b' (C,); float32. Also the shape of gradients."""

    projection_weight: mx.array
    projection_bias: mx.array
    classifier_weight: mx.array
    classifier_bias: mx.array

    @classmethod
    def of(cls, weights: AdaptorWeights) -> Parameters:
        return cls(*(mx.array(array) for array in weights.arrays()))

    def to_weights(self) -> AdaptorWeights:
        return AdaptorWeights(*(np.array(array) for array in self))

    def logit_map(self) -> tuple[mx.array, mx.array]:
        """(A (C, D), c (C,)) with z' = x A^T + c."""
        inner = self.classifier_weight @ self.projection_bias + self.classifier_bias
        return self.classifier_weight @ self.projection_weight, inner


def named(arrays: Iterable[np.ndarray], prefix: str = "") -> dict[str, np.ndarray]:
    """The four arrays of an adaptor under the names that files have them by."""
    return {prefix + name: array for name, array in zip(Parameters._fields, arrays, strict=True)}


def unnamed(arrays: Mapping[str, np.ndarray], prefix: str = "") -> tuple[np.ndarray, ...]:
    """The inverse of `named`."""
    return tuple(arrays[prefix + name] for name in Parameters._fields)


class Batch(NamedTuple):
    """n rows. `q` and `d` are constants of the loss; `weight` multiplies a row's loss."""

    x: mx.array  # (n, D), normalised
    target: mx.array  # (n, C) float32, one-hot labels
    base: mx.array  # (n,) float32, ln(2 + q)
    d: mx.array  # (n,) float32
    weight: mx.array  # (n,) float32


def logarithm_base(q: np.ndarray, q_offset: float = Q_OFFSET) -> np.ndarray:
    """ln(q_offset + q), (n,) float32."""
    return np.log(np.asarray(q, dtype=np.float32) + np.float32(q_offset))


def row_weights(labels: np.ndarray, class_count: int, *, balanced: bool) -> np.ndarray:
    """Weight of each training row's loss, mean 1: n / (C n_y) when balanced, else 1; (n,) float32."""
    if not balanced:
        return np.ones(labels.size, dtype=np.float32)
    counts = np.bincount(labels, minlength=class_count)
    return (labels.size / (class_count * counts))[labels].astype(np.float32)


def loss_and_gradients(parameters: Parameters, batch: Batch) -> tuple[mx.array, Parameters]:
    """Weighted mean SDM loss over the batch (act Eq. 7), and its gradients; both lazy."""
    rows, features = batch.x.shape
    classes, exemplars = parameters.classifier_weight.shape
    direct = 2 * rows * exemplars * features + 3 * rows * classes * exemplars
    factored = 3 * classes * exemplars * features + 2 * rows * classes * features
    if factored < direct:
        logit_map, bias = parameters.logit_map()
        loss, residual = _loss(batch.x @ logit_map.T + bias, batch)
        carried, summed = residual.T @ batch.x, residual.sum(axis=0)
        outer = parameters.classifier_weight.T
        return loss, Parameters(
            outer @ carried,
            outer @ summed,
            carried @ parameters.projection_weight.T + summed[:, None] * parameters.projection_bias[None, :],
            summed,
        )
    exemplar = batch.x @ parameters.projection_weight.T + parameters.projection_bias
    loss, residual = _loss(exemplar @ parameters.classifier_weight.T + parameters.classifier_bias, batch)
    backward = residual @ parameters.classifier_weight  # (n, M)
    return loss, Parameters(
        backward.T @ batch.x, backward.sum(axis=0), residual.T @ exemplar, residual.sum(axis=0)
    )


def _loss(logits: mx.array, batch: Batch) -> tuple[mx.array, mx.array]:
    """(mean loss, dloss/dz' (n, C)): d (sdm - onehot) / n, for the factors ln(2 + q) cancel (sdm.md 6)."""
    scaled = logits * (batch.d * batch.base)[:, None]
    logarithms = scaled - mx.logsumexp(scaled, axis=1, keepdims=True)
    losses = -(logarithms * batch.target).sum(axis=1) / batch.base
    share = batch.weight / logits.shape[0]
    residual = (mx.exp(logarithms) - batch.target) * (share * batch.d)[:, None]
    return (losses * share).sum(), residual
