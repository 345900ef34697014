"""ModernBERT in MLX (Hugging Face `model_type: modernbert`). Attribute names are the checkpoint's.

Norms come before attention and feed-forward, rotary positions in place of a table, gated feed-forward, and most
layers look no further than half of `local_attention` tokens to either side. One departure: `sanitize` folds the
1/sqrt(d) of the scores into the query rows of `Wqkv`; a rotation does not mind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from reexd.engine.models import checkpoint, kernels
from reexd.engine.models.form import BaseModel, BaseModelArgs

_LOCAL, _GLOBAL = "sliding_attention", "full_attention"


@dataclass(frozen=True)
class ModelArgs(BaseModelArgs):
    model_type: str
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    vocab_size: int
    hidden_activation: str = "gelu"
    norm_eps: float = 1e-5
    norm_bias: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    local_attention: int = 128  # tokens, both sides together
    global_attn_every_n_layers: int = 3
    layer_types: list[str] | None = None  # newer configurations name each layer's kind
    global_rope_theta: float = 160_000.0
    local_rope_theta: float | None = 10_000.0
    rope_parameters: dict[str, Any] | None = None  # newer configurations: by kind of layer

    def __post_init__(self) -> None:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} must divide into {self.num_attention_heads} attention heads"
            )
        if len(self.kinds) != self.num_hidden_layers or not set(self.kinds) <= {_LOCAL, _GLOBAL}:
            raise ValueError(f"layer_types of {_LOCAL} and {_GLOBAL} expected, one per layer")
        for parameters in (self.rope_parameters or {}).values():
            if isinstance(parameters, dict) and parameters.get("rope_type", "default") != "default":
                raise ValueError(f"rope_type default expected, got {parameters['rope_type']}")

    @property
    def kinds(self) -> list[str]:
        """Of each layer: local or global attention."""
        return self.layer_types or [
            _LOCAL if index % self.global_attn_every_n_layers else _GLOBAL
            for index in range(self.num_hidden_layers)
        ]

    def theta(self, kind: str) -> float:
        """The base of the rotations' wavelengths."""
        named = (self.rope_parameters or {}).get(kind) or {}
        old = self.global_rope_theta if kind == _GLOBAL else self.local_rope_theta
        return float(named.get("rope_theta") or old or self.global_rope_theta)


def _norm(args: ModelArgs) -> kernels.LayerNorm:
    return kernels.LayerNorm(args.hidden_size, eps=args.norm_eps, bias=args.norm_bias)


class Embeddings(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.tok_embeddings = nn.Embedding(args.vocab_size, args.hidden_size)
        self.norm = _norm(args)

    def __call__(self, ids: mx.array) -> mx.array:
        return self.norm(self.tok_embeddings(ids))


class Attention(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.heads = args.num_attention_heads
        self.Wqkv = nn.Linear(args.hidden_size, 3 * args.hidden_size, bias=args.attention_bias)
        self.Wo = nn.Linear(args.hidden_size, args.hidden_size, bias=args.attention_bias)

    def __call__(self, x: mx.array, rotation: kernels.Rotation, mask: mx.array | None) -> mx.array:
        q, k, v = kernels.heads_apart(self.Wqkv(x), self.heads)
        return self.Wo(kernels.merged(kernels.attention(rotation(q), rotation(k), v, mask)))


class FeedForward(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.Wi = nn.Linear(args.hidden_size, 2 * args.intermediate_size, bias=args.mlp_bias)
        self.Wo = nn.Linear(args.intermediate_size, args.hidden_size, bias=args.mlp_bias)
        self.activation = kernels.activation(args.hidden_activation)

    def __call__(self, x: mx.array) -> mx.array:
        inner, gate = mx.split(self.Wi(x), 2, axis=-1)
        return self.Wo(self.activation(inner) * gate)


class Layer(nn.Module):
    def __init__(self, args: ModelArgs, index: int) -> None:
        super().__init__()
        # The first layer reads what the embeddings' own norm has just put out.
        self.attn_norm = nn.Identity() if index == 0 else _norm(args)
        self.attn = Attention(args)
        self.mlp_norm = _norm(args)
        self.mlp = FeedForward(args)

    def __call__(self, x: mx.array, rotation: kernels.Rotation, mask: mx.array | None) -> mx.array:
        x = x + self.attn(self.attn_norm(x), rotation, mask)
        return x + self.mlp(self.mlp_norm(x))


class Model(BaseModel):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.args = args
        self.embeddings = Embeddings(args)
        self.layers = [Layer(args, index) for index in range(args.num_hidden_layers)]
        self.final_norm = _norm(args)

    def embed(self, ids: mx.array) -> mx.array:
        return self.embeddings(ids)

    def states(self, x: mx.array, mask: mx.array | None = None, begin: int = 0) -> Iterator[mx.array]:
        tokens, width = x.shape[1], self.args.hidden_size // self.args.num_attention_heads
        rotations = {
            kind: kernels.Rotation(tokens, width, self.args.theta(kind)) for kind in (_LOCAL, _GLOBAL)
        }
        masks = {_GLOBAL: mask, _LOCAL: kernels.local_mask(tokens, self.args.local_attention // 2, mask)}
        for kind, layer in list(zip(self.args.kinds, self.layers, strict=True))[begin:]:
            x = layer(x, rotations[kind], masks[kind])
            yield x

    def finish(self, x: mx.array) -> mx.array:
        return self.final_norm(x)

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        kept = checkpoint.own(weights, "model.", ("embeddings.", "layers.", "final_norm."))
        width = self.args.hidden_size
        scale = (width // self.args.num_attention_heads) ** -0.5
        for name, value in kept.items():
            if ".Wqkv." in name:
                kept[name] = mx.concatenate([value[:width] * scale, value[width:]])
        return checkpoint.column_major(kept, "layers.")
