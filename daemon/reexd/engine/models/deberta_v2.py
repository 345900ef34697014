"""DeBERTa-v2 and v3 in MLX (Hugging Face `model_type: deberta-v2`). Attribute names are the checkpoint's.

Scores have up to two more terms (He et al. 2021): the query with the key of a distance (c2p), and the key with the
query of a distance (p2c). What no text changes is made once, by `sanitize`: `attention.self.distance_key` and
`distance_query` are the projections of the table of distances, and the scale of the scores is in the query rows.
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


@dataclass(frozen=True)
class ModelArgs(BaseModelArgs):
    model_type: str
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    vocab_size: int
    max_position_embeddings: int
    type_vocab_size: int = 0
    position_biased_input: bool = True
    relative_attention: bool = False
    pos_att_type: str | list[str] | None = None
    share_att_key: bool = False
    max_relative_positions: int = -1
    position_buckets: int = -1
    norm_rel_ebd: str = "none"
    conv_kernel_size: int = 0
    embedding_size: int = 0
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-7

    def __post_init__(self) -> None:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} must divide into {self.num_attention_heads} attention heads"
            )
        if self.conv_kernel_size:
            raise ValueError("a model without a convolution expected (conv_kernel_size 0)")
        if self.embedding_size not in (0, self.hidden_size):
            raise ValueError(f"embedding_size {self.hidden_size} expected, got {self.embedding_size}")

    @property
    def terms(self) -> tuple[str, ...]:
        """Which of c2p and p2c the scores have."""
        given = self.pos_att_type or []
        words = given.lower().split("|") if isinstance(given, str) else given
        return tuple(word.strip() for word in words) if self.relative_attention else ()

    @property
    def scale(self) -> float:
        return ((1 + len(self.terms)) * self.hidden_size // self.num_attention_heads) ** -0.5

    @property
    def reach(self) -> int:
        """The table of distances has entries for -reach to reach - 1."""
        positions = (
            self.max_relative_positions if self.max_relative_positions > 0 else self.max_position_embeddings
        )
        return self.position_buckets if self.position_buckets > 0 else positions

    def rows(self, tokens: int) -> np.ndarray:
        """(2t - 1,) int32: the table's entry for each distance from -(t-1) to t-1, far ones in logarithmic ranges."""
        distance = np.arange(1 - tokens, tokens)
        if self.position_buckets > 0:
            middle = np.float32(self.position_buckets // 2)
            most = (
                self.max_relative_positions
                if self.max_relative_positions > 0
                else self.max_position_embeddings
            )
            away = np.maximum(np.abs(distance), middle).astype(np.float32)
            # Rounded as in the reference implementation, in float32: the ranges' bounds depend on it.
            share = np.log(away / middle) / np.log(np.float32(most - 1) / middle)
            far = np.sign(distance) * (np.ceil(share * (middle - 1)) + middle)
            distance = np.where(np.abs(distance) <= middle, distance, far)
        return np.clip(distance + self.reach, 0, 2 * self.reach - 1).astype(np.int32)


class Embeddings(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(args.vocab_size, args.hidden_size)
        if args.position_biased_input:
            self.position_embeddings = nn.Embedding(args.max_position_embeddings, args.hidden_size)
        if args.type_vocab_size:
            self.token_type_embeddings = nn.Embedding(args.type_vocab_size, args.hidden_size)
        self.LayerNorm = kernels.LayerNorm(args.hidden_size, eps=args.layer_norm_eps)

    def __call__(self, ids: mx.array) -> mx.array:
        x = self.word_embeddings(ids)
        if "position_embeddings" in self:
            x = x + self.position_embeddings.weight[: ids.shape[1]]
        if "token_type_embeddings" in self:
            x = x + self.token_type_embeddings.weight[0]
        return self.LayerNorm(x)


class SelfAttention(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.heads = args.num_attention_heads
        self.qkv = nn.Linear(args.hidden_size, 3 * args.hidden_size)
        if "c2p" in args.terms:
            self.distance_key = mx.zeros((2 * args.reach, args.hidden_size))
        if "p2c" in args.terms:
            self.distance_query = mx.zeros((2 * args.reach, args.hidden_size))

    def __call__(self, x: mx.array, rows: mx.array, mask: mx.array | None) -> mx.array:
        """`rows`: `ModelArgs.rows` of x's tokens."""
        q, k, v = kernels.heads_apart(self.qkv(x), self.heads)
        bias = mask
        if "distance_key" in self:
            # Score (i, j) takes the key of i - j; the products of a row come with j - i ascending.
            terms = _by_place(q @ self._columns(self.distance_key, rows[::-1]))
            bias = terms if bias is None else bias + terms
        if "distance_query" in self:
            terms = _by_place(k @ self._columns(self.distance_query, rows)).swapaxes(-1, -2)
            bias = terms if bias is None else bias + terms
        return kernels.merged(kernels.attention(q, k, v, bias))

    def _columns(self, table: mx.array, rows: mx.array) -> mx.array:
        """(h, d, 2t - 1): the entries of a table for each distance."""
        return table[rows].reshape(len(rows), self.heads, -1).transpose(1, 2, 0)


def _by_place(products: mx.array) -> mx.array:
    """(n, h, t, 2t - 1) products by distance, out[..., a, b] = products[..., a, b - a + t - 1] -> (n, h, t, t)."""
    n, h, t, width = products.shape
    # A row is `width` numbers, and the next one's diagonal begins one to the left.
    strides = (h * t * width, t * width, width - 1, 1)
    return mx.as_strided(mx.contiguous(products), (n, h, t, t), strides, t - 1)


class Attention(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.self = SelfAttention(args)
        self.output = Output(args, args.hidden_size)

    def __call__(self, x: mx.array, rows: mx.array, mask: mx.array | None) -> mx.array:
        return self.output(self.self(x, rows, mask), x)


class Layer(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.attention = Attention(args)
        self.intermediate = Intermediate(args)
        self.output = Output(args, args.intermediate_size)

    def __call__(self, x: mx.array, rows: mx.array, mask: mx.array | None) -> mx.array:
        x = self.attention(x, rows, mask)
        return self.output(self.intermediate(x), x)


class Encoder(nn.Module):
    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.layer = [Layer(args) for _ in range(args.num_hidden_layers)]


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
        rows = mx.array(self.args.rows(x.shape[1]))
        for layer in self.layers[begin:]:
            x = layer(x, rows, mask)
            yield x

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        kept = checkpoint.own(weights, "deberta.", ("embeddings.", "encoder."))
        table = self._distances(kept) if self.args.terms else None
        for index in range(self.args.num_hidden_layers):
            place = f"encoder.layer.{index}.attention.self"
            for term, projection, shared, name, scale in (
                ("c2p", "pos_key_proj", "key_proj", "distance_key", 1.0),
                ("p2c", "pos_query_proj", "query_proj", "distance_query", self.args.scale),
            ):
                if term in self.args.terms:
                    source = f"{place}.{shared if self.args.share_att_key else projection}"
                    projected = table @ kept[f"{source}.weight"].T + kept[f"{source}.bias"]
                    kept[f"{place}.{name}"] = scale * projected
                for part in ("weight", "bias"):
                    kept.pop(f"{place}.{projection}.{part}", None)
            q, k, v = (f"{place}.{name}_proj" for name in ("query", "key", "value"))
            checkpoint.fuse_qkv(kept, (q, k, v), f"{place}.qkv", self.args.scale)
        return checkpoint.column_major(kept, "encoder.")

    def _distances(self, kept: dict[str, mx.array]) -> mx.array:
        """The table of distances (2 reach, hidden), taken out of the weights and normed where the model does so."""
        table = kept.pop("encoder.rel_embeddings.weight")[: 2 * self.args.reach]
        if "layer_norm" not in self.args.norm_rel_ebd.lower():
            return table
        gain, offset = (kept.pop(f"encoder.LayerNorm.{part}") for part in ("weight", "bias"))
        return mx.fast.layer_norm(table, gain, offset, self.args.layer_norm_eps)
