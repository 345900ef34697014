"""Keys: byte order is number order, nothing collides, and released numbers never change."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reexd.store import keys

U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64))
FLOATS = st.floats(allow_nan=False)


@given(U64, U64)
def test_document_numbers_sort_as_numbers(a: int, b: int) -> None:
    assert (keys.document(a) < keys.document(b)) == (a < b)
    assert keys.number_of(keys.document(a)) == a


@given(st.tuples(U16, U64), st.tuples(U16, U64))
def test_split_members_sort_by_split_then_number(a: tuple[int, int], b: tuple[int, int]) -> None:
    assert (keys.split_member(*a) < keys.split_member(*b)) == (a < b)
    assert keys.split_member(*a).startswith(keys.split_members(a[0]))


@given(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1))
def test_signed_labels_sort_as_numbers(a: int, b: int) -> None:
    assert (keys.label_count(0, a) < keys.label_count(0, b)) == (a < b)
    assert keys.label_of_count(keys.label_count(7, a)) == a


@given(st.tuples(FLOATS, U64), st.tuples(FLOATS, U64))
def test_index_entries_sort_by_value_then_number(a: tuple[float, int], b: tuple[float, int]) -> None:
    first, second = (keys.prediction_entry(1, keys.Index.D, *pair) for pair in (a, b))
    assert (first < second) == (a < b)
    assert keys.value_of_entry(first) == a[0]


def test_negative_zero_is_indexed_as_zero() -> None:
    assert keys.ordered(-0.0) == keys.ordered(0.0)


def test_nan_is_refused_as_an_index_value() -> None:
    with pytest.raises(ValueError, match="NaN"):
        keys.ordered(math.nan)


@given(st.text(max_size=400), st.text(max_size=400))
def test_document_ids_never_collide_and_fit_lmdb(a: str, b: str) -> None:
    assert (keys.document_id(a) == keys.document_id(b)) == (a == b)
    assert len(keys.document_id(a)) <= 511


def test_an_id_that_spells_the_digest_of_a_long_one_is_another_key() -> None:
    long = "é" * keys.ID_SIZE_MAX
    assert len(keys.document_id(long)) == 34
    assert keys.document_id("é" * (keys.ID_SIZE_MAX // 2))[1] == 0
    assert keys.document_id(long)[1] == 1


def test_the_documentation_lists_every_kind_by_its_number() -> None:
    page = (Path(__file__).parents[3] / "docs" / "storage.md").read_text()
    rows = re.findall(r"^\| (\d+) \| ([A-Z_]+) \|", page, re.MULTILINE)
    assert [(kind.name, kind.value) for kind in keys.Kind] == [(name, int(number)) for number, name in rows]


def test_released_numbers_stand() -> None:
    """A failure here means that existing stores would be misread: add a kind, never renumber one."""
    assert {kind.name: kind.value for kind in keys.Kind} == {
        "META": 1,
        "PROJECT": 2,
        "JOB": 3,
        "UNFINISHED_JOB": 4,
        "DOCUMENT_ID": 16,
        "DOCUMENT": 17,
        "DOCUMENT_TEXT": 18,
        "DOCUMENT_ATTRIBUTES": 19,
        "SPLIT": 20,
        "SPLIT_MEMBER": 21,
        "LABEL_COUNT": 22,
        "SPACE": 32,
        "HIDDEN_DIGEST": 33,
        "HIDDEN_ROW": 34,
        "HIDDEN_TAIL": 35,
        "HIDDEN_BLOCK": 36,
        "HIDDEN_STORED": 37,
        "HIDDEN_LIVE": 38,
        "HIDDEN_REFERENCES": 39,
        "DOCUMENT_ROW": 40,
        "ADAPTER": 41,
        "ADAPTER_ARRAY": 42,
        "CLASSIFIER": 48,
        "CLASSIFIER_ARRAY": 49,
        "MEMBER": 50,
        "MEMBER_ARRAY": 51,
        "PREDICTION": 56,
        "PREDICTION_INDEX": 57,
        "CHECKPOINT": 64,
        "CHECKPOINT_ARRAY": 65,
    }
    assert [meta.value for meta in keys.Meta] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [index.value for index in keys.Index] == [1, 2, 3, 4, 5, 6, 7]
