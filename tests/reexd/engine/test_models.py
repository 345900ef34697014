"""The BERT in MLX against a plain NumPy one and against reference vectors; damaged files are refused."""

import json
import math
import os
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from reexd.engine import models
from reexd.engine.models import kernels
from reexd.engine.tokens import TextReader
from reexd.errors import InvalidSetting, ModelCorrupt

GOLDEN = Path(
    os.environ.get("REEX_GOLDEN_HIDDEN_STATES")
    or Path(__file__).resolve().parents[4] / "shared" / "golden" / "hidden_states.json"
)


@pytest.fixture(scope="module")
def tiny(tiny_bert):
    return models.load(tiny_bert.folder, tiny_bert.digests).model


def numpy_bert(weights, heads, ids):
    """Final states (t, D) of one sequence in float64, written from the formulas."""

    def dense(x, name):
        return x @ weights[f"{name}.weight"].astype(np.float64).T + weights[f"{name}.bias"]

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return scaled * weights[f"{name}.LayerNorm.weight"] + weights[f"{name}.LayerNorm.bias"]

    erf = np.vectorize(math.erf)
    x = weights["embeddings.word_embeddings.weight"][ids].astype(np.float64)
    x += weights["embeddings.position_embeddings.weight"][: len(ids)]
    x += weights["embeddings.token_type_embeddings.weight"][0]
    x = norm(x, "embeddings")
    layers = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder"))
    for layer in (f"encoder.layer.{index}" for index in range(layers)):
        q, k, v = (
            dense(x, f"{layer}.attention.self.{name}").reshape(len(ids), heads, -1).swapaxes(0, 1)
            for name in ("query", "key", "value")
        )
        scores = np.exp(q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1]))
        mixed = (scores / scores.sum(-1, keepdims=True)) @ v
        mixed = mixed.swapaxes(0, 1).reshape(len(ids), -1)
        x = norm(dense(mixed, f"{layer}.attention.output.dense") + x, f"{layer}.attention.output")
        inner = dense(x, f"{layer}.intermediate.dense")
        inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
        x = norm(dense(inner, f"{layer}.output.dense") + x, f"{layer}.output")
    return x


def test_equal_to_the_formulas(tiny, tiny_bert):
    weights = {
        name: np.array(value) for name, value in mx.load(str(tiny_bert.folder / "model.safetensors")).items()
    }
    ids = np.array([2, 30, 31, 8, 40, 55, 9, 3])
    states = np.array(tiny(mx.array(ids[None])))[0]
    assert np.abs(states - numpy_bert(weights, 4, ids)).max() < 2e-5


def test_padding_changes_nothing(tiny):
    rows = [[2, 30, 3], [2, 31, 8, 40, 55, 9, 3], [2, 3]]
    ids = np.zeros((3, 20), dtype=np.int32)
    for row, values in zip(ids, rows, strict=True):
        row[: len(values)] = values
    mask = kernels.additive_mask(mx.array([len(row) for row in rows]), 20)
    padded = np.array(tiny(mx.array(ids), mask))
    for row, states in zip(rows, padded, strict=True):
        alone = np.array(tiny(mx.array([row])))[0]
        assert np.abs(states[: len(row)] - alone).max() < 1e-5


def test_activations_keep_their_error_bounds():
    x = np.linspace(-30, 30, 100_001, dtype=np.float32)
    exact = x.astype(np.float64) * 0.5 * np.vectorize(math.erfc)(-x.astype(np.float64) / math.sqrt(2))
    assert np.abs(np.array(kernels.activation("gelu")(mx.array(x))) - exact).max() < 2e-6
    with pytest.raises(KeyError):
        kernels.activation("swish")


def test_attention_survives_large_scores():
    # One key outweighs the rest by far more than the exponential's floor; another row has equal scores.
    q = mx.array([[[[300.0], [0.0]]]])
    k = mx.array([[[[1.0], [-1.0], [-2.0]]]])
    v = mx.array([[[[1.0], [10.0], [100.0]]]])
    assert np.allclose(np.array(kernels.attention(q, k, v, None))[0, 0, :, 0], [1.0, 37.0], atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 1, 1, 33), (1, 3, 33, 33), (2, 3, 33, 33)])
def test_attention_in_parts_is_the_same(monkeypatch, shape):
    rng = np.random.default_rng(0)
    q, k, v = (mx.array(rng.standard_normal((2, 3, 33, 4)).astype(np.float32)) for _ in range(3))
    mask = mx.array(rng.standard_normal(shape).astype(np.float32))
    whole = [np.array(kernels.attention(q, k, v, each)) for each in (None, mask)]
    monkeypatch.setattr(kernels, "_SCORES_MAX", 2 * 3 * 33 * 7)  # seven rows at a time, and five
    for each, expected in zip((None, mask), whole, strict=True):
        assert np.abs(np.array(kernels.attention(q, k, v, each)) - expected).max() < 1e-6


@pytest.mark.skipif(not GOLDEN.is_file(), reason="the reference vectors are not beside this checkout")
def test_reference_hidden_states(minilm):
    """Mean and first token of the reference implementation within 1e-4; it truncates, so long texts are
    compared by their first window."""
    golden = json.loads(GOLDEN.read_text())["models"]["minilm"]
    model = models.load(minilm.folder, {}).model
    reader = TextReader.open(minilm.folder, golden["max_tokens"])
    for row in golden["rows"]:
        first = reader.read([row["text"]])[0]
        assert first.ids.tolist() == row["token_ids"]
        states = np.array(model(mx.array(first.ids[None])))[0]
        assert np.abs(states.mean(0) - row["mean"]).max() < 1e-4
        assert np.abs(states[0] - row["first"]).max() < 1e-4


def test_a_flipped_bit_is_found_by_the_digest(tiny_models, tmp_path):
    files = tiny_models.write_tiny_bert(tmp_path / "flipped")
    path = files.folder / "model.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ModelCorrupt, match="pinned"):
        models.load(files.folder, files.digests)


def test_missing_tensors_and_other_shapes_are_named(tiny_models, tmp_path):
    files = tiny_models.write_tiny_bert(tmp_path / "deep")
    config = json.loads((files.folder / "config.json").read_text())
    (files.folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(ModelCorrupt, match="do not fit"):
        models.load(files.folder, {})


def test_an_unknown_architecture_names_the_known_ones(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "perceptron"}')
    with pytest.raises(InvalidSetting, match=r"perceptron.*bert"):
        models.load(tmp_path, {})
