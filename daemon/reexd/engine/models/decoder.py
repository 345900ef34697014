"""Decoders (Hugging Face `model_type: llama | qwen3 | gemma3_text ...`): all that mlx-lm knows, through its own code.

A pass is mlx-lm's, from the embedding to the final norm and without the unembedding. Its layers are reached by standing
in for them while it runs, so that what differs between families (masks, scaled embeddings, kinds of layers) stays in
the library. Attention is causal: a text's states do not depend on padding to its right, and no mask is needed.

What many texts have before them, a prompt above all, is read once: `after` keeps its keys and values.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import mlx.core as mx
import mlx.nn as nn

from reexd.engine.models import checkpoint, kernels, known, packed
from reexd.engine.models.form import BaseModel, BaseModelArgs
from reexd.engine.models.known import DECODERS, decoder_file
from reexd.errors import InvalidSetting

_CHECKED_TOKENS, _CHECKED_CONTEXT = 6, 2
_CHECKED_TOLERANCE = 1e-2  # relative: a checkpoint's own type may be bfloat16


@dataclass(frozen=True)
class ModelArgs(BaseModelArgs):
    model_type: str
    hidden_size: int
    num_hidden_layers: int
    config: dict[str, Any] = field(default_factory=dict, repr=False)  # all of it: mlx-lm's classes read it

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> Self:
        # Where a model sees as well, what it reads texts with is described apart.
        said = {**config.get("text_config", {}), **config}
        return cls(
            config["model_type"],
            said["hidden_size"],
            said["num_hidden_layers"],
            {**config, **_rotations(config)},
        )


def _rotations(config: dict[str, Any]) -> dict[str, Any]:
    """What newer configurations say of rotary positions in one entry, in the older words that mlx-lm's classes read."""
    said = config.get("rope_parameters") or {}
    local, said = said.get("sliding_attention") or {}, said.get("full_attention") or said
    found = {name: said.get(name) for name in ("rope_theta", "partial_rotary_factor")}
    found["rope_local_base_freq"] = local.get("rope_theta")
    if said.get("rope_type", "default") != "default":
        found["rope_scaling"] = said
    scaling = found.get("rope_scaling") or config.get("rope_scaling") or {}
    if "short_factor" in scaling:
        # LongRoPE (Ding et al. 2024) has factors for sequences of up to the original length and others beyond, and
        # mlx-lm takes the second for both. Windows are no longer than that length: see `known.original_positions`.
        kind = scaling.get("type") or scaling["rope_type"]
        found["rope_scaling"] = {**scaling, "type": kind, "long_factor": scaling["short_factor"]}
        found["original_max_position_embeddings"] = known.original_positions(config)
    return {name: value for name, value in found.items() if value is not None}


class Past:
    """Keys and values (1, h, p, d) of one layer over the p tokens before those that are read, for any number of texts.

    Stands where mlx-lm has its caches. Made without any, it keeps those of the tokens that pass.
    """

    def __init__(self, kept: tuple[mx.array, mx.array] | None = None) -> None:
        self.offset = 0 if kept is None else kept[0].shape[2]
        self.seen: tuple[mx.array, mx.array] | None = None
        self._kept = kept

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """All keys and values for n texts; nothing is updated once they are kept."""
        if self._kept is None:
            self.seen = keys, values
            return self.seen
        before = (mx.broadcast_to(part, (keys.shape[0], *part.shape[1:])) for part in self._kept)
        k, v = (mx.concatenate(pair, axis=2) for pair in zip(before, (keys, values), strict=True))
        return k, v

    def make_mask(self, tokens: int, return_array: bool = False, window_size: int | None = None):
        """Whom each of the tokens sees, in the forms that mlx-lm hands to its attention."""
        from mlx_lm.models.base import create_causal_mask

        if return_array or (window_size and self.offset + tokens > window_size):
            return create_causal_mask(tokens, self.offset, window_size=window_size)
        return None if tokens == 1 else "causal"


class _Stand:
    """In the place of a layer for one pass: runs it, or hands on what it is given; keeps what came out."""

    def __init__(self, layer: nn.Module, out: list[mx.array], *, runs: bool, given: mx.array | None) -> None:
        self._layer, self._out, self._runs, self._given = layer, out, runs, given

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)

    def __call__(self, x: mx.array, *rest: Any, **named: Any) -> mx.array:
        x = x if self._given is None else self._given
        x = self._layer(x, *rest, **named) if self._runs else x
        self._out.append(x)
        return x


class Model(BaseModel):
    reads_prompts = True

    def __init__(
        self, args: ModelArgs, inner: nn.Module | None = None, past: list[Past] | None = None
    ) -> None:
        super().__init__()
        self.args = args
        self.inner = _inner(_whole(args)) if inner is None else inner
        self._past = past

    @property
    def layers(self) -> list[nn.Module]:
        return self.inner.layers

    def embed(self, ids: mx.array) -> mx.array:
        out, _ = self._pass(ids, range(0))
        return out[0]

    def states(self, x: mx.array, mask: mx.array | None = None, begin: int = 0) -> Iterator[mx.array]:  # noqa: ARG002
        out, _ = self._pass(_any_ids(x), range(begin, len(self.layers)), begin, x)
        out = [*out[:begin:-1], out[begin]]
        while out:  # what was handed over is not held here, so that it can go once it is computed
            yield out.pop()

    def finish(self, x: mx.array) -> mx.array:
        _, normed = self._pass(_any_ids(x), range(0), len(self.layers) - 1, x)
        return normed.astype(mx.float32)

    def after(self, ids: Sequence[int]) -> Model:
        """This model as it reads what follows the p tokens `ids`: with the same states as if it read both."""
        past = [Past() for _ in self.layers]
        reader = Model(self.args, self.inner, past)
        reader._pass(mx.array([list(ids)]), range(len(past)))
        kept = [Past(each.seen) for each in past]
        mx.eval([each.seen for each in past])
        return Model(self.args, self.inner, kept)

    def _pass(
        self, ids: mx.array, runs: range, given_at: int = -1, given: mx.array | None = None
    ) -> tuple[list[mx.array], mx.array]:
        """mlx-lm's pass over (n, t) ids with only the layers of `runs`; what each put out, and the normed end.

        Layer `given_at` gets `given` for its input. Nothing is computed before it is asked for: neither an embedding
        that is replaced nor a layer whose output nobody takes.
        """
        layers, out = self.inner.layers, []
        self.inner.layers = [
            _Stand(layer, out, runs=number in runs, given=given if number == given_at else None)
            for number, layer in enumerate(layers)
        ]
        try:
            normed = self.inner(ids) if self._past is None else self.inner(ids, cache=self._past)
        finally:
            self.inner.layers = layers
        return out, normed

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        whole = _whole(self.args)
        weights = whole.sanitize(weights) if hasattr(whole, "sanitize") else weights
        inner = _inner(whole)
        (place,) = (name for name, module in whole.named_modules() if module is inner)
        kept = {
            f"inner.{name.removeprefix(f'{place}.')}": value
            for name, value in weights.items()
            if name.startswith(f"{place}.")
        }
        return kept if kernels.on_metal() else checkpoint.column_major(kept, "inner.layers.")

    def pack(self, weights: dict[str, mx.array], quantization: dict[str, Any]) -> None:
        """Make the modules that `weights` (under this model's names) hold packed ready for them."""

        def how(place: str, _: nn.Module) -> bool | dict:
            return f"{place}.scales" in weights and packed.packing(weights, quantization, place)

        nn.quantize(self, class_predicate=how)

    def check(self) -> None:
        """Refuse an architecture that mlx-lm knows and that is not built as those this was tested with.

        Raises InvalidSetting when its states layer by layer, or after a context, are not those of its own pass.
        """
        if self.args.model_type in DECODERS:
            return
        ids = mx.arange(1, 1 + _CHECKED_TOKENS)[None]
        try:
            whole = self.inner(ids).astype(mx.float32)
            after = self.after(ids[0, :_CHECKED_CONTEXT].tolist())(ids[:, _CHECKED_CONTEXT:])
            apart = max(_apart(self(ids), whole), _apart(after, whole[:, _CHECKED_CONTEXT:]))
        except (TypeError, ValueError, AttributeError, IndexError) as error:
            raise _other(self.args.model_type, str(error)) from error
        if not apart < _CHECKED_TOLERANCE:
            raise _other(self.args.model_type, f"its states differ by {apart:.2g}")


def _any_ids(x: mx.array) -> mx.array:
    """Ids of the shape that x (n, t, hidden) was embedded from; what they are does not matter, as x replaces them."""
    return mx.zeros(x.shape[:2], mx.int32)


def _apart(found: mx.array, expected: mx.array) -> float:
    return (mx.abs(found - expected).max() / mx.abs(expected).max()).item()


def _whole(args: ModelArgs) -> nn.Module:
    """mlx-lm's model of these arguments, its weights not yet drawn."""
    module = importlib.import_module(f"mlx_lm.models.{decoder_file(args.model_type)}")
    return module.Model(module.ModelArgs.from_dict(args.config))


def _inner(whole: nn.Module) -> nn.Module:
    """The part below the unembedding: the outermost module that has the layers as its own."""
    module = whole
    while "layers" not in module:
        below = [module[name] for name in ("language_model", "model", "transformer") if name in module]
        if not below:
            raise _other(getattr(whole, "model_type", "?"), "its layers were not found")
        module = below[0]
    return module


def _other(architecture: str, why: str) -> InvalidSetting:
    return InvalidSetting(
        f"models of type {architecture!r} are built otherwise than those this build reads through mlx-lm ({why});"
        f" it was tested with {', '.join(sorted(DECODERS))}. Choose another model: reexctl models list",
        architecture=architecture,
    )
