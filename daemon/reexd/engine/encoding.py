"""Token ids to pooled hidden states, inside a worker. Holds models from their first use until they are closed."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import mlx.core as mx
import numpy as np

from reexd.engine import models
from reexd.engine.models import kernels
from reexd.engine.models.form import BaseModel
from reexd.engine.tuning import adapters
from reexd.pooling import Pooling

_CONTEXTS_MAX = 4  # of one model whose keys and values are kept: tens of megabytes for a long prompt


class Encoders:
    def __init__(self) -> None:
        self._kept: dict[str, models.Loaded] = {}
        self._contexts: dict[str, dict[bytes, BaseModel]] = {}  # by model, the least recently used first

    def open(self, spec: dict) -> models.Loaded:
        """The model of a request's `model` entry, read on first use. Raises ModelCorrupt, InvalidSetting."""
        key = json.dumps(spec, sort_keys=True)
        if key not in self._kept:
            self._kept[key] = self._read(spec)
            mx.clear_cache()  # what fusing and converting left
        return self._kept[key]

    def _read(self, spec: dict) -> models.Loaded:
        """A tuned model shares whatever was not tuned with the one it was made from."""
        if "adapter" not in spec:
            return models.load(Path(spec["folder"]), spec["digests"])
        frozen = self.open({name: value for name, value in spec.items() if name != "adapter"})
        return adapters.applied(frozen, Path(spec["adapter"]))

    def close(self, spec: dict) -> None:
        """Forget a model, and the one that a tuned model was read over; the caller gives the memory back."""
        frozen = {name: value for name, value in spec.items() if name != "adapter"}
        for each in (spec, frozen):
            self._kept.pop(json.dumps(each, sort_keys=True), None)
            self._contexts.pop(json.dumps(each, sort_keys=True), None)

    def embed(
        self,
        spec: dict,
        pooling: Pooling,
        ids: np.ndarray,
        lengths: np.ndarray,
        begin: np.ndarray,
        end: np.ndarray,
        context: int = 0,
    ) -> np.ndarray:
        """Pool the states of a batch of windows.

        ids (n, t) int32, padded on the right; lengths (n,) tokens per row; of each row the tokens
        begin <= i < end are pooled -> (n, W D) float32, the results of W pooling words side by side. The first
        `context` tokens, which all rows share, are read once for all and have no states: `first` is what follows.
        """
        model = self.open(spec).model
        if context:
            model = self._after(spec, model, ids[0, :context])
            ids, lengths, begin, end = ids[:, context:], lengths - context, begin - context, end - context
        width = ids.shape[1]
        mask = None if lengths.min() == width else kernels.additive_mask(mx.array(lengths), width)
        walked = model.states(model.embed(mx.array(ids)), mask)
        vectors = pooled(model, walked, pooling, lengths, begin, end)
        mx.eval(vectors)
        return np.array(vectors)

    def states(self, spec: dict, pooling: Pooling, ids: np.ndarray, context: int) -> np.ndarray:
        """ids (1, t) int32 -> (t - context, D) float32: the states that `embed` would pool."""
        model = self.open(spec).model
        if context:
            model, ids = self._after(spec, model, ids[0, :context]), ids[:, context:]
        found = averaged(model, model.states(model.embed(mx.array(ids)), None), pooling)
        mx.eval(found)
        return np.array(found[0])

    def _after(self, spec: dict, model: BaseModel, context: np.ndarray) -> BaseModel:
        """The model as it reads what follows a context; the last few are kept."""
        kept = self._contexts.setdefault(json.dumps(spec, sort_keys=True), {})
        key = context.tobytes()
        found = kept.pop(key, None) or model.after(context.tolist())
        while len(kept) >= _CONTEXTS_MAX:
            del kept[next(iter(kept))]
        kept[key] = found
        return found


def pooled(
    model: BaseModel,
    walked: Iterable[mx.array],
    pooling: Pooling,
    lengths: np.ndarray,
    begin: np.ndarray,
    end: np.ndarray,
    context: np.ndarray | None = None,
) -> mx.array:
    """(n, W D): the states (n, t, D) of the last layers that were `walked`, averaged, then pooled word by word.

    `context` (n,): the leading tokens of each row that are no part of its text; none when it is left out.
    """
    states = averaged(model, walked, pooling)
    place = np.arange(states.shape[1])[None, :]
    counted = (place >= begin[:, None]) & (place < end[:, None])
    ends = np.zeros(len(lengths), np.int64) if context is None else context, lengths - 1
    return mx.concatenate([_pool(word, states, counted, ends) for word in pooling.words], axis=1)


def averaged(model: BaseModel, walked: Iterable[mx.array], pooling: Pooling) -> mx.array:
    """(n, t, D): the states of as many of the last layers as the pooling takes."""
    finished = [model.finish(x) for x in deque(walked, maxlen=pooling.layers)]
    return finished[0] if pooling.layers == 1 else sum(finished) / pooling.layers


def _pool(word: str, states: mx.array, pooled: np.ndarray, ends: tuple[np.ndarray, np.ndarray]) -> mx.array:
    """(n, t, D) states to (n, D) in the way of one word; `pooled` (n, t) tells the tokens that count, `ends` (n,) each
    the first and the last of the text."""
    if word == "mean":
        shares = (pooled / pooled.sum(axis=1, keepdims=True)).astype(np.float32)
        return (mx.array(shares)[:, None, :] @ states)[:, 0, :]  # (n, 1, t) x (n, t, D) -> (n, D)
    if word == "max":
        return mx.max(mx.where(mx.array(pooled)[:, :, None], states, -mx.inf), axis=1)
    return states[mx.arange(len(states)), mx.array(ends[word == "last"])]
