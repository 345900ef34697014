"""Tuning in one process: the gradient, the optimiser, resumption to the same bits; and through a worker."""

from __future__ import annotations

import dataclasses
import importlib
import math
import threading

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_flatten
from reexd.engine import memory, models, states
from reexd.engine.client import State, cached_exactly, kept_with_corpus, write_adapter
from reexd.engine.embedding import collected
from reexd.engine.models import kernels
from reexd.engine.tokens import TextReader
from reexd.engine.tuning import batches, corpus
from reexd.engine.tuning.adamw import AdamW, Segment
from reexd.engine.tuning.adapters import copied
from reexd.engine.tuning.settings import TuneSettings, held_out, layers_tuned, row_weights, worse
from reexd.engine.tuning.tune import Corpus, tune
from reexd.errors import InvalidSetting, JobCancelled, ModelCorrupt, ModelTooLarge, NotEnoughData, StorageFull
from reexd.pooling import parse
from reexd.records import AdapterFiles

SETTINGS = TuneSettings(class_count=3, layers=1, epochs=2, batch_size=8, learning_rate=1e-3)


@pytest.fixture(scope="module")
def tiny(tiny_bert):
    return models.load(tiny_bert.folder, tiny_bert.digests)


@pytest.fixture(scope="module")
def made(tiny):
    """60 documents, every third of two windows, whose class shows in the states that the top layer reads."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    counts = np.where(np.arange(60) % 3 == 0, 2, 1)
    lengths = rng.integers(3, 12, counts.sum())
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    document = np.repeat(np.arange(60), counts)
    states = rng.standard_normal((offsets[-1], tiny.hidden_size)).astype(np.float32)
    states[:, :3] += 2 * np.eye(3, dtype=np.float32)[np.repeat(labels[document], lengths)]
    firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    zeros = np.zeros(len(lengths), int)
    return Corpus(states, offsets, zeros, lengths, zeros, firsts, counts, labels)


def run(tiny, made, resume=None, *, stop_after: int = 0, **changes):
    """The events of a tuning, every step followed by a checkpoint; all of them, or up to so many steps."""
    settings = dataclasses.replace(SETTINGS, **changes)
    events = tune(copied(tiny.model), parse("mean"), made, settings, resume, checkpoint_interval_s=0.0)
    found = []
    for kind, payload in events:
        facts, arrays = payload if kind != "progress" else (payload, {})
        found.append((kind, (dict(facts), {name: array.copy() for name, array in arrays.items()})))
        if stop_after and sum(kind == "checkpoint" for kind, _ in found) == stop_after:
            break
    return found


# What the configurations of all architectures ask for, between them.
CONFIG = {
    "vocab_size": 50,
    "max_position_embeddings": 64,
    **dict.fromkeys(["hidden_size", "dim"], 32),
    **dict.fromkeys(["num_hidden_layers", "n_layers"], 3),
    **dict.fromkeys(["num_attention_heads", "n_heads"], 4),
    **dict.fromkeys(["intermediate_size", "hidden_dim"], 64),
    "relative_attention": True,
    "position_buckets": 8,
    "pos_att_type": ["c2p", "p2c"],
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "position_biased_input": False,
    "local_attention": 8,
}


@pytest.mark.parametrize(
    "architecture", ["bert", "deberta-v2", "distilbert", "modernbert", "mpnet", "xlm-roberta"]
)
def test_every_encoder_can_be_tuned(architecture, assert_slope):
    module = importlib.import_module(f"reexd.engine.models.{architecture.replace('-', '_')}")
    mx.random.seed(0)
    model = module.Model(module.ModelArgs.from_dict({**CONFIG, "model_type": architecture}))
    assert_slope(model, SETTINGS, "mean")


def test_quantised_layers_are_refused(tiny):
    model = copied(tiny.model)
    nn.quantize(model, group_size=32, bits=4)
    with pytest.raises(InvalidSetting, match="quantised weights cannot be tuned"):
        copied(model)


@pytest.mark.parametrize("pooling", ["max+first", "mean@2", "mean:unit", "max+last:unit"])
def test_under_any_pooling(tiny, pooling, assert_slope):
    assert_slope(copied(tiny.model), SETTINGS, pooling)


def test_the_optimiser_is_the_published_one():
    """Algorithm 2 of Loshchilov and Hutter in float64, rates and decay by segment."""
    rng = np.random.default_rng(2)
    weights = rng.standard_normal(70_000).astype(np.float32)
    expected = weights.astype(np.float64)
    segments = [Segment(0, 40_000, 1.0, 1.0), Segment(40_000, 70_000, 0.1, 0.0)]
    adam = AdamW(weights, segments)
    m, v = np.zeros(70_000), np.zeros(70_000)
    rates = np.where(np.arange(70_000) < 40_000, 1.0, 0.1)
    decays = np.where(np.arange(70_000) < 40_000, 0.01, 0.0)
    for step in range(1, 4):
        gradient = rng.standard_normal(70_000).astype(np.float32)
        g = 0.5 * gradient.astype(np.float64)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        expected *= 1 - 0.02 * rates * decays
        expected -= 0.02 * rates * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
        adam.update(gradient, 0.5, 0.02, 0.01)
    assert np.allclose(weights, expected, atol=2e-6)


def test_it_learns_and_keeps_the_last_epoch_that_is_no_worse(tiny, made):
    kind, (facts, arrays) = run(tiny, made, epochs=4, head_learning_rate=0.01)[-1]
    assert kind == "result"
    losses = [record["held_loss"] for record in facts["history"]]
    assert min(losses) < losses[0]
    assert facts["best_epoch"] == 4
    assert all(record["best"] for record in facts["history"])
    assert facts["history"][-1]["held_accuracy"] == 1.0
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float16)}
    assert {name.split(".")[0] for name in arrays} == {"1"}  # the top one of two layers
    assert max(np.abs(array).max() for array in arrays.values()) > 0


def test_slopes_are_numbers_where_the_approximation_overflows():
    """Outliers of 20 and more occur in front of the activation of ordinary checkpoints."""
    x = np.concatenate([np.linspace(-60, 60, 1001), [0.0, 1e-7, -1e-7]]).astype(np.float32)
    gelu = kernels.activation("gelu")
    slopes = np.array(mx.grad(lambda v: gelu(v).sum())(mx.array(x)))
    share = np.array([math.erfc(-each / math.sqrt(2)) / 2 for each in x.astype(float)])
    density = np.exp(-(x.astype(float) ** 2) / 2) / math.sqrt(2 * math.pi)
    assert np.abs(slopes - (share + x * density)).max() < 2e-6


def test_a_loss_that_is_no_number_ends_it_at_once(tiny, made):
    with pytest.raises(InvalidSetting, match="non-finite in step 2"):
        run(tiny, made, learning_rate=1e30, warmup_share=0.0)


def test_progress_tells_epoch_and_loss(tiny, made):
    told = [facts for kind, (facts, _) in run(tiny, made) if kind == "progress"]
    done = [facts["done"] for facts in told]
    assert done == sorted(done)
    assert done[-1] == told[-1]["total"] == 2 * 54
    assert {facts["epoch"] for facts in told} == {1, 2}
    ended = [facts for facts in told if "record" in facts]
    assert [facts["training_loss"] for facts in ended] == [
        facts["record"]["training_loss"] for facts in ended
    ]
    assert all(facts["training_loss"] > 0 for facts in told)


def test_patience_ends_it_early(tiny, made):
    _, (facts, _) = run(tiny, made, epochs=40, learning_rate=30.0, warmup_share=1.0, patience=1)[-1]
    assert facts["stopped_early"]
    assert len(facts["history"]) == facts["best_epoch"] + 1 < 40


@pytest.mark.parametrize("stop_after", [3, 9])
def test_resumed_it_ends_in_the_same_bits(tiny, made, stop_after):
    """From a checkpoint in the first epoch, and from one in the second."""
    whole = run(tiny, made)[-1][1]
    _, state = run(tiny, made, stop_after=stop_after)[-1]
    facts, arrays = run(tiny, made, resume=state)[-1][1]
    assert arrays.keys() == whole[1].keys()
    assert all(np.array_equal(arrays[name], whole[1][name]) for name in arrays)
    assert [record["held_loss"] for record in facts["history"]] == [
        record["held_loss"] for record in whole[0]["history"]
    ]
    with pytest.raises(InvalidSetting, match="other settings"):
        run(tiny, made, resume=state, learning_rate=2e-3)


def test_every_document_once_in_an_epoch_and_any_of_its_windows(made):
    lengths = np.diff(made.offsets)
    order = batches.epoch(lengths, made.firsts, made.counts, 8, [0, 1])
    document = np.repeat(np.arange(60), made.counts)
    assert sorted(document[np.concatenate(order)].tolist()) == list(range(60))
    assert [len(batch) for batch in order].count(8) == 7
    other = batches.epoch(lengths, made.firsts, made.counts, 8, [0, 2])
    assert set(np.concatenate(order)) != set(np.concatenate(other))
    again = batches.epoch(lengths, made.firsts, made.counts, 8, [0, 1])
    assert all(np.array_equal(one, same) for one, same in zip(order, again, strict=True))
    parts = list(batches.parts(order[0], lengths, 20))
    assert np.array_equal(np.concatenate(parts), order[0])
    assert all(len(part) * lengths[part[0]] <= 20 or len(part) == 1 for part in parts)


def test_held_out_rows_are_of_every_class_and_never_most_of_it():
    labels = np.repeat([0, 1, 2], [1000, 30, 3])
    held = held_out(labels, np.arange(len(labels)), 0)
    assert np.bincount(labels[held]).tolist() == [80, 2, 1]
    assert not np.array_equal(held, held_out(labels, np.arange(len(labels)), 1))


def test_an_epoch_is_worse_when_it_loses_more_than_a_standard_error():
    labels = np.repeat([0, 1], [80, 20])
    before = np.ones(100)
    for lost, expected in ((0, False), (1, False), (2, True), (20, True)):
        now = before.copy()
        now[80 : 80 + lost] = 0  # of the small class, which counts as much as the other
        assert worse(before, now, labels) is expected, lost
        assert not worse(now, before, labels)
    swapped = before.copy()
    swapped[[0, 80]] = 0
    assert not worse(swapped, swapped[::-1], labels)
    assert not worse(np.zeros(0), np.zeros(0), np.zeros(0, int))


def test_rows_weigh_by_the_root_of_their_class():
    weights = row_weights(np.repeat([0, 1], [400, 100]), 2)
    assert weights[-1] / weights[0] == pytest.approx(2.0)
    assert weights.mean() == pytest.approx(1.0)
    with pytest.raises(NotEnoughData, match=r"\[400, 0\]"):
        row_weights(np.zeros(400, int), 2)


def test_small_models_are_tuned_whole_and_large_ones_at_the_top():
    assert layers_tuned(6, 22_700_000) == 6
    assert layers_tuned(12, 109_000_000) == 4


def test_through_a_worker_into_a_fused_model(shared_engine, tiny_bert, tiny_models, tmp_path):
    texts = [text for name in tiny_models.CLASSES for text in tiny_models.texts(name, 20)]
    texts[0] = " ".join([texts[0]] * 20)  # of several windows
    labels = np.repeat(np.arange(3), 20)
    keep = State({"numbers": np.arange(60)}, {"note": 1})
    folder = tmp_path / "job"
    told = []

    def tuned():
        return shared_engine.tunings.run(
            tiny_bert, folder, SETTINGS, checkpoint_s=0.0, on_progress=told.append
        )

    shared_engine.tunings.read(tiny_bert, folder, texts, labels, keep)
    kept = kept_with_corpus(folder)
    assert np.array_equal(kept.arrays["numbers"], np.arange(60))
    assert kept.facts == {"note": 1}
    result = tuned()
    done = [progress.done for progress in told]
    assert done == sorted(done)
    assert done[-1] == told[-1].total
    (folder / "result" / "facts.json").unlink()  # killed while it was written
    again = tuned()  # from its last checkpoint, with the cache that is there
    assert all(np.array_equal(result.arrays[name], again.arrays[name]) for name in result.arrays)

    write_adapter(tmp_path / "adapter", result.arrays)
    fused = dataclasses.replace(tiny_bert, adapter=AdapterFiles(tmp_path / "adapter", "a digest"))
    assert shared_engine.open(fused).fingerprint != shared_engine.open(tiny_bert).fingerprint
    before = shared_engine.embed(tiny_bert, texts).vectors
    after = shared_engine.embed(fused, texts).vectors
    assert np.abs(after - before).max() > 1e-3
    chosen = np.array([3, 0, 59, 30])  # the second of them of several windows
    stream = shared_engine.tunings.embed_stream(fused, folder, SETTINGS.layers, chosen)
    from_cache = collected(stream, len(chosen), after.shape[1])
    assert np.allclose(from_cache.vectors, after[chosen], atol=1e-6)
    assert from_cache.windows[1] > 1 == from_cache.windows[0]
    model = models.load(tiny_bert.folder, tiny_bert.digests).model
    names = {f"encoder.layer.{name}": array.astype(np.float32) for name, array in result.arrays.items()}
    tuned_weights = {
        name: value + mx.array(names[name].T) if name in names else value
        for name, value in tree_flatten(model.parameters())
    }
    assert len(names) == len(names.keys() & tuned_weights.keys()) == 12
    model.load_weights(list(tuned_weights.items()))
    (window,) = TextReader.open(tiny_bert.folder, 64).read(texts[1:2])
    assert np.allclose(after[1], np.array(model(mx.array(window.ids)[None])[0].mean(axis=0)), atol=1e-5)


def test_a_cache_is_filled_up_by_a_daemon_whose_units_are_others(start_engine, tiny_bert, tmp_path):
    """As after a restart with a faster library: how far the first one came is no number of the second one's units."""
    texts, folder = [" ".join(["loan"] * (1 + at % 30)) for at in range(60)], tmp_path / "job"
    engine, filled = start_engine(unit_s=1e-9), threading.Event()  # a window in each unit

    def stop_half_way(progress):
        if progress.done >= progress.total * 0.05:
            filled.set()

    engine.tunings.read(tiny_bert, folder, texts, np.arange(60) % 3, State({}, {}))
    with pytest.raises(JobCancelled):
        engine.tunings.run(
            tiny_bert, folder, SETTINGS, checkpoint_s=0.0, on_progress=stop_half_way, cancel=filled
        )
    assert 0 < corpus.filled(folder) < 60
    start_engine().tunings.run(tiny_bert, folder, SETTINGS, checkpoint_s=0.0, on_progress=lambda _: None)
    assert (np.abs(corpus.lower_states(folder)).max(axis=1) > 0).all()


def test_what_is_pooled_is_tuned(shared_engine, tiny_bert, tmp_path):
    two = dataclasses.replace(tiny_bert, pooling="mean@2")
    with pytest.raises(InvalidSetting, match="reads 2 layers"):
        shared_engine.tunings.run(two, tmp_path, SETTINGS, checkpoint_s=1.0, on_progress=print)


def test_a_cache_that_does_not_fit_is_refused_at_once(tmp_path):
    with pytest.raises(StorageFull, match="GB are free"):
        corpus.create_states(tmp_path, 10**12, 768)
    assert list(tmp_path.iterdir()) == []


def test_a_large_cache_is_kept_in_half_precision(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "_FLOAT32_MAX_BYTES", 1000)
    for name, tokens, dtype in (("small", 30, np.float32), ("large", 40, np.float16)):
        (tmp_path / name).mkdir()
        corpus.create_states(tmp_path / name, tokens, 8)
        corpus.lower_states(tmp_path / name, writable=True)[-1] = 2.5
        found = corpus.lower_states(tmp_path / name)
        assert (found.shape, found.dtype, found[-1, 0]) == ((tokens, 8), dtype, 2.5)
        assert not cached_exactly(tmp_path / name)  # not all may be there
        states.save(tmp_path / name / corpus.RESULT, State({}, {}))
        assert cached_exactly(tmp_path / name) == (dtype is np.float32)


def test_a_tuning_that_does_not_fit_is_refused_with_figures(shared_engine, tiny_bert, tmp_path, monkeypatch):
    facts = shared_engine.open(tiny_bert)
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    with pytest.raises(ModelTooLarge, match=r"tuning .*--tune-layers") as refused:
        shared_engine.tunings.run(tiny_bert, tmp_path, SETTINGS, checkpoint_s=1.0, on_progress=print)
    assert 1000 < int(refused.value.metadata["needed_bytes"]) < 24 * facts.parameters


def test_changes_of_another_model_are_refused(shared_engine, tiny_bert, tmp_path):
    write_adapter(tmp_path / "adapter", {"7.weight": np.zeros(3, np.float16)})
    wrong = dataclasses.replace(tiny_bert, adapter=AdapterFiles(tmp_path / "adapter", "another digest"))
    with pytest.raises(ModelCorrupt, match="do not fit"):
        shared_engine.open(wrong)
