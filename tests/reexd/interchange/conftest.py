"""A small model and a small dataset, drawn from a seed, without training."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from reexd import sdm
from reexd.interchange.portable_model import PortableModel, Representation, exemplars
from reexd.interchange.sdmdataset import DatasetRow, PortableDataset
from reexd.sdm.similarity import similarity


@pytest.fixture(scope="session")
def scoring() -> ModuleType:
    """The module official_scoring.py: pytest imports tests by path, so that they cannot import each other by name."""
    path = Path(__file__).resolve().parents[2] / "official_scoring.py"
    spec = importlib.util.spec_from_file_location("official_scoring", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def model() -> PortableModel:
    """Two classes, 5 features, 7 components, 30 support and 40 calibration rows; one support row is labelled -99."""
    generator = np.random.default_rng(5)
    labels = np.arange(70) % 2
    vectors = (generator.normal(size=(70, 5)) + 3.0 * labels[:, None]).astype(np.float32)
    normalization = sdm.fit_normalization(vectors[:30])
    weights = sdm.initial_weights(np.random.default_rng(0), 5, 7, 2)
    found = exemplars(weights, normalization, vectors)
    logits = found @ weights.classifier_weight.T + weights.classifier_bias
    predictions = logits.argmax(axis=1)
    support_labels = np.where(np.arange(30) == 3, -99, labels[:30]).astype(np.int32)
    matched = similarity(found[30:], predictions[30:], found[:30], support_labels, predictions[:30])
    return PortableModel(
        model_id="a model",
        created_at=1_700_000_000.25,
        producer=("reex", "0.1.0"),
        classes=("negative", "positive"),
        representation=Representation("made-up", model="minilm", input_template="judge this"),
        weights=weights,
        normalization=normalization,
        neighbors_max=2048,
        alpha_resolution=0.05,
        exemplars=found[:30],
        support_ids=tuple(f"s{place}" for place in range(30)),
        support_labels=support_labels,
        support_predictions=predictions[:30].astype(np.int32),
        support_texts=tuple(None if place % 3 == 0 else f"text {place}" for place in range(30)),
        calibration=sdm.calibrate(labels[30:], logits[30:], matched.q, matched.d0, 2),
        calibration_ids=tuple(f"c{place}" for place in range(40)),
        metadata={"reex": {"note": ["any", 1, None]}},
    )


@pytest.fixture
def dataset() -> PortableDataset:
    """Six rows of every kind of label; two have no vector, three have attributes."""
    rows = (
        DatasetRow("a", 0, "one", "prompt", {"info": "x", "nested": {"k": [1, 2.5]}}),
        DatasetRow("b", 1, "zwei ü 🙂"),
        DatasetRow("c", -1, None),
        DatasetRow("d", -99, ""),
        DatasetRow("e", 1, "five\u2028lines\n"),
        DatasetRow("f", 0, "six"),
    )
    generator = np.random.default_rng(1)
    return PortableDataset(
        rows,
        embeddings=generator.normal(size=(4, 3)).astype(np.float32),
        embedding_places=np.array([0, 1, 3, 5]),
        attributes=generator.normal(size=(3, 2)).astype(np.float32),
        attribute_places=np.array([1, 2, 3]),
        classes=("negative", "positive"),
        representation={"fingerprint": "made-up", "pooling": "mean"},
        metadata={"from": "here"},
    )
