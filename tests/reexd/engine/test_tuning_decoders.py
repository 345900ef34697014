"""Decoders are tuned as encoders are: the slope through mlx-lm's layers, prompts, and the fused model that answers."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten
from reexd.engine import models
from reexd.engine.client import State, write_adapter
from reexd.engine.embedding import collected
from reexd.engine.encoding import pooled
from reexd.engine.models import kernels, known
from reexd.engine.tokens import TextReader
from reexd.engine.tuning import corpus
from reexd.engine.tuning.adapters import applied, copied
from reexd.engine.tuning.running import _read as corpus_of
from reexd.engine.tuning.running import fill, upper
from reexd.engine.tuning.settings import TuneSettings
from reexd.engine.tuning.tune import tune
from reexd.pooling import parse
from reexd.records import AdapterFiles

pytest.importorskip("mlx_lm", reason="decoders need mlx-lm: pip install 'reex[decoders]'")

STORED = Path(__file__).parent / "reference" / "decoders"
SETTINGS = TuneSettings(class_count=2, layers=1, epochs=2, batch_size=8, learning_rate=1e-2)
PROMPT = "is this good or bad"


@pytest.mark.parametrize("family", sorted(known.DECODERS))
def test_every_family_can_be_tuned(tmp_path, family, assert_slope):
    with np.load(STORED / f"{family}.npz") as stored:
        (tmp_path / "config.json").write_text(str(stored["config"]))
        tensors = {
            name.removeprefix("weights/"): mx.array(stored[name]).astype(mx.float32)
            for name in stored.files
            if name.startswith("weights/")
        }
    mx.save_safetensors(str(tmp_path / "model.safetensors"), tensors)
    assert_slope(copied(models.load(tmp_path, {}).model), SETTINGS, "mean+first+last")


def test_weights_of_half_width_are_tuned_and_stay_so(tiny_llama, tmp_path, monkeypatch):
    """As on Metal, where a decoder is held in its checkpoint's own type."""
    monkeypatch.setattr(kernels, "on_metal", lambda: True)
    half = tmp_path / "half"
    shutil.copytree(tiny_llama.folder, half)
    tensors = mx.load(str(half / "model.safetensors"))
    narrow = {name: value.astype(mx.bfloat16) for name, value in tensors.items()}
    mx.save_safetensors(str(half / "model.safetensors"), narrow)
    frozen = models.load(half, {})
    assert types_of(frozen.model) == {mx.bfloat16}

    texts, labels = ["profit rose good", "profit fell bad"] * 8, np.tile([0, 1], 8)
    windows = list(TextReader.open(half, 32, decoder=True).read(texts))
    corpus.write_windows(tmp_path / "job", windows, labels, State({}, {}))
    corpus.create_states(tmp_path / "job", sum(len(window.ids) for window in windows), 16)
    fill(frozen.model, tmp_path / "job", SETTINGS.layers, np.arange(len(windows)))
    pooling = parse(tiny_llama.pooling)
    *_, (kind, (facts, changes)) = tune(copied(frozen.model), pooling, corpus_of(tmp_path / "job"), SETTINGS)
    assert kind == "result"
    assert facts["history"][-1]["training_loss"] < facts["history"][0]["training_loss"]
    write_adapter(tmp_path / "adapter", changes)
    fused = applied(frozen, tmp_path / "adapter").model
    assert types_of(fused) == {mx.bfloat16}
    of_cache = upper(fused, pooling, tmp_path / "job", SETTINGS.layers, np.arange(2))
    ids = mx.array(np.stack([window.ids for window in windows[:2]]))
    bounds = (np.array([getattr(each, name) for each in windows[:2]]) for name in ("begin", "end", "context"))
    lengths = np.array([ids.shape[1]] * 2)
    of_text = pooled(fused, fused.states(fused.embed(ids)), pooling, lengths, *bounds)
    assert np.allclose(of_cache, np.array(of_text), atol=1e-6)


def types_of(model):
    return {value.dtype for _, value in tree_flatten(model.parameters())}


def test_through_a_worker_under_its_prompts(shared_engine, tiny_llama, tmp_path):
    """Half of the texts have a prompt of their own; the fused model gives what its weights give without a cache."""
    tiny_llama = dataclasses.replace(tiny_llama, pooling="mean+first+last")
    good = ["profit rose", "profit rose good", "rose this profit good", "good profit this rose rose"]
    texts = [*good, *(text.replace("rose", "fell").replace("good", "bad") for text in good)] * 6
    labels = np.tile(np.repeat([0, 1], 4), 6)
    prompts = [PROMPT if at % 16 < 8 else "" for at in range(len(texts))]
    folder = tmp_path / "job"
    shared_engine.tunings.read(tiny_llama, folder, texts, labels, State({}, {}), prompts)
    given = corpus.windows(folder)
    assert given["context"][:16].tolist() == [given["context"][0]] * 8 + [given["context"][8]] * 8
    assert given["context"][0] > given["context"][8] > 0
    result = shared_engine.tunings.run(tiny_llama, folder, SETTINGS, checkpoint_s=60.0, on_progress=print)
    assert {name.split(".")[0] for name in result.arrays} == {"1"}
    assert result.facts["history"][-1]["training_loss"] < result.facts["history"][0]["training_loss"]

    write_adapter(tmp_path / "adapter", result.arrays)
    fused = dataclasses.replace(tiny_llama, adapter=AdapterFiles(tmp_path / "adapter", "of the llama"))
    vectors = shared_engine.embed(fused, texts[:8], prompt=PROMPT).vectors
    assert np.abs(vectors - shared_engine.embed(tiny_llama, texts[:8], prompt=PROMPT).vectors).max() > 1e-3
    model = applied(models.load(tiny_llama.folder, {}), tmp_path / "adapter").model
    for vector, window in zip(
        vectors, TextReader.open(tiny_llama.folder, 32, decoder=True).read(texts[:8], 0, PROMPT), strict=True
    ):
        bounds = (np.array([each]) for each in (len(window.ids), window.begin, window.end, window.context))
        walked = model.states(model.embed(mx.array(window.ids[None])))
        expected = np.array(pooled(model, walked, parse(tiny_llama.pooling), *bounds))
        assert np.abs(vector - expected).max() < 1e-5
    stream = shared_engine.tunings.embed_stream(fused, folder, SETTINGS.layers, np.arange(8))
    assert np.allclose(collected(stream, 8, vectors.shape[1]).vectors, vectors, atol=1e-5)
