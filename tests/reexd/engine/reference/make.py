"""Writes what test_conformance.py compares with: tiny random encoders, and what transformers on torch makes of them.

    python -m venv /tmp/reference && /tmp/reference/bin/pip install torch transformers
    /tmp/reference/bin/python tests/reexd/engine/reference/make.py
    /tmp/reference/bin/python tests/reexd/engine/reference/make.py FOLDER      # of a published model, like mpnet

One ARCHITECTURE.npz each: `config` (JSON), `ids` and `lengths` of texts padded on the right, `first` and `last` (the
states after the first and the last layer, zero on padding), `weights/NAME` (the checkpoint's tensors and names). Every
weight is exact in bfloat16 and in float16, so that one file stands for checkpoints of all three types.

published/FOLDER.npz: `texts`, and `vectors` as sentence-transformers makes them of the published weights.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers

HERE = Path(__file__).resolve().parent
VOCABULARY = 60
LENGTHS = (150, 7, 61)  # longer than the ranges of single distances and of local attention below

BERT_LIKE = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 48,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 160,
}
CONFIGS = {
    "bert": BERT_LIKE,
    "camembert": {**BERT_LIKE, "type_vocab_size": 1, "pad_token_id": 1},
    "roberta": {**BERT_LIKE, "type_vocab_size": 1, "pad_token_id": 1, "hidden_act": "gelu_new"},
    "xlm-roberta": {**BERT_LIKE, "type_vocab_size": 1, "pad_token_id": 1, "layer_norm_eps": 1e-5},
    "mpnet": {**BERT_LIKE, "relative_attention_num_buckets": 32, "layer_norm_eps": 1e-5},
    "distilbert": {
        "dim": 24,
        "n_layers": 2,
        "n_heads": 3,
        "hidden_dim": 48,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": 160,
    },
    "modernbert": {
        **BERT_LIKE,
        "num_hidden_layers": 4,
        "local_attention": 16,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "cls_token_id": 1,
        "sep_token_id": 2,
    },
    "deberta-v2": {
        **BERT_LIKE,
        "type_vocab_size": 0,
        "position_biased_input": False,
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "position_buckets": 16,
        "max_relative_positions": -1,
    },
    # Every switch the other way.
    "deberta-v2-apart": {
        **BERT_LIKE,
        "model_type": "deberta-v2",
        "type_vocab_size": 2,
        "position_biased_input": True,
        "relative_attention": True,
        "pos_att_type": "c2p|p2c",
        "share_att_key": False,
        "max_relative_positions": 40,
    },
}


def randomise(model: torch.nn.Module, generator: torch.Generator) -> None:
    """Weights large enough that attention is far from even; exact in bfloat16 and float16."""
    for name, value in model.named_parameters():
        drawn = torch.randn(value.shape, generator=generator)
        if value.ndim == 2 and "embeddings" not in name and "bias" not in name:
            drawn = drawn * value.shape[1] ** -0.5
        elif value.ndim == 1:
            drawn = 0.2 * drawn + (1.0 if name.endswith("weight") else 0.0)
        rounded = drawn.to(torch.bfloat16).to(torch.float32)
        value.data = torch.where(rounded.abs() < 2.0**-14, torch.zeros_like(rounded), rounded)


def make(name: str, settings: dict) -> None:
    architecture = settings.get("model_type", name)
    config = transformers.AutoConfig.for_model(
        architecture, **{k: v for k, v in settings.items() if k != "model_type"}
    )
    config._attn_implementation = "eager"
    model = transformers.AutoModel.from_config(config).float().eval()
    randomise(model, torch.Generator().manual_seed(len(name)))
    rng = np.random.default_rng(len(name))
    padding = getattr(config, "pad_token_id", None) or 0
    ids = np.full((len(LENGTHS), max(LENGTHS)), padding, np.int32)
    for row, length in zip(ids, LENGTHS, strict=True):
        row[:length] = rng.integers(3, VOCABULARY, length)
    mask = np.arange(ids.shape[1])[None, :] < np.array(LENGTHS)[:, None]
    with torch.no_grad():
        out = model(torch.tensor(ids), attention_mask=torch.tensor(mask).long(), output_hidden_states=True)
    first, last = (
        states.numpy() * mask[:, :, None] for states in (out.hidden_states[1], out.last_hidden_state)
    )
    weights = {f"weights/{key}": value.numpy() for key, value in model.state_dict().items()}
    weights = {
        key: value.astype(np.float16)
        for key, value in weights.items()
        if np.issubdtype(value.dtype, np.floating)
    }
    np.savez_compressed(
        HERE / f"{name}.npz",
        config=np.array(json.dumps({"model_type": architecture, **settings})),
        ids=ids,
        lengths=np.array(LENGTHS, np.int32),
        first=first.astype(np.float32),
        last=last.astype(np.float32),
        **weights,
    )


TEXTS = (
    "",
    "Profit rose.",
    "The board proposes a dividend of 0.45 euro per share, as it did a year ago.",
    "WHY did nobody say so?! (e-mail: a.b@example.org)",
    "Der Umsatz sank um 3,5 % auf 12 Mio. Euro; la société reste rentable.",
    "\u5229\u76ca\u304c\u5897\u3048\u305f\u3002 naïve café \U0001f600",
    "a",
    "word " * 90,
    " ".join(f"{n} and {n * n}" for n in range(40)),
    "\tTabs,\nlines and   spaces.  ",
    "Supercalifragilisticexpialidocious antidisestablishmentarianism",
    " ".join(["Sales fell in the north and grew in the south, so that the year ended where it began."] * 12),
)


def make_published(folder: Path) -> None:
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(str(folder), device="cpu")
    vectors = encoder.encode(list(TEXTS), batch_size=1, normalize_embeddings=True)
    target = HERE / "published" / f"{folder.name}.npz"
    target.parent.mkdir(exist_ok=True)
    np.savez_compressed(target, texts=np.array(TEXTS), vectors=vectors.astype(np.float32))


def main() -> None:
    if len(sys.argv) > 1:
        make_published(Path(sys.argv[1]))
        return
    for name, settings in CONFIGS.items():
        make(name, settings)
        print(name, (HERE / f"{name}.npz").stat().st_size)


if __name__ == "__main__":
    main()
