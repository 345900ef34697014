"""Predictions: complete records, current for their version, and selected by index keys alone."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from reexd.errors import InvalidInput
from reexd.records import Document, Prediction
from reexd.store import documents, predictions
from reexd.store.environment import Environment
from reexd.store.keys import Index, Kind, kind
from reexd.store.ranges import keys as walk_keys


@pytest.fixture
def filled(environment: Environment, samples: ModuleType) -> Environment:
    environment.write(samples.fill)
    return environment


def put(environment: Environment, *items: Prediction) -> int:
    return environment.write(lambda txn: predictions.put_many(txn, items))


def index_size(environment: Environment) -> int:
    with environment.read() as txn:
        return sum(1 for _ in walk_keys(txn, kind(Kind.PREDICTION_INDEX)))


def test_a_prediction_comes_back_with_its_neighbours(filled: Environment, samples: ModuleType) -> None:
    expected = samples.prediction(1, 5)
    assert put(filled, expected) == 1
    with filled.read() as txn:
        assert predictions.get(txn, 1, 5) == expected
        assert predictions.get(txn, 2, 5) is None
        assert list(predictions.scan(txn, 1)) == [replace(expected, neighbors=())]
        first_only = replace(expected, neighbors=expected.neighbors[:1])
        assert list(predictions.scan(txn, 1, neighbors=1)) == [first_only]


def test_a_deleted_neighbour_loses_its_id_and_says_so(filled: Environment, samples: ModuleType) -> None:
    put(filled, samples.prediction(1, 5))
    filled.write(lambda txn: documents.delete(txn, [3]))
    with filled.read() as txn:
        gone, kept = predictions.get(txn, 1, 5).neighbors
    assert (gone.document, gone.document_id, gone.text, gone.label) == (3, "", predictions.DELETED, 1)
    assert (kept.document_id, kept.text) == ("d4", "text 4")


def test_the_label_is_the_document_s_current_one(filled: Environment, samples: ModuleType) -> None:
    put(filled, samples.prediction(1, 5))
    filled.write(lambda txn: documents.relabel(txn, 5, 0))
    with filled.read() as txn:
        assert predictions.get(txn, 1, 5).label == 0


def test_predictions_go_with_the_content_they_are_about(filled: Environment, samples: ModuleType) -> None:
    for version in (1, 2):
        put(filled, *(samples.prediction(version, n) for n in range(3)))
    filled.write(
        lambda txn: documents.upsert(txn, [Document("d0", "new"), Document("d1", "text 1", label=0)])
    )
    filled.write(lambda txn: documents.delete(txn, [2]))
    with filled.read() as txn:
        assert [predictions.scored(txn, version).tolist() for version in (1, 2)] == [[1], [1]]
    assert index_size(filled) == 2 * len(Index)


def test_a_prediction_for_a_document_deleted_meanwhile_is_passed_over(
    filled: Environment, samples: ModuleType
) -> None:
    assert put(filled, samples.prediction(1, 99), samples.prediction(1, 1)) == 1
    with pytest.raises(InvalidInput, match="no document number"):
        put(filled, samples.prediction(1, -1))


def test_scoring_again_replaces_record_and_index(filled: Environment, samples: ModuleType) -> None:
    put(filled, samples.prediction(1, 5))
    put(filled, samples.prediction(1, 5, q=1, d=0.5))
    assert index_size(filled) == len(Index)
    with filled.read() as txn:
        assert predictions.select(txn, 1, within={Index.Q: (1, 1)}).tolist() == [5]
        assert predictions.select(txn, 1, within={Index.Q: (7, 7)}).tolist() == []


def test_selections_filter_and_order_by_every_index(filled: Environment, samples: ModuleType) -> None:
    words = ("out-of-distribution", "lowest", "low", "high", "highest")
    rng = np.random.default_rng(3)
    items = [
        samples.prediction(
            1,
            number,
            prediction=int(rng.integers(0, 2)),
            sdm=(float(p := rng.random()), 1 - float(p)),
            q=int(rng.integers(0, 4)),
            d=float(rng.integers(0, 3)) / 2,
            region_alpha=float(rng.choice([0.0, 0.9, 0.95])),
            reliability=words[rng.integers(0, 5)],
            role=int(rng.integers(0, 3)),
            probability=float(rng.random()) if number % 2 else None,
        )
        for number in range(12)
    ]
    put(filled, *items, samples.prediction(2, 0))
    values = {
        Index.PREDICTION: lambda p: p.prediction,
        Index.REGION_ALPHA: lambda p: p.region_alpha,
        Index.RELIABILITY: lambda p: words.index(p.reliability),
        Index.Q: lambda p: p.q,
        Index.D: lambda p: p.d,
        Index.PROBABILITY: lambda p: p.sdm[p.prediction] if p.probability is None else p.probability,
        Index.ROLE: lambda p: p.role,
    }
    with filled.read() as txn:
        for index, value in values.items():
            ordered = sorted(items, key=lambda p: (value(p), p.document))
            found = predictions.select(txn, 1, order_by=index)
            assert found.tolist() == [p.document for p in ordered]
            assert (
                predictions.select(txn, 1, order_by=index, descending=True).tolist() == found.tolist()[::-1]
            )
            low, high = value(ordered[3]), value(ordered[8])
            inside = sorted(p.document for p in items if low <= value(p) <= high)
            assert predictions.select(txn, 1, within={index: (low, high)}).tolist() == inside
        both = {Index.Q: (1.0, 3.0), Index.REGION_ALPHA: (0.9, 1.0)}
        train = documents.numbers(txn, "train").tolist()
        expected = [
            p.document
            for p in sorted(items, key=lambda p: (p.q, p.document))
            if p.q >= 1 and p.region_alpha >= 0.9 and p.document in train
        ]
        assert predictions.select(txn, 1, split="train", within=both, order_by=Index.Q).tolist() == expected
        assert predictions.select(txn, 1, split="test", order_by=Index.Q).tolist() == []


def test_what_is_missing_is_known_by_split(filled: Environment, samples: ModuleType) -> None:
    put(filled, samples.prediction(1, 0), samples.prediction(1, 1))
    with filled.read() as txn:
        assert predictions.scored(txn, 1, "calibration").tolist() == [0]
        assert predictions.missing(txn, 1, "calibration").tolist() == [3, 6, 9]
        assert [p.document for p in predictions.scan(txn, 1, [1, 5, 0])] == [1, 0]


def test_deleting_a_version_s_predictions_leaves_the_other_s(
    filled: Environment, samples: ModuleType
) -> None:
    for version in (1, 2, 300):
        put(filled, *(samples.prediction(version, n) for n in range(3)))
    assert filled.write(lambda txn: predictions.delete_version(txn, 2)) == 3
    with filled.read() as txn:
        assert predictions.versions(txn) == [1, 300]
    assert index_size(filled) == 6 * len(Index)
