"""The form that every model file has: how `config.json` is read, and how a forward pass is divided.

A forward pass has three steps, so that pooling may take more than the last layer and tuning may begin at any of
them: `embed` makes the input of the first layer, `states` walks the layers, `finish` is the norm after the last one.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import mlx.core as mx
import mlx.nn as nn


@dataclass(frozen=True)
class BaseModelArgs:
    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> Self:
        """Fields of this class found in `config`; TypeError when one without a default is missing."""
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in config.items() if name in names})


class BaseModel(nn.Module):
    """n texts of t tokens, padded on the right; `mask` is `kernels.additive_mask`, or None when nothing is padded."""

    reads_prompts = False
    layers: list[nn.Module]  # what `states` walks, lowest first: the units that tuning takes or leaves

    def embed(self, ids: mx.array) -> mx.array:
        """(n, t) token ids -> (n, t, hidden), what the first layer reads."""
        raise NotImplementedError

    def states(self, x: mx.array, mask: mx.array | None = None, begin: int = 0) -> Iterator[mx.array]:
        """Walk the layers from number `begin`, whose input x (n, t, hidden) is; yields each layer's output."""
        raise NotImplementedError

    def finish(self, x: mx.array) -> mx.array:
        """A layer's output as a reader is meant to see it: the final norm, where the architecture has one."""
        return x

    def __call__(self, ids: mx.array, mask: mx.array | None = None) -> mx.array:
        """(n, t) token ids -> (n, t, hidden) final states."""
        (last,) = deque(self.states(self.embed(ids), mask), maxlen=1)
        return self.finish(last)

    def after(self, ids: Sequence[int]) -> BaseModel:
        """The model as it reads what follows the tokens `ids`, of decoders: they are not read again with each text."""
        raise NotImplementedError

    def check(self) -> None:
        """Refuse weights that were read and cannot be used. Raises InvalidSetting."""

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        """The checkpoint's tensors under this module's names. KeyError when one is missing."""
        raise NotImplementedError
