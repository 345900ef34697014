"""Classifiers in the workers: matched against the definition, apart or in one visit with the embedding."""

import asyncio
import dataclasses

import numpy as np
import pytest
from reexd.engine.client import write_classifier
from reexd.errors import InvalidInput
from reexd.records import Classifier, ClassifierArrays
from reexd.sdm import AdaptorWeights, Normalization, similarity


@pytest.fixture(scope="module")
def corpus(tiny_models):
    return [text for label in tiny_models.CLASSES for text in tiny_models.texts(label, 60)]


def support_of(rows, rng):
    weights = AdaptorWeights(
        rng.standard_normal((20, 32)).astype(np.float32),
        rng.standard_normal(20).astype(np.float32),
        rng.standard_normal((3, 20)).astype(np.float32),
        np.zeros(3, dtype=np.float32),
    )
    return weights, rng.standard_normal((rows, 32)).astype(np.float32), rng.integers(0, 3, rows)


def test_match_equals_the_definition(shared_engine, tmp_path):
    rng = np.random.default_rng(0)
    weights, support, labels = support_of(300, rng)
    normalization = Normalization(0.1, 1.3)

    def exemplars(vectors):
        return normalization.apply(vectors) @ weights.projection_weight.T + weights.projection_bias

    def logits(vectors):
        return exemplars(vectors) @ weights.classifier_weight.T + weights.classifier_bias

    predictions = logits(support).argmax(1)
    empty = np.empty(0)
    record = Classifier(1, ("a", "b", "c"), "tiny", "", 0, "", 32, 0, 20, 0.1, 1.3, 50, (), "", 0.0)
    arrays = ClassifierArrays(
        *weights.arrays(), empty, empty, labels, predictions, np.empty((300, 0)), empty, np.empty((0, 0)), empty,
        (), (), empty, empty, empty, empty,
    )  # fmt: skip
    handle = write_classifier(tmp_path / "v1", record, arrays, support)
    queries = np.concatenate([rng.standard_normal((40, 32)).astype(np.float32), support[:3]])
    exclude = np.r_[np.full(40, -1), 0, 1, 2]
    found = shared_engine.match(handle, queries, exclude=exclude, neighbors=7)
    expected = similarity(
        exemplars(queries), logits(queries).argmax(1), exemplars(support), labels, predictions,
        neighbors_max=50, exclude=exclude,
    )  # fmt: skip
    assert np.abs(found.logits - logits(queries)).max() < 1e-3
    assert np.array_equal(found.q, expected.q)
    assert np.allclose(found.d0, expected.d0, rtol=1e-4, atol=1e-4)
    assert np.array_equal(found.indices[:, 0], expected.nearest)
    assert found.distances.shape == (43, 7)
    assert (np.diff(found.distances, axis=1) >= 0).all()
    assert shared_engine.match(handle, queries[:0], neighbors=7).indices.shape == (0, 7)
    queries[0, 0] = np.nan
    with pytest.raises(InvalidInput, match="finite"):
        shared_engine.match(handle, queries, interactive=True)


@pytest.mark.parametrize("pooling", ["mean", "mean:unit"])
def test_one_visit_answers_as_two_do(shared_engine, tiny_bert, corpus, tmp_path, pooling):
    tiny_bert = dataclasses.replace(tiny_bert, pooling=pooling)
    rng = np.random.default_rng(1)
    weights, _, labels = support_of(40, rng)
    support = shared_engine.embed(tiny_bert, corpus[:40]).vectors
    empty = np.empty(0)
    record = Classifier(1, ("a", "b", "c"), "tiny", "", 0, "", 32, 0, 20, 0.0, 1.0, 50, (), "", 0.0)
    arrays = ClassifierArrays(
        *weights.arrays(), empty, empty, labels[:40], labels[:40], np.empty((40, 0)), empty, np.empty((0, 0)), empty,
        (), (), empty, empty, empty, empty,
    )  # fmt: skip
    handle = write_classifier(tmp_path / "v1", record, arrays, support)
    texts = [*corpus[50:55], "profit rose " * 60, corpus[56]]  # the sixth is read in windows
    apart = shared_engine.embed(tiny_bert, texts, interactive=True)
    read = np.arange(len(texts)) == 2  # the third has been embedded before
    question = shared_engine.question(tiny_bert, texts, vectors=apart.vectors, read=read)
    windows, matches = asyncio.run_coroutine_threadsafe(
        shared_engine.answer(question, handle, neighbors=5), shared_engine.loop
    ).result()
    expected = shared_engine.match(handle, apart.vectors, neighbors=5)
    assert windows.tolist() == apart.windows.tolist() and windows[5] > 1
    for name in ("q", "indices"):
        np.testing.assert_array_equal(getattr(matches, name), getattr(expected, name))
    np.testing.assert_allclose(matches.distances, expected.distances, rtol=1e-5)
    np.testing.assert_allclose(matches.logits, expected.logits, rtol=1e-5, atol=1e-6)
