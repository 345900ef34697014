"""Token ids to pooled hidden states, inside a worker. Owns which models are in memory."""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from pathlib import Path

import mlx.core as mx
import numpy as np

from reexd.engine import models
from reexd.engine.models import kernels
from reexd.engine.models.form import BaseModel
from reexd.pooling import parse

KEPT_MAX = 2  # models in memory, per worker


class Encoders:
    def __init__(self) -> None:
        self._kept: OrderedDict[str, models.Loaded] = OrderedDict()

    def open(self, spec: dict) -> models.Loaded:
        """The model of a request's `model` entry, read on first use. Raises ModelCorrupt, InvalidSetting."""
        key = json.dumps(spec, sort_keys=True)
        if key not in self._kept:
            while len(self._kept) >= KEPT_MAX:
                self._kept.popitem(last=False)
                mx.clear_cache()
            self._kept[key] = models.load(Path(spec["folder"]), spec["digests"])
        self._kept.move_to_end(key)
        return self._kept[key]

    def embed(
        self, spec: dict, ids: np.ndarray, lengths: np.ndarray, begin: np.ndarray, end: np.ndarray
    ) -> np.ndarray:
        """Pool the states of a batch of windows.

        ids (n, t) int32, padded on the right; lengths (n,) tokens per row; of each row the tokens
        begin <= i < end are pooled -> (n, W D) float32, the results of W pooling words side by side.
        """
        model = self.open(spec).model
        width = ids.shape[1]
        mask = None if lengths.min() == width else kernels.additive_mask(mx.array(lengths), width)
        pooling = parse(spec["pooling"])
        states = last_states(model, mx.array(ids), mask, pooling.layers)  # (n, t, D)
        place = np.arange(width)[None, :]
        pooled = (place >= begin[:, None]) & (place < end[:, None])
        vectors = mx.concatenate([_pool(word, states, pooled, lengths) for word in pooling.words], axis=1)
        mx.eval(vectors)
        return np.array(vectors)


def last_states(model: BaseModel, ids: mx.array, mask: mx.array | None, layers: int) -> mx.array:
    """(n, t) token ids -> (n, t, D), the average of the last `layers` layers' states."""
    kept = deque(model.states(model.embed(ids), mask), maxlen=layers)
    finished = [model.finish(x) for x in kept]
    return finished[0] if layers == 1 else sum(finished) / layers


def _pool(word: str, states: mx.array, pooled: np.ndarray, lengths: np.ndarray) -> mx.array:
    """(n, t, D) states to (n, D) in the way of one word; `pooled` (n, t) tells the tokens that count."""
    if word == "mean":
        shares = (pooled / pooled.sum(axis=1, keepdims=True)).astype(np.float32)
        return (mx.array(shares)[:, None, :] @ states)[:, 0, :]  # (n, 1, t) x (n, t, D) -> (n, D)
    if word == "max":
        return mx.max(mx.where(mx.array(pooled)[:, :, None], states, -mx.inf), axis=1)
    if word == "first":
        return states[:, 0, :]
    return states[mx.arange(len(lengths)), mx.array(lengths - 1)]
