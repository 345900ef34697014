"""Records as data frames."""

from __future__ import annotations

import sys

import pytest
from reex import errors, to_pandas
from reex.types import SearchResult


def result(**more):
    return SearchResult(
        **{"id": "a", "split": "test", "label": 0, "label_name": "x", "similarity": 0.5, "text": "t"} | more
    )


def test_a_row_for_each_record_and_a_column_for_each_key():
    pandas = pytest.importorskip("pandas")
    frame = to_pandas(result(id=str(number)) for number in range(3))
    assert list(frame["id"]) == ["0", "1", "2"]
    assert list(frame.columns)[:3] == ["id", "split", "label"]
    assert frame["similarity"].dtype == float
    assert frame["keyword_score"].isna().all(), "null in JSON is missing"
    assert len(to_pandas(result())) == 1
    assert isinstance(to_pandas([]), pandas.DataFrame)


def test_what_is_no_record_is_refused():
    pytest.importorskip("pandas")
    with pytest.raises(errors.InvalidArgument, match="received dict"):
        to_pandas([{"id": "a"}])


def test_without_pandas_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(errors.InvalidArgument, match=r"reex\[pandas\]"):
        to_pandas([result()])
