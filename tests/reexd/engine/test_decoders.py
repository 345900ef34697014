"""Decoders through mlx-lm against stored states of the reference implementation (reference/make_decoders.py)."""

from __future__ import annotations

import json
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from reexd.engine import models
from reexd.engine.encoding import Encoders
from reexd.engine.models import known
from reexd.errors import InvalidSetting
from reexd.pooling import parse

pytest.importorskip("mlx_lm", reason="decoders need mlx-lm: pip install 'reex[decoders]'")

STORED = sorted((Path(__file__).parent / "reference" / "decoders").glob("*.npz"))
TOLERANCE = 5e-5  # of states of size 1, from float32
POOLED = "mean+max+first+last"


@pytest.fixture(scope="module", params=STORED, ids=lambda path: path.stem)
def stored(request):
    return arrays_of(request.param.stem)


def arrays_of(name):
    with np.load(Path(__file__).parent / "reference" / "decoders" / f"{name}.npz") as arrays:
        return dict(arrays)


def tensors_of(stored, dtype=mx.float32):
    return {
        name.removeprefix("weights/"): mx.array(value).astype(dtype)
        for name, value in stored.items()
        if name.startswith("weights/")
    }


def written(stored, folder, tensors=None, **said):
    """A folder as it is published, with `said` in its configuration as well."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(json.loads(str(stored["config"])) | said))
    mx.save_safetensors(str(folder / "model.safetensors"), tensors or tensors_of(stored))
    return folder


def rows(stored):
    for ids, length, first, last in zip(
        stored["ids"], stored["lengths"], stored["first"], stored["last"], strict=True
    ):
        yield mx.array(ids[None, :length]), first[:length], last[:length]


def furthest(found, expected):
    return float(np.abs(np.array(found) - expected).max())


def test_every_family_that_is_promised_has_stored_states():
    assert {path.stem.split(".")[0] for path in STORED} == set(known.DECODERS)


@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16], ids=str)
def test_states_equal_the_reference(stored, tmp_path, dtype):
    model = models.load(written(stored, tmp_path / "model", tensors_of(stored, dtype)), {}).model
    assert model.reads_prompts
    for ids, first, last in rows(stored):
        walked = list(model.states(model.embed(ids)))
        assert furthest(walked[0][0], first) < TOLERANCE
        assert furthest(model.finish(walked[-1])[0], last) < TOLERANCE


def test_the_walk_may_begin_at_any_layer(stored, tmp_path):
    model = models.load(written(stored, tmp_path / "model"), {}).model
    ids, _, last = next(rows(stored))
    walked = list(model.states(model.embed(ids)))
    for begin, x in enumerate(walked[:-1], 1):
        rest = list(model.states(x, None, begin))
        assert len(rest) == len(walked) - begin
        assert furthest(model.finish(rest[-1])[0], last) < TOLERANCE
    assert all(
        isinstance(layer, type(model.layers[0])) for layer in model.layers
    )  # nothing stands in for them


def test_padding_and_company_change_nothing(stored, tmp_path):
    model = models.load(written(stored, tmp_path / "model"), {}).model
    ids, lengths = stored["ids"][::-1].copy(), stored["lengths"][::-1].copy()
    padded = np.full((len(ids), ids.shape[1] + 5), 17, np.int32)
    for row, values, length in zip(padded, ids, lengths, strict=True):
        row[:length] = values[:length]
    states = np.array(model(mx.array(padded)))
    for found, last, length in zip(states, stored["last"][::-1], lengths, strict=True):
        assert furthest(found[:length], last[:length]) < TOLERANCE


@pytest.mark.parametrize("context", [1, 40])
def test_what_stands_before_is_read_once_for_all(stored, tmp_path, context):
    """Pooled after a context, shorter and longer than local attention reaches, as the reference's states say."""
    folder = written(stored, tmp_path / "model")
    lengths = stored["lengths"][[0, 2]]
    ids = stored["ids"][[0, 2]].copy()
    ids[1, :context] = ids[0, :context]
    model = models.load(folder, {}).model
    spec = {"folder": str(folder), "digests": {}}
    begin, end = np.full(2, context + 3), lengths - 2
    pooled = Encoders().embed(spec, parse(POOLED), ids, lengths, begin, end, context)
    for row, length in enumerate(lengths):
        states = np.array(model(mx.array(ids[row : row + 1, :length])))[0]
        counted = states[context + 3 : length - 2]
        expected = [counted.mean(0), counted.max(0), states[context], states[-1]]
        assert furthest(pooled[row], np.concatenate(expected)) < TOLERANCE


def test_a_family_that_was_not_tested_is_checked_against_its_own_pass(tmp_path, monkeypatch):
    stored = arrays_of("llama")
    monkeypatch.delitem(known.DECODERS, "llama")
    ids, _, last = next(rows(stored))
    good = models.load(written(stored, tmp_path / "good"), {}).model
    assert furthest(good(ids)[0], last) < TOLERANCE
    monkeypatch.setattr("reexd.engine.models.decoder.Past.make_mask", lambda *_, **__: None)
    with pytest.raises(InvalidSetting, match="built otherwise"):
        models.load(written(stored, tmp_path / "bad"), {})


def test_texts_are_no_longer_than_a_window_that_the_library_leaves_out():
    said = {"model_type": "gemma2", "max_position_embeddings": 8192, "sliding_window": 512}
    assert models.positions(said) == 512
    assert models.positions(said | {"model_type": "mistral"}) == 8192


def test_a_model_without_attention_is_refused(tmp_path):
    """mlx-lm knows the type and its configuration is complete: it is its build that is not read."""
    said = {"conv_kernel": 4, "state_size": 4, "use_bias": False, "use_conv_bias": True, "time_step_rank": 2}
    folder = written(arrays_of("llama"), tmp_path / "model", model_type="mamba", **said)
    with pytest.raises(InvalidSetting, match=r"'mamba' are built otherwise.*layers were not found"):
        models.load(folder, {})


def test_packed_checkpoints_are_read(tmp_path):
    """MLX's own form of few bits, which its converter writes: the same states as from the rounded weights."""
    stored = arrays_of("llama")
    config = json.loads(str(stored["config"])) | {"hidden_size": 64, "intermediate_size": 64, "head_dim": 16}
    rng = np.random.default_rng(0)
    plain, packed = {}, {}
    for name, value in tensors_of(stored).items():
        shape = [64 if part in (24, 32, 40) else 32 if part == 16 else part for part in value.shape]
        drawn = mx.array((0.2 * rng.standard_normal(shape)).astype(np.float32))
        plain[name] = packed[name] = drawn
        if drawn.ndim == 2:
            codes, scales, biases = mx.quantize(drawn, group_size=32, bits=8 if "embed" in name else 4)
            plain[name] = mx.dequantize(
                codes, scales, biases, group_size=32, bits=8 if "embed" in name else 4
            )
            module = name.removesuffix(".weight")
            packed |= {name: codes, f"{module}.scales": scales, f"{module}.biases": biases}
    said = {
        **config,
        "quantization": {"group_size": 32, "bits": 4, "model.embed_tokens": {"group_size": 32, "bits": 8}},
    }
    ids = mx.array(stored["ids"][:1])
    rounded = models.load(written(stored, tmp_path / "plain", plain, **config), {}).model(ids)
    found = models.load(written(stored, tmp_path / "packed", packed, **said), {}).model(ids)
    assert furthest(found, np.array(rounded)) < 1e-5


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_gguf_files_are_read(tmp_path, family):
    """As llama.cpp's converter writes them: its names, its order of llama's query and key rows."""
    stored = arrays_of(family)
    config = json.loads(str(stored["config"]))
    (tmp_path / "model").mkdir()
    path = tmp_path / "model" / f"{family}.gguf"
    mx.save_gguf(str(path), gguf_tensors(stored, config), gguf_metadata(config))
    model = models.load(tmp_path / "model", {}).model
    for ids, _, last in rows(stored):
        assert furthest(model(ids)[0], last) < TOLERANCE


def gguf_tensors(stored, config):
    ours = {
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "self_attn.q_norm": "attn_q_norm",
        "self_attn.k_norm": "attn_k_norm",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        "model.embed_tokens": "token_embd",
        "model.norm": "output_norm",
        "model.layers": "blk",
        "lm_head": "output",
    }
    renamed = {}
    for name, value in tensors_of(stored).items():
        if config["model_type"] == "llama" and ("q_proj" in name or "k_proj" in name):
            heads = config["num_attention_heads" if "q_proj" in name else "num_key_value_heads"]
            halves = value.reshape(heads, 2, -1, *value.shape[1:])
            value = mx.contiguous(halves.swapaxes(1, 2).reshape(value.shape))
        for theirs, short in ours.items():
            name = name.replace(theirs, short)
        renamed[name] = value
    return renamed


def gguf_metadata(config):
    said = {
        "embedding_length": config["hidden_size"],
        "block_count": config["num_hidden_layers"],
        "feed_forward_length": config["intermediate_size"],
        "attention.head_count": config["num_attention_heads"],
        "attention.head_count_kv": config["num_key_value_heads"],
        "attention.key_length": config["head_dim"],
        "context_length": config["max_position_embeddings"],
    }
    exact = {
        "attention.layer_norm_rms_epsilon": config["rms_norm_eps"],
        "rope.freq_base": (config.get("rope_parameters") or config)["rope_theta"],
    }
    kind = config["model_type"]
    metadata = {f"{kind}.{key}": mx.array(value, mx.uint32) for key, value in said.items()}
    metadata |= {f"{kind}.{key}": mx.array(value, mx.float32) for key, value in exact.items()}
    return {"general.architecture": kind} | metadata


def test_gguf_of_another_family_and_with_stretched_positions_is_refused(tmp_path):
    stored = arrays_of("llama")
    config = json.loads(str(stored["config"]))
    for folder, change in (
        ("other", {"general.architecture": "gpt2"}),
        ("far", {"llama.rope.scaling.type": "yarn"}),
    ):
        (tmp_path / folder).mkdir()
        mx.save_gguf(
            str(tmp_path / folder / "a.gguf"), gguf_tensors(stored, config), gguf_metadata(config) | change
        )
        with pytest.raises(InvalidSetting, match="safetensors"):
            models.load(tmp_path / folder, {})


def test_without_mlx_lm_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(known, "_library", frozenset)
    folder = written(arrays_of("llama"), tmp_path / "model")
    with pytest.raises(InvalidSetting, match=r"pip install 'reex\[decoders\]'"):
        models.load(folder, {})
    assert "llama" not in known.architectures()
