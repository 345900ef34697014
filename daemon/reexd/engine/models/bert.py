"""BERT in MLX (Hugging Face `model_type: bert`). Attribute names are the checkpoint's.

Two departures, both made by `sanitize` when the weights are read: the query, key and value projections of a
layer are one matrix `attention.self.qkv` with the 1/sqrt(d) of the scores folded into its query rows, and the
pooler and heads, which serve other tasks, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn

from reexd.engine.models import checkpoint, kernels
from reexd.engine.models.form import BaseModel, BaseModelArgs


@dataclass(frozen=True)
class ModelArgs(BaseModelArgs):
    model_type: str
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    vocab_size: int
    max_position_embeddings: int
    type_vocab_size: int = 2
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-12
    position_embedding_type: str = "absolute"

    def __post_init__(self) -> None:
        if self.position_embedding_type != "absolute":
            raise ValueError(f"position_embedding_type absolute expected, got {self.position_embedding_type}")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} must divide into {self.num_attention_heads} attention heads"
            )


class Embeddings(nn.Module):
    def __init__(self, args: ModelArgs, first_position: int) -> None:
        super().__init__()
        self._first_position = first_position
        self.word_embeddings = nn.Embedding(args.vocab_size, args.hidden_size)
        self.position_embeddings = nn.Embedding(args.max_position_embeddings, args.hidden_size)
        self.token_type_embeddings = nn.Embedding(args.type_vocab_size, args.hidden_size)
        self.LayerNorm = kernels.LayerNorm(args.hidden_size, eps=args.layer_norm_eps)

    def __call__(self, ids: mx.array) -> mx.array:
        begin = self._first_position
        place = (
            self.position_embeddings.weight[begin : begin + ids.shape[1]]
            + self.token_type_embeddings.weight[0]
        )
        return self.LayerNorm(self.word_embeddings(ids) + place)


class SelfAttention(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.heads = args.num_attention_heads
        self.qkv = nn.Linear(args.hidden_size, 3 * args.hidden_size)

    def __call__(self, x: mx.array, mask: mx.array | None) -> mx.array:
        return kernels.merged(kernels.attention(*kernels.heads_apart(self.qkv(x), self.heads), mask))


class Output(nn.Module):
    """A projection back to the hidden width, the residual, and the layer norm that follows."""

    def __init__(self, args: ModelArgs, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, args.hidden_size)
        self.LayerNorm = kernels.LayerNorm(args.hidden_size, eps=args.layer_norm_eps)

    def __call__(self, x: mx.array, residual: mx.array) -> mx.array:
        return self.LayerNorm(self.dense(x) + residual)


class Attention(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.self = SelfAttention(args)
        self.output = Output(args, args.hidden_size)

    def __call__(self, x: mx.array, mask: mx.array | None) -> mx.array:
        return self.output(self.self(x, mask), x)


class Intermediate(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.dense = nn.Linear(args.hidden_size, args.intermediate_size)
        self.activation = kernels.activation(args.hidden_act)

    def __call__(self, x: mx.array) -> mx.array:
        return self.activation(self.dense(x))


class Layer(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.attention = Attention(args)
        self.intermediate = Intermediate(args)
        self.output = Output(args, args.intermediate_size)

    def __call__(self, x: mx.array, mask: mx.array | None) -> mx.array:
        x = self.attention(x, mask)
        return self.output(self.intermediate(x), x)


class Encoder(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.layer = [Layer(args) for _ in range(args.num_hidden_layers)]


class Model(BaseModel):
    prefix = "bert."  # of names in checkpoints for a task
    first_position = 0  # entry of the position table that the first token takes

    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.args = args
        self.embeddings = Embeddings(args, self.first_position)
        self.encoder = Encoder(args)

    @property
    def layers(self) -> list[nn.Module]:
        return self.encoder.layer

    def embed(self, ids: mx.array) -> mx.array:
        return self.embeddings(ids)

    def states(self, x: mx.array, mask: mx.array | None = None, begin: int = 0) -> Iterator[mx.array]:
        for layer in self.encoder.layer[begin:]:
            x = layer(x, mask)
            yield x

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        kept = checkpoint.own(weights, self.prefix, ("embeddings.", "encoder."))
        scale = (self.args.hidden_size // self.args.num_attention_heads) ** -0.5
        for index in range(self.args.num_hidden_layers):
            place = f"encoder.layer.{index}.attention.self"
            q, k, v = (f"{place}.{name}" for name in ("query", "key", "value"))
            checkpoint.fuse_qkv(kept, (q, k, v), f"{place}.qkv", scale)
        return checkpoint.column_major(kept, "encoder.")
