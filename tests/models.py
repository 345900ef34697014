"""A tiny BERT and a tiny llama, written by a program into a folder of the test's own: nothing is downloaded.

The BERT's weights are random, and small beside its word embeddings, so its mean-pooled states are close to bags of
words: texts made of different words are separable, texts of the same words are near.
"""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from reexd.records import ModelFiles

WORDS = {
    "negative": [
        "loss",
        "fell",
        "weak",
        "decline",
        "lawsuit",
        "layoffs",
        "warning",
        "debt",
        "drop",
        "poor",
        "missed",
        "cut",
    ],
    "neutral": [
        "company",
        "report",
        "quarter",
        "office",
        "board",
        "said",
        "street",
        "document",
        "plan",
        "meeting",
        "april",
        "system",
    ],
    "positive": [
        "profit",
        "rose",
        "strong",
        "growth",
        "record",
        "gain",
        "award",
        "improved",
        "success",
        "beat",
        "rise",
        "good",
    ],
    "other": [
        "giraffe",
        "violin",
        "soup",
        "mountain",
        "castle",
        "pepper",
        "ocean",
        "poem",
        "whale",
        "lantern",
        "cheese",
        "comet",
    ],
}
CLASSES = ("negative", "neutral", "positive")
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_COMMON = ["the", "a", "of", "in", "and", "to", "was", "its", "this", "year"]

CHAT_TEMPLATE = (
    "{% for m in messages %}<u>{{ m['content'] }}</u>{% endfor %}{% if add_generation_prompt %}<a>{% endif %}"
)
LLAMA_WORDS = ("profit", "rose", "fell", "is", "this", "good", "or", "bad", "<u>", "</u>", "<a>", "<s>")


def write_tiny_bert(
    folder: Path,
    *,
    hidden: int = 32,
    layers: int = 2,
    heads: int = 4,
    window: int = 64,
    vocabulary: Sequence[str] = (),
    seed: int = 0,
) -> ModelFiles:
    """Write config.json, tokenizer.json and model.safetensors; the folder's name is the model's."""
    folder.mkdir(parents=True, exist_ok=True)
    known = [word for words in WORDS.values() for word in words]
    characters = [*string.ascii_lowercase, *string.digits, *".,!?'-"]
    pieces = [*_SPECIAL, *dict.fromkeys([*_COMMON, *known, *vocabulary, *characters])]
    pieces += [f"##{character}" for character in string.ascii_lowercase + string.digits]
    config = {
        "model_type": "bert",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 2 * hidden,
        "vocab_size": len(pieces),
        "max_position_embeddings": window,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
    }
    (folder / "config.json").write_text(json.dumps(config))
    _write_tokenizer(folder / "tokenizer.json", pieces)
    write_safetensors(folder / "model.safetensors", _weights(config, np.random.default_rng(seed)))
    return ModelFiles(folder.name, folder, digests_of(folder))


def write_tiny_llama(folder: Path) -> ModelFiles:
    """A llama of two layers whose tokens are words, with a chat template and a token that begins every text."""
    from tokenizers import Tokenizer, pre_tokenizers, processors
    from tokenizers.models import WordLevel

    folder.mkdir()
    places = {word: place for place, word in enumerate(("[UNK]", *LLAMA_WORDS))}
    tokenizer = Tokenizer(WordLevel(places, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(["<u>", "</u>", "<a>", "<s>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", places["<s>"])]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"chat_template": CHAT_TEMPLATE, "bos_token": "<s>"})
    )
    config = {
        "model_type": "llama",
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "intermediate_size": 24,
        "vocab_size": len(places),
        "max_position_embeddings": 32,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": True,
    }
    (folder / "config.json").write_text(json.dumps(config))
    shapes = {"model.embed_tokens": (len(places), 16)}
    for layer in ("model.layers.0", "model.layers.1"):
        for name, rows, columns in (("q", 16, 16), ("k", 8, 16), ("v", 8, 16), ("o", 16, 16)):
            shapes[f"{layer}.self_attn.{name}_proj"] = (rows, columns)
        shapes |= {f"{layer}.mlp.{name}_proj": (24, 16) for name in ("gate", "up")}
        shapes[f"{layer}.mlp.down_proj"] = (16, 24)
        shapes |= {f"{layer}.{name}_layernorm": (16,) for name in ("input", "post_attention")}
    rng = np.random.default_rng(0)
    weights = {f"{name}.weight": rng.standard_normal(shape) * 0.5 for name, shape in shapes.items()}
    weights["model.norm.weight"] = np.ones(16)
    write_safetensors(
        folder / "model.safetensors", {name: value.astype(np.float32) for name, value in weights.items()}
    )
    return ModelFiles("tiny-llama", folder, {}, pooling="mean+last")


def texts(label: str, count: int, *, seed: int = 0, words: int = 8) -> list[str]:
    """Different short texts of one class of `WORDS`, with a few words that say nothing."""
    rng = np.random.default_rng([seed, *label.encode()])
    return [
        " ".join([*rng.choice(WORDS[label], words - 2), *rng.choice(_COMMON, 2)]) + f" {rng.integers(10**6)}"
        for _ in range(count)
    ]


def digests_of(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def write_safetensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    header, offset = {}, 0
    for name, value in tensors.items():
        end = offset + value.nbytes
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    data = b"".join(value.astype("<f4").tobytes() for value in tensors.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def _write_tokenizer(path: Path, pieces: list[str]) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    places = {piece: place for place, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(places, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[("[CLS]", places["[CLS]"]), ("[SEP]", places["[SEP]"])],
    )
    tokenizer.save(str(path))


def _weights(config: dict, rng: np.random.Generator) -> dict[str, np.ndarray]:
    hidden, inner = config["hidden_size"], config["intermediate_size"]

    def draw(scale: float, *shape: int) -> np.ndarray:
        return (scale * rng.standard_normal(shape)).astype(np.float32)

    def norm(prefix: str) -> dict[str, np.ndarray]:
        return {
            f"{prefix}.LayerNorm.weight": 1 + draw(0.05, hidden),
            f"{prefix}.LayerNorm.bias": draw(0.05, hidden),
        }

    def dense(prefix: str, out: int, into: int) -> dict[str, np.ndarray]:
        return {f"{prefix}.weight": draw(0.3 * into**-0.5, out, into), f"{prefix}.bias": draw(0.05, out)}

    tensors = {
        "embeddings.word_embeddings.weight": draw(1.0, config["vocab_size"], hidden),
        "embeddings.position_embeddings.weight": draw(0.1, config["max_position_embeddings"], hidden),
        "embeddings.token_type_embeddings.weight": draw(0.1, 2, hidden),
        **norm("embeddings"),
    }
    for index in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{index}"
        for name in ("query", "key", "value"):
            tensors |= dense(f"{layer}.attention.self.{name}", hidden, hidden)
        tensors |= dense(f"{layer}.attention.output.dense", hidden, hidden) | norm(
            f"{layer}.attention.output"
        )
        tensors |= dense(f"{layer}.intermediate.dense", inner, hidden)
        tensors |= dense(f"{layer}.output.dense", hidden, inner) | norm(f"{layer}.output")
    return tensors | dense("pooler.dense", hidden, hidden)
