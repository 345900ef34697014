"""Documents: what replaces what, what goes with what, and counts that always agree with the documents."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reexd.errors import DocumentNotFound, InvalidDocument, InvalidInput, SplitNotFound
from reexd.records import Document, Outcome
from reexd.store import attributes, documents, hidden_states, references, spaces, splits
from reexd.store.environment import Environment

FULL = Document(
    id="a",
    text="A text with ünïcode and a NUL \0.",
    label=2,
    split="train",
    prompt="Which class?",
    info="line 7",
    group="g",
    attributes=(0.1, -2.5),
    extra_json='{"source": "x"}',
)


def put(environment: Environment, *items: Document, **options: object) -> list[Outcome]:
    return environment.write(lambda txn: documents.upsert(txn, items, **options)).outcomes


def get(environment: Environment, document_id: str) -> Document:
    with environment.read() as txn:
        return documents.get(txn, document_id)


def test_a_document_comes_back_as_it_was_sent(environment: Environment) -> None:
    assert put(environment, FULL, now=99.5) == [Outcome.ADDED]
    assert get(environment, "a") == replace(FULL, number=0, revision=1, updated_at=99.5)


def test_identical_content_changes_nothing(environment: Environment) -> None:
    put(environment, FULL, now=1.0)
    assert put(environment, FULL, now=2.0) == [Outcome.UNCHANGED]
    assert get(environment, "a").updated_at == 1.0


@pytest.mark.parametrize(
    ("change", "revision"),
    [
        ({"text": "other"}, 2),
        ({"prompt": "other"}, 2),
        ({"attributes": (0.1, -2.0)}, 2),
        ({"attributes": ()}, 2),
        ({"label": 0}, 1),
        ({"split": "test"}, 1),
        ({"info": "other"}, 1),
        ({"group": "other"}, 1),
        ({"extra_json": ""}, 1),
    ],
)
def test_the_revision_rises_only_with_what_a_classifier_sees(
    environment: Environment, change: dict[str, object], revision: int
) -> None:
    put(environment, FULL)
    changed = replace(FULL, **change)
    outcome = Outcome.MOVED if "split" in change else Outcome.REPLACED
    assert put(environment, changed, now=3.0) == [outcome]
    assert get(environment, "a") == replace(changed, number=0, revision=revision, updated_at=3.0)


def test_the_last_of_two_with_one_id_in_a_batch_stands(environment: Environment) -> None:
    batch = FULL, replace(FULL, id="b"), replace(FULL, text="second"), replace(FULL, text="third")
    outcomes = put(environment, *batch)
    assert outcomes == [Outcome.UNCHANGED, Outcome.ADDED, Outcome.UNCHANGED, Outcome.ADDED]
    kept = get(environment, "a")
    assert (kept.text, kept.number, kept.revision) == ("third", 0, 1)
    assert put(environment, *batch) == [Outcome.UNCHANGED] * 4
    assert get(environment, "a") == kept


def test_a_new_split_moves_the_document(environment: Environment) -> None:
    put(environment, FULL, replace(FULL, id="b"))
    assert put(environment, replace(FULL, split="held-out")) == [Outcome.MOVED]
    with environment.read() as txn:
        assert splits.summary(txn) == {"train": {2: 1}, "calibration": {}, "test": {}, "held-out": {2: 1}}
        assert documents.numbers(txn, "train").tolist() == [1]
        assert documents.numbers(txn, "held-out").tolist() == [0]
        assert documents.numbers(txn).tolist() == [0, 1]


def test_a_label_set_by_a_person_stays_until_told_otherwise(environment: Environment) -> None:
    put(environment, FULL)
    environment.write(lambda txn: documents.relabel(txn, 0, 1, now=5.0))
    assert put(environment, FULL) == [Outcome.UNCHANGED]
    assert put(environment, replace(FULL, info="new")) == [Outcome.REPLACED]
    assert get(environment, "a").label == 1
    assert put(environment, FULL, overwrite_labels=True) == [Outcome.REPLACED]
    assert get(environment, "a").label == 2
    assert put(environment, replace(FULL, label=0)) == [Outcome.REPLACED]
    assert get(environment, "a").label == 0


def test_attributes_have_one_count(environment: Environment) -> None:
    put(environment, Document("plain", "text"), FULL)
    with pytest.raises(InvalidDocument, match="has 3 attributes, but this project's documents have 2"):
        put(environment, Document("b", "text", attributes=(1.0, 2.0, 3.0)))
    with environment.read() as txn:
        assert attributes.count(txn) == 2
        matrix = attributes.matrix(txn, np.array([1, 0]))
        assert matrix.dtype == np.float32
        np.testing.assert_array_equal(matrix, np.array([[0.1, -2.5], [np.nan, np.nan]], np.float32))
        assert documents.find(txn, "b") is None


def test_text_that_is_not_unicode_is_refused(environment: Environment) -> None:
    with pytest.raises(InvalidInput, match="surrogate"):
        put(environment, Document("b", "\ud800"))


def test_pages_follow_each_other_without_texts(environment: Environment) -> None:
    put(
        environment,
        *(
            Document(f"d{n}", "text", label=int(n in (0, 1, 5)), split="train" if n % 2 else "test")
            for n in range(10)
        ),
    )
    with environment.read() as txn:
        first = documents.page(txn, "train", limit=3).documents
        second = documents.page(txn, "train", after=first[-1].number, limit=3).documents
        everything = documents.page(txn, limit=100, with_text=True).documents
        labelled = documents.page(txn, "train", label=1, after=1).documents
        with pytest.raises(SplitNotFound, match=r"'absent'.*train, calibration, test"):
            documents.page(txn, "absent")
    assert [d.id for d in first + second] == ["d1", "d3", "d5", "d7", "d9"]
    assert {d.text for d in first} == {""} and {d.text for d in everything} == {"text"}
    assert len(everything) == 10
    assert [d.id for d in labelled] == ["d5"]


def test_a_page_of_long_documents_ends_early(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one answer holds is bounded by more than their number, and each comes once all the same."""
    monkeypatch.setattr(documents, "PAGE_CHARACTERS_MAX", 100)
    put(environment, *(Document(f"d{n}", "x" * (250 if n == 3 else 40), label=n % 2) for n in range(9)))
    for label, expected in ((None, [[0, 1, 2], [3], [4, 5, 6], [7, 8]]), (1, [[1, 3], [5, 7]])):
        pages, after, more = [], -1, True
        with environment.read() as txn:
            while more:
                found, more = documents.page(txn, label=label, after=after, limit=5, with_text=True)
                pages.append([int(each.id[1:]) for each in found])
                after = found[-1].number
        assert pages == expected


def test_many_are_read_at_once_and_the_deleted_are_told_apart(environment: Environment) -> None:
    put(environment, *(Document(f"d{n}", f"text {n}", label=n) for n in range(4)))
    assert environment.write(lambda txn: documents.delete(txn, [1, 1, 77])) == 1
    with environment.read() as txn:
        numbers = np.array([3, 1, 0])
        assert documents.texts(txn, numbers) == ["text 3", None, "text 0"]
        assert documents.ids(txn, numbers) == ["d3", "", "d0"]
        assert [(d.id, d.text) for d in documents.read_many(txn, numbers)] == [
            ("d3", "text 3"),
            ("d0", "text 0"),
        ]
        assert documents.text_sizes(txn, numbers).tolist() == [6, 0, 6]
        found = documents.states(txn, numbers)
        assert found.labels.tolist() == [3, 0, 0] and found.revisions.tolist() == [1, -1, 1]
        with pytest.raises(DocumentNotFound, match="number 1"):
            documents.read(txn, 1)
        with pytest.raises(DocumentNotFound, match="'d1'"):
            documents.get(txn, "d1")


def test_the_generation_rises_with_what_changes_and_only_then(environment: Environment) -> None:
    def generation() -> int:
        with environment.read() as txn:
            return documents.generation(txn)

    seen = [generation()]
    for work in (
        lambda txn: documents.upsert(txn, [FULL]),
        lambda txn: documents.upsert(txn, [replace(FULL, label=0)]),
        lambda txn: documents.relabel(txn, 0, 1),
        lambda txn: documents.delete(txn, [0]),
    ):
        environment.write(work)
        seen.append(generation())
    assert seen == sorted(set(seen))
    environment.write(lambda txn: documents.delete(txn, [0]))
    put(environment, FULL)
    last = generation()
    put(environment, FULL)
    assert generation() == last


def test_a_number_is_never_given_again(environment: Environment) -> None:
    put(environment, FULL)
    environment.write(lambda txn: documents.delete(txn, [0]))
    assert put(environment, FULL) == [Outcome.ADDED]
    assert get(environment, "a").number == 1


def test_new_content_ends_the_link_to_the_hidden_state_and_a_new_label_does_not(
    environment: Environment,
) -> None:
    put(environment, FULL)
    vector = np.ones((1, 4), np.float32)

    def embed(txn) -> spaces.Space:
        space = spaces.find_or_create(txn, "f", 4)
        rows = hidden_states.append(txn, space, [hidden_states.digest("f", "", FULL.text)], vector)
        references.link(txn, space, np.array([0]), rows)
        return space

    def row_of(space: spaces.Space) -> int:
        with environment.read() as txn:
            return int(references.rows(txn, space, np.array([0]))[0])

    space = environment.write(embed)
    put(environment, replace(FULL, label=0))
    assert row_of(space) == 0
    put(environment, replace(FULL, text="other"))
    assert row_of(space) == -1


ids, split_names = st.sampled_from(["a", "b", "c", "d"]), st.sampled_from(["train", "test", "other"])
operations = st.lists(
    st.one_of(
        st.builds(
            Document, id=ids, text=st.sampled_from(["x", "y"]), label=st.integers(-1, 2), split=split_names
        ),
        ids,
    ),
    max_size=20,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(operations)
def test_counters_always_agree_with_the_documents(
    environment: Environment, operations: list[Document | str]
) -> None:
    """An upload, or a deletion by id, in any order: the counters and the split index equal a recount."""
    model: dict[str, Document] = {}
    with environment.read() as txn:
        leftover = documents.numbers(txn)
    environment.write(lambda txn: documents.delete(txn, leftover))
    for operation in operations:
        if isinstance(operation, Document):
            put(environment, operation)
            model[operation.id] = operation
        elif model.pop(operation, None) is not None:
            number = get(environment, operation).number
            environment.write(lambda txn, number=number: documents.delete(txn, [number]))
    with environment.read() as txn:
        summary = splits.summary(txn)
        for name in summary:
            mine = [d for d in model.values() if d.split == name]
            assert summary[name] == dict(Counter(d.label for d in mine))
            members = splits.members(txn, name)
            assert sorted(documents.ids(txn, members.numbers)) == sorted(d.id for d in mine)
            assert members.labels.tolist() == documents.states(txn, members.numbers).labels.tolist()
            assert members.revisions.tolist() == documents.states(txn, members.numbers).revisions.tolist()
