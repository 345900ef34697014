"""BERT in MLX (Hugging Face `model_type: bert`). Attribute names are the checkpoint's.

Two departures, both made by `sanitize` when the weights are read: the query, key and value projections of a
layer are one matrix `attention.self.qkv` with the 1/sqrt(d) of the scores folded into its query rows, and the
pooler, which feeds only next-sentence prediction, is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn

from reexd.engine.models import kernels
from reexd.engine.models.arguments import BaseModelArgs


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
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(args.vocab_size, args.hidden_size)
        self.position_embeddings = nn.Embedding(args.max_position_embeddings, args.hidden_size)
        self.token_type_embeddings = nn.Embedding(args.type_vocab_size, args.hidden_size)
        self.LayerNorm = kernels.LayerNorm(args.hidden_size, eps=args.layer_norm_eps)

    def __call__(self, ids: mx.array) -> mx.array:
        place = self.position_embeddings.weight[: ids.shape[1]] + self.token_type_embeddings.weight[0]
        return self.LayerNorm(self.word_embeddings(ids) + place)


class SelfAttention(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.heads = args.num_attention_heads
        self.qkv = nn.Linear(args.hidden_size, 3 * args.hidden_size)

    def __call__(self, x: mx.array, mask: mx.array | None) -> mx.array:
        n, t, width = x.shape
        # One contiguous copy puts heads before tokens for all three at once: (3, n, h, t, d).
        qkv = self.qkv(x).reshape(n, t, 3, self.heads, width // self.heads)
        q, k, v = mx.contiguous(qkv.transpose(2, 0, 3, 1, 4))
        return kernels.attention(q, k, v, mask).transpose(0, 2, 1, 3).reshape(n, t, width)


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

    def __call__(self, x: mx.array, mask: mx.array | None) -> mx.array:
        for layer in self.layer:
            x = layer(x, mask)
        return x


class Model(nn.Module):
    reads_prompts = False

    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.args = args
        self.embeddings = Embeddings(args)
        self.encoder = Encoder(args)

    def __call__(self, ids: mx.array, mask: mx.array | None = None) -> mx.array:
        """(n, t) token ids, additive mask or None when nothing is padded -> (n, t, hidden) final states."""
        return self.encoder(self.embeddings(ids), mask)

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        """The checkpoint's tensors under this module's names (see the module docstring)."""
        kept = {
            name.removeprefix("bert."): value
            for name, value in weights.items()
            if not name.removeprefix("bert.").startswith(("pooler.", "cls.", "embeddings.position_ids"))
        }
        scale = (self.args.hidden_size // self.args.num_attention_heads) ** -0.5
        for index in range(self.args.num_hidden_layers):
            prefix = f"encoder.layer.{index}.attention.self."
            for part in ("weight", "bias"):
                q, k, v = (kept.pop(f"{prefix}{name}.{part}") for name in ("query", "key", "value"))
                kept[f"{prefix}qkv.{part}"] = mx.concatenate([q * scale, k, v])
        return {name: _column_major(value) if "encoder" in name else value for name, value in kept.items()}


def _column_major(weight: mx.array) -> mx.array:
    """The same matrix laid out so that its transpose, which products take, is contiguous: 3 % faster there."""
    return mx.contiguous(weight.T).T if weight.ndim == 2 else weight
