"""Token ids to pooled hidden states, inside a worker. Owns which models are in memory."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path

import mlx.core as mx
import numpy as np

from reexd.engine import models
from reexd.engine.models import kernels

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
        """Pool the final states of a batch of windows.

        ids (n, t) int32, padded on the right; lengths (n,) tokens per row; the tokens begin <= i < end of
        each row are averaged -> (n, D) float32, and with pooling `mean-first` the first token's state beside it
        -> (n, 2D).
        """
        model = self.open(spec).model
        width = ids.shape[1]
        mask = None if lengths.min() == width else kernels.additive_mask(mx.array(lengths), width)
        states = model(mx.array(ids), mask)  # (n, t, D)
        place = np.arange(width)[None, :]
        pooled = (place >= begin[:, None]) & (place < end[:, None])
        shares = (pooled / (end - begin)[:, None]).astype(np.float32)
        vectors = (mx.array(shares)[:, None, :] @ states)[:, 0, :]  # (n, 1, t) x (n, t, D) -> (n, D)
        if spec["pooling"] == "mean-first":
            vectors = mx.concatenate([vectors, states[:, 0, :]], axis=1)
        mx.eval(vectors)
        return np.array(vectors)
