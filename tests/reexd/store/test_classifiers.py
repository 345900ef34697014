"""Classifier versions: immutable, complete, and holding on to the hidden states of their support."""

from __future__ import annotations

from dataclasses import fields, replace
from types import ModuleType

import numpy as np
import pytest
from reexd.errors import ClassifierNotFound, Conflict, NotTrained
from reexd.records import ClassifierArrays, Member
from reexd.store import (
    arrays,
    classifiers,
    compaction,
    documents,
    hidden_states,
    keys,
    predictions,
    ranges,
    references,
    spaces,
    staleness,
)
from reexd.store.environment import Environment


@pytest.fixture
def space(environment: Environment, samples: ModuleType) -> spaces.Space:
    return environment.write(samples.fill)


def test_a_version_comes_back_whole(
    environment: Environment, samples: ModuleType, space: spaces.Space
) -> None:
    version = environment.write(lambda txn: samples.train(txn, space))
    with environment.read() as txn:
        expected = samples.arrays(txn, space)
        found = classifiers.arrays(txn, version)
        assert classifiers.get(txn, version) == samples.classifier(version, space.number)
        assert (classifiers.array(txn, version, "pool_roles") == expected.pool_roles).all()
    for field in fields(ClassifierArrays):
        mine, theirs = getattr(found, field.name), getattr(expected, field.name)
        assert isinstance(mine, tuple) == isinstance(theirs, tuple)
        for one, other in zip(
            *((x,) if not isinstance(x, tuple) else x for x in (mine, theirs)), strict=True
        ):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


def test_the_field_numbers_name_every_array_and_stand() -> None:
    assert [field.name for field in fields(ClassifierArrays)] == [
        field.name for field in classifiers.ArrayField
    ]
    numbers = [*range(1, 24), *range(30, 34), 40, 41]
    assert [field.value for field in classifiers.ArrayField] == numbers


def test_a_version_never_changes(environment: Environment, samples: ModuleType, space: spaces.Space) -> None:
    version = environment.write(lambda txn: samples.train(txn, space))
    with pytest.raises(Conflict, match="immutable"):
        environment.write(
            lambda txn: classifiers.put(
                txn, samples.classifier(version, space.number), samples.arrays(txn, space)
            )
        )


def test_live_is_a_pointer_and_rollback_a_switch(
    environment: Environment, samples: ModuleType, space: spaces.Space
) -> None:
    with environment.read() as txn:
        assert classifiers.live(txn) is None
        with pytest.raises(NotTrained, match=r"project 'p'.*reexctl train p"):
            classifiers.live_classifier(txn, "p")
    first = environment.write(lambda txn: samples.train(txn, space))
    second = environment.write(lambda txn: samples.train(txn, space))
    with environment.read() as txn:
        assert (first, second, classifiers.live(txn)) == (1, 2, 2)
    environment.write(lambda txn: classifiers.set_live(txn, first))
    with environment.read() as txn:
        assert classifiers.live_classifier(txn, "p").version == first
        assert [classifier.name for classifier in classifiers.listed(txn)] == ["v1", "v2"]
    with pytest.raises(ClassifierNotFound, match="no classifier v9; this project has v1, v2"):
        environment.write(lambda txn: classifiers.set_live(txn, 9))


def test_deletion_spares_the_live_version_and_frees_the_rest(
    environment: Environment, samples: ModuleType, space: spaces.Space
) -> None:
    first = environment.write(lambda txn: samples.train(txn, space))
    environment.write(lambda txn: predictions.put_many(txn, [samples.prediction(first, 0)]))
    with pytest.raises(Conflict, match="is live"):
        environment.write(lambda txn: classifiers.delete(txn, first))
    second = environment.write(lambda txn: samples.train(txn, space))
    environment.write(lambda txn: classifiers.delete(txn, first))
    with environment.read() as txn:
        assert [classifier.version for classifier in classifiers.listed(txn)] == [second]
        assert predictions.versions(txn) == []
        assert references.counts(txn, space, 1) == (1, 1)
    assert environment.write(classifiers.next_version) == 3


def test_members_of_an_ensemble_come_back_in_order_pin_their_rows_and_go_with_their_version(
    environment: Environment, samples: ModuleType, space: spaces.Space
) -> None:
    other = environment.write(lambda txn: samples.train(txn, space))
    rows = np.array([7, 7, 8], np.int64)

    def train(txn) -> int:
        version = classifiers.next_version(txn)
        own = samples.arrays(txn, space)
        members = [
            Member(
                replace(samples.classifier(version, space.number), mean=float(number)),
                replace(own, support_rows=rows, classifier_bias=own.classifier_bias + number),
            )
            for number in range(12)
        ]
        classifiers.put(txn, samples.classifier(version, space.number), own, members)
        return version

    with environment.read() as txn:
        before = [references.counts(txn, space, row) for row in range(12)]
    version = environment.write(train)
    with environment.read() as txn:
        found = classifiers.members(txn, version)
        assert [each.record.mean for each in found] == list(range(12))
        bias = classifiers.arrays(txn, version).classifier_bias
        for number, each in enumerate(found):
            np.testing.assert_array_equal(each.arrays.classifier_bias, bias + number)
            np.testing.assert_array_equal(each.arrays.support_rows, rows)
        assert classifiers.members(txn, other) == ()
        assert references.counts(txn, space, 8)[1] == before[8][1] + 12 + (
            8 in classifiers.array(txn, version, "support_rows")
        )
    environment.write(lambda txn: classifiers.delete(txn, version))
    with environment.read() as txn:
        assert classifiers.members(txn, version) == ()
        assert [references.counts(txn, space, row) for row in range(12)] == before
        assert list(ranges.keys(txn, keys.member_arrays(version))) == []


def test_a_version_pins_the_vectors_of_deleted_documents_but_not_their_texts(
    environment: Environment, samples: ModuleType, space: spaces.Space
) -> None:
    version = environment.write(lambda txn: samples.train(txn, space))
    with environment.read() as txn:
        support_rows = classifiers.array(txn, version, "support_rows")
        before = hidden_states.gather(txn, space, support_rows)
    environment.write(lambda txn: documents.delete(txn, documents.numbers(txn)))
    environment.write(lambda txn: compaction.compact(txn, space))
    with environment.read() as txn:
        np.testing.assert_array_equal(hidden_states.gather(txn, space, support_rows), before)
        assert hidden_states.count(txn, space) == len(support_rows)
        assert documents.texts(txn, [1]) == [None]


def test_staleness_counts_each_change_once_and_moves_within_the_pool_not_at_all(
    environment: Environment, samples: ModuleType, space: spaces.Space
) -> None:
    version = environment.write(lambda txn: samples.train(txn, space))

    def edit(txn) -> None:
        by_number = {n: documents.read(txn, n) for n in range(6)}
        documents.delete(txn, [0])
        change = [
            (1, {"text": "new", "label": 0}),
            (2, {"label": 1}),
            (3, {"split": "train"}),
            (4, {"split": "test"}),
            (5, {"info": "note"}),
        ]
        documents.upsert(txn, [samples.replace(by_number[n], **changes) for n, changes in change])
        documents.upsert(
            txn,
            [
                documents.Document("new", "text", label=0),
                documents.Document("unlabelled", "text"),
                documents.Document("elsewhere", "text", label=0, split="test"),
            ],
        )

    with environment.read() as txn:
        assert not staleness.of(txn, version).stale
    environment.write(edit)
    with environment.read() as txn:
        found = staleness.of(txn, version)
    assert found == staleness.Staleness(deleted=1, replaced=1, relabelled=1, left=1, unused=1)
    assert found.stale


def test_large_arrays_are_stored_in_parts(environment: Environment) -> None:
    large = np.arange(arrays.PART_SIZE // 4 + 1000, dtype=np.float32).reshape(2, -1).T
    environment.write(lambda txn: arrays.put(txn, lambda part: b"\xf0%d" % part, large))
    with environment.read() as txn:
        assert txn.get(b"\xf02") is not None and txn.get(b"\xf03") is None
        np.testing.assert_array_equal(arrays.get(txn, lambda part: b"\xf0%d" % part, "large"), large)
