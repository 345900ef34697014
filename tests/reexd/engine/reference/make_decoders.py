"""Writes what test_decoders.py compares with: tiny random decoders, and what transformers on torch makes of them.

    python -m venv /tmp/reference && /tmp/reference/bin/pip install torch transformers
    /tmp/reference/bin/python tests/reexd/engine/reference/make_decoders.py [NAME ...]

The files are as make.py describes them, in the folder `decoders`. Hidden sizes are powers of four where a family scales
its embeddings by their root: mlx-lm rounds that to bfloat16, as these models were trained, and transformers does not.
"""

from __future__ import annotations

import json
import sys

import numpy as np
import torch
import transformers
from make import HERE, LENGTHS, VOCABULARY, randomise

SHARED = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 40,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-6,
    "head_dim": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
SCALED = {"hidden_size": 16, "query_pre_attn_scalar": 8, "tie_word_embeddings": True}
CONFIGS = {
    "llama": {**SHARED, "rope_theta": 50_000.0, "tie_word_embeddings": True},
    "mistral": {**SHARED, "sliding_window": None, "tie_word_embeddings": False},
    "qwen2": {**SHARED, "head_dim": 6, "tie_word_embeddings": True},
    "qwen3": {**SHARED, "rope_theta": 1_000_000.0, "tie_word_embeddings": False},
    # mlx-lm leaves its window of 4,096 tokens out, which is more than is ever read at once.
    "gemma2": {**SHARED, **SCALED, "sliding_window": 4096},
    "gemma3_text": {
        **SHARED,
        **SCALED,
        "sliding_window": 16,
        "sliding_window_pattern": 2,
        "rope_local_base_freq": 10_000.0,
        "rope_theta": 1_000_000.0,
    },
    "phi3": {**SHARED, "head_dim": 6, "original_max_position_embeddings": 256, "tie_word_embeddings": False},
    # One set of factors up to the original length, which all texts here keep to, and one beyond.
    "phi3.longrope": {
        **SHARED,
        "head_dim": 6,
        "max_position_embeddings": 1024,
        "original_max_position_embeddings": 160,
        "rope_scaling": {
            "type": "longrope",
            "short_factor": [1.0, 1.3, 1.7],
            "long_factor": [2.0, 5.0, 9.0],
        },
        "tie_word_embeddings": False,
    },
    "smollm3": {**SHARED, "head_dim": 6, "no_rope_layers": [1, 0, 1], "tie_word_embeddings": True},
}


def make(name: str, settings: dict) -> None:
    family = name.split(".")[0]
    config = transformers.AutoConfig.for_model(family, **settings)
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config).float().eval()
    randomise(model, torch.Generator().manual_seed(len(name)))
    ids = np.zeros((len(LENGTHS), max(LENGTHS)), np.int32)
    rng = np.random.default_rng(len(name))
    for row, length in zip(ids, LENGTHS, strict=True):
        row[:length] = rng.integers(3, VOCABULARY, length)
    mask = np.arange(ids.shape[1])[None, :] < np.array(LENGTHS)[:, None]
    with torch.no_grad():
        out = model.model(
            torch.tensor(ids), attention_mask=torch.tensor(mask).long(), output_hidden_states=True
        )
    first, last = (
        states.numpy() * mask[:, :, None] for states in (out.hidden_states[1], out.last_hidden_state)
    )
    weights = {
        f"weights/{key}": value.numpy().astype(np.float16) for key, value in model.state_dict().items()
    }
    if config.tie_word_embeddings:
        del weights["weights/lm_head.weight"]
    target = HERE / "decoders" / f"{name}.npz"
    target.parent.mkdir(exist_ok=True)
    np.savez_compressed(
        target,
        config=np.array(json.dumps({**config.to_dict(), "model_type": family} | settings)),
        ids=ids,
        lengths=np.array(LENGTHS, np.int32),
        first=first.astype(np.float32),
        last=last.astype(np.float32),
        **weights,
    )
    print(name, target.stat().st_size)


if __name__ == "__main__":
    for name in sys.argv[1:] or CONFIGS:
        make(name, CONFIGS[name])
