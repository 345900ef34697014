"""DistilBERT in MLX (Hugging Face `model_type: distilbert`). Attribute names are the checkpoint's.

A BERT without token types. `sanitize` fuses q_lin, k_lin and v_lin into `attention.qkv`, as bert.py does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn

from reexd.engine.models import checkpoint, kernels
from reexd.engine.models.form import BaseModel, BaseModelArgs

_EPS = 1e-12  # of every norm; the configuration does not say


@dataclass(frozen=True)
class ModelArgs(BaseModelArgs):
    model_type: str
    dim: int
    n_layers: int
    n_heads: int
    hidden_dim: int
    vocab_size: int
    max_position_embeddings: int
    activation: str = "gelu"

    def __post_init__(self) -> None:
        if self.dim % self.n_heads:
            raise ValueError(f"dim {self.dim} must divide into {self.n_heads} attention heads")

    @property
    def hidden_size(self) -> int:
        return self.dim

    @property
    def num_hidden_layers(self) -> int:
        return self.n_layers


class Embeddings(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(args.vocab_size, args.dim)
        self.position_embeddings = nn.Embedding(args.max_position_embeddings, args.dim)
        self.LayerNorm = kernels.LayerNorm(args.dim, eps=_EPS)

    def __call__(self, ids: mx.array) -> mx.array:
        return self.LayerNorm(self.word_embeddings(ids) + self.position_embeddings.weight[: ids.shape[1]])


class Attention(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.heads = args.n_heads
        self.qkv = nn.Linear(args.dim, 3 * args.dim)
        self.out_lin = nn.Linear(args.dim, args.dim)

    def __call__(self, x: mx.array, mask: mx.array | None) -> mx.array:
        q, k, v = kernels.heads_apart(self.qkv(x), self.heads)
        return self.out_lin(kernels.merged(kernels.attention(q, k, v, mask)))


class FeedForward(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.lin1 = nn.Linear(args.dim, args.hidden_dim)
        self.lin2 = nn.Linear(args.hidden_dim, args.dim)
        self.activation = kernels.activation(args.activation)

    def __call__(self, x: mx.array) -> mx.array:
        return self.lin2(self.activation(self.lin1(x)))


class Layer(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.attention = Attention(args)
        self.sa_layer_norm = kernels.LayerNorm(args.dim, eps=_EPS)
        self.ffn = FeedForward(args)
        self.output_layer_norm = kernels.LayerNorm(args.dim, eps=_EPS)

    def __call__(self, x: mx.array, mask: mx.array | None) -> mx.array:
        x = self.sa_layer_norm(self.attention(x, mask) + x)
        return self.output_layer_norm(self.ffn(x) + x)


class Transformer(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.layer = [Layer(args) for _ in range(args.n_layers)]


class Model(BaseModel):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.args = args
        self.embeddings = Embeddings(args)
        self.transformer = Transformer(args)

    @property
    def layers(self) -> list[nn.Module]:
        return self.transformer.layer

    def embed(self, ids: mx.array) -> mx.array:
        return self.embeddings(ids)

    def states(self, x: mx.array, mask: mx.array | None = None, begin: int = 0) -> Iterator[mx.array]:
        for layer in self.layers[begin:]:
            x = layer(x, mask)
            yield x

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        kept = checkpoint.own(weights, "distilbert.", ("embeddings.", "transformer."))
        scale = (self.args.dim // self.args.n_heads) ** -0.5
        for index in range(self.args.n_layers):
            place = f"transformer.layer.{index}.attention"
            q, k, v = (f"{place}.{name}_lin" for name in "qkv")
            checkpoint.fuse_qkv(kept, (q, k, v), f"{place}.qkv", scale)
        return checkpoint.column_major(kept, "transformer.")
