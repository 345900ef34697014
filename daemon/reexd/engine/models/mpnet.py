"""MPNet in MLX (Hugging Face `model_type: mpnet`). Attribute names are the checkpoint's.

A BERT whose scores get a bias that depends on how far apart two tokens are, one table for all layers, and whose
positions begin at 2. `sanitize` fuses q, k and v into `attention.attn.qkv`, as bert.py does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from reexd.engine.models import checkpoint, kernels
from reexd.engine.models.bert import Intermediate, Output
from reexd.engine.models.form import BaseModel, BaseModelArgs

FIRST_POSITION = 2
_DISTANCE_MAX = 128  # of the reference implementation; no checkpoint says otherwise


@dataclass(frozen=True)
class ModelArgs(BaseModelArgs):
    model_type: str
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    vocab_size: int
    max_position_embeddings: int
    relative_attention_num_buckets: int = 32
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-12

    def __post_init__(self) -> None:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} must divide into {self.num_attention_heads} attention heads"
            )


class Embeddings(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(args.vocab_size, args.hidden_size)
        self.position_embeddings = nn.Embedding(args.max_position_embeddings, args.hidden_size)
        self.LayerNorm = kernels.LayerNorm(args.hidden_size, eps=args.layer_norm_eps)

    def __call__(self, ids: mx.array) -> mx.array:
        place = self.position_embeddings.weight[FIRST_POSITION : FIRST_POSITION + ids.shape[1]]
        return self.LayerNorm(self.word_embeddings(ids) + place)


class SelfAttention(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.heads = args.num_attention_heads
        self.qkv = nn.Linear(args.hidden_size, 3 * args.hidden_size)
        self.o = nn.Linear(args.hidden_size, args.hidden_size)

    def __call__(self, x: mx.array, bias: mx.array) -> mx.array:
        q, k, v = kernels.heads_apart(self.qkv(x), self.heads)
        return self.o(kernels.merged(kernels.attention(q, k, v, bias)))


class Attention(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.attn = SelfAttention(args)
        self.LayerNorm = kernels.LayerNorm(args.hidden_size, eps=args.layer_norm_eps)

    def __call__(self, x: mx.array, bias: mx.array) -> mx.array:
        return self.LayerNorm(self.attn(x, bias) + x)


class Layer(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.attention = Attention(args)
        self.intermediate = Intermediate(args)
        self.output = Output(args, args.intermediate_size)

    def __call__(self, x: mx.array, bias: mx.array) -> mx.array:
        x = self.attention(x, bias)
        return self.output(self.intermediate(x), x)


class Encoder(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.layer = [Layer(args) for _ in range(args.num_hidden_layers)]
        self.relative_attention_bias = nn.Embedding(
            args.relative_attention_num_buckets, args.num_attention_heads
        )

    def bias(self, tokens: int) -> mx.array:
        """(1, h, t, t): what the distance between two of t tokens adds to their score."""
        place = np.arange(tokens)
        buckets = _bucket(place[None, :] - place[:, None], self.relative_attention_bias.weight.shape[0])
        return mx.contiguous(self.relative_attention_bias(mx.array(buckets)).transpose(2, 0, 1))[None]


def _bucket(distance: np.ndarray, buckets: int) -> np.ndarray:
    """T5's buckets (Raffel et al. 2020, 2.1): half of them for each direction, half of those for single distances
    and the rest for logarithmic ranges up to `_DISTANCE_MAX`; int32."""
    side, exact = buckets // 2, buckets // 4
    away = np.abs(distance)
    ratio = np.log(np.maximum(away, exact) / exact) / np.log(_DISTANCE_MAX / exact)
    far = np.minimum(exact + (ratio * (side - exact)).astype(np.int32), side - 1)
    return np.where(distance > 0, side, 0).astype(np.int32) + np.where(away < exact, away, far).astype(
        np.int32
    )


class Model(BaseModel):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.args = args
        self.embeddings = Embeddings(args)
        self.encoder = Encoder(args)

    @property
    def layers(self) -> list[nn.Module]:
        return self.encoder.layer

    def embed(self, ids: mx.array) -> mx.array:
        return self.embeddings(ids)

    def states(self, x: mx.array, mask: mx.array | None = None, begin: int = 0) -> Iterator[mx.array]:
        bias = self.encoder.bias(x.shape[1])
        bias = bias if mask is None else bias + mask
        for layer in self.encoder.layer[begin:]:
            x = layer(x, bias)
            yield x

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        kept = checkpoint.own(weights, "mpnet.", ("embeddings.", "encoder."))
        scale = (self.args.hidden_size // self.args.num_attention_heads) ** -0.5
        for index in range(self.args.num_hidden_layers):
            place = f"encoder.layer.{index}.attention.attn"
            q, k, v = (f"{place}.{name}" for name in "qkv")
            checkpoint.fuse_qkv(kept, (q, k, v), f"{place}.qkv", scale)
        return checkpoint.column_major(kept, "encoder.layer.")
