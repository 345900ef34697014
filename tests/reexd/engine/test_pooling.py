"""Every word of pooling, over texts of one window and of several, against the same states pooled text by text."""

from __future__ import annotations

import dataclasses

import mlx.core as mx
import numpy as np
import pytest
from reexd.engine import models
from reexd.engine.tokens import TextReader
from reexd.errors import InvalidSetting

POOLINGS = ["mean", "max", "first", "last", "mean+max", "last+first+max+mean", "mean@2", "max+last@2"]
POOLINGS += ["mean:unit", "mean+max@2:unit"]


@pytest.fixture(scope="module")
def texts(tiny_models):
    short = [tiny_models.texts(label, 3)[2] for label in tiny_models.CLASSES]
    long = " ".join(tiny_models.texts("positive", 30) + tiny_models.texts("negative", 10))
    return [short[0], long, "", short[1], " ".join(long.split()[5:90]), short[2]]


@pytest.fixture(scope="module")
def states(tiny_bert, texts):
    """Per text and layer, all of its tokens' states (T, D), each from the window that owns it."""
    model = models.load(tiny_bert.folder, {}).model
    windows = TextReader.open(tiny_bert.folder, 64).read(texts)
    found = []
    for place in range(len(texts)):
        mine = [window for window in windows if window.text == place]
        layers = [list(model.states(model.embed(mx.array(window.ids[None])))) for window in mine]
        found.append(
            [
                np.concatenate(
                    [
                        np.array(each[layer])[0, window.begin : window.end]
                        for each, window in zip(layers, mine, strict=True)
                    ]
                )
                for layer in range(2)
            ]
        )
    assert sorted(len(layers[0]) > 64 for layers in found) == [False] * 4 + [True] * 2
    return found


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_word_means_the_same_for_texts_of_any_length(shared_engine, tiny_bert, texts, states, pooling):
    files = dataclasses.replace(tiny_bert, pooling=pooling)
    vectors = shared_engine.embed(files, texts).vectors
    words, _, layers = pooling.removesuffix(":unit").partition("@")
    words = words.split("+")
    assert vectors.shape == (len(texts), 32 * len(words)) == (6, shared_engine.open(files).hidden_size)
    oracle = {
        "mean": lambda x: x.mean(0, dtype=np.float64),
        "max": lambda x: x.max(0),
        "first": lambda x: x[0],
        "last": lambda x: x[-1],
    }
    for vector, (lower, upper) in zip(vectors, states, strict=True):
        tokens = (lower + upper) / 2 if layers else upper
        parts = [oracle[word](tokens) for word in words]
        if pooling.endswith(":unit"):
            parts = [part / np.linalg.norm(part) * np.sqrt(part.size) for part in parts]
        expected = np.concatenate(parts)
        assert np.abs(vector - expected).max() < 1e-5


def test_fingerprints_tell_poolings_apart_and_know_one_in_two_spellings(shared_engine, tiny_bert):
    def fingerprint(pooling):
        return shared_engine.open(dataclasses.replace(tiny_bert, pooling=pooling)).fingerprint

    assert len({fingerprint(pooling) for pooling in POOLINGS}) == len(POOLINGS)
    assert fingerprint("mean@1") == fingerprint("mean") == shared_engine.open(tiny_bert).fingerprint


def test_weights_are_held_once_for_all_poolings(start_engine, tiny_bert):
    engine = start_engine()
    for pooling in ("mean", "max", "last", "last:unit"):
        engine.open(dataclasses.replace(tiny_bert, pooling=pooling))
    names = [model.name for model in engine.status().models]
    assert names.count(tiny_bert.name) == 1


def test_more_layers_than_there_are(shared_engine, tiny_bert):
    with pytest.raises(InvalidSetting, match=r"last 3 layers.*has 2"):
        shared_engine.open(dataclasses.replace(tiny_bert, pooling="mean@3"))
