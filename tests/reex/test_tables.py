"""Parquet and data frames: what their cells become, and what is said of what cannot be read."""

from __future__ import annotations

import datetime
import io
import json
import sys

import pandas
import pyarrow as arrow
import pytest
from pyarrow import parquet
from reex import errors
from reex.reading import OpenSource


@pytest.fixture
def written(tmp_path):
    def write(table: dict, name: str = "data.parquet", **options):
        path = tmp_path / name
        parquet.write_table(arrow.table(table), path, **options)
        return path

    return write


def test_a_table_says_by_columns_what_json_says_by_keys(daemon, client, written):
    path = written(
        {
            "id": [7, 8, None, 10],
            "label": [2.0, float("nan"), None, -99.0],  # what a data frame makes of integers with one missing
            "document": ["two\nlines", "plain", "no label", "elsewhere"],
            "attributes": [[1.0, 2.5], None, None, [0.5]],
            "when": [datetime.date(2026, 1, 2), None, None, None],
            "source": arrow.array(["wire", None, None, "wire"]).dictionary_encode(),
            "__index_level_0__": [0, 1, 2, 3],
        }
    )
    result = client.upload("p", path, "train")
    assert (result.rejected, result.total) == (0, 4)
    assert [line.line for line in daemon.lines] == [1, 2, 3, 4]
    first, second, third, fourth = (line.document for line in daemon.lines)
    assert (first.id, first.label, first.text) == ("7", 2, "two\nlines")
    assert list(first.attributes) == [1.0, 2.5]
    assert json.loads(first.extra_json) == {"when": "2026-01-02", "source": "wire"}
    assert (second.id, second.label, second.extra_json) == ("8", -1, "")
    assert (third.id, third.label, fourth.label) == ("", -1, -99)


def test_nanoseconds_are_kept_as_microseconds(daemon, client, written):
    columns = {
        "at": arrow.array([1_700_000_000_123_456_789], arrow.timestamp("ns", "UTC")),
        "time": arrow.array([1_000_000_001], arrow.time64("ns")),
        "took": arrow.array([1_500_000_001], arrow.duration("ns")),
    }
    client.upload("p", written({"document": ["a"], **columns}), "train")
    assert json.loads(daemon.lines[0].document.extra_json) == {
        "at": "2023-11-14T22:13:20.123456+00:00",
        "time": "00:00:01",
        "took": "0:00:01.500000",
    }


def test_a_text_is_the_name_of_a_class(daemon, client, written):
    client.upload("p", written({"label": ["2", "good"], "document": ["a", "b"]}), "train")
    assert [line.document.label_name for line in daemon.lines] == ["2", "good"]


def test_bad_rows_cost_no_good_one(daemon, client, written):
    path = written(
        {
            "id": ["a", "b", "c", "d"],
            "document": ["text", None, " ", "text"],
            "raw": [None, None, None, b"\xff"],
            "label": [0, 1, 1, 0],
        }
    )
    result = client.upload("p", path, "train")
    assert [(each.line, each.field) for each in result.rejections] == [
        (2, "document"),
        (3, "document"),
        (4, "raw"),
    ]
    assert [line.document.id for line in daemon.lines] == ["a"]


@pytest.mark.parametrize(
    "columns",
    [{"text": ["a"]}, {"document": ["a"], "Label": [1]}],
)
def test_columns_that_are_refused(client, written, columns):
    with pytest.raises(errors.InvalidArgument, match="column"):
        client.upload("p", written(columns), "train")


def test_files_that_cannot_be_read(daemon, client, tmp_path, written):
    other = tmp_path / "other.parquet"
    other.write_text('{"document": "a"}\n' * 9)
    with pytest.raises(errors.InvalidArgument, match="not a Parquet file"):
        client.upload("p", other, "train")
    whole = written({"document": [f"text {n} " * 50 for n in range(3000)]}, row_group_size=1000)
    damaged = bytearray(whole.read_bytes())
    middle = parquet.ParquetFile(whole).metadata.row_group(1).column(0).data_page_offset
    damaged[middle : middle + 64] = bytes(64)
    other.write_bytes(damaged)
    result = client.upload("p", other, "train")
    (told,) = result.rejections
    assert (told.line, "rows 1,001 to 2,000" in told.reason) == (1001, True)
    assert [line.line for line in daemon.lines] == [*range(1, 1001), *range(2001, 3001)]


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


def test_a_pipe_is_refused(client):
    with pytest.raises(errors.InvalidArgument, match="pipe"):
        client.upload("p", Pipe(b""), "train", form="parquet")


def test_without_the_library_it_says_how_to_get_it(client, written, monkeypatch):
    path = written({"document": ["a"]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(errors.InvalidArgument, match=r"reex\[parquet\]"):
        client.upload("p", path, "train")


def test_memory_is_bounded_by_batches(written):
    """Rows are made as they are asked for: the progress of the first is that of a part of the file."""
    path = written({"document": [f"text {n}" for n in range(1000)]}, row_group_size=100)
    with OpenSource(path, None, 1 << 20) as source:
        entries = source.entries()
        assert 0 < next(entries).offset < source.total_bytes / 100
        assert [entry.line for entry in entries] == list(range(2, 1001))


FRAME = pandas.DataFrame(
    {
        "id": [7, 8, 9],
        "label": [1, None, -99],
        "document": ["first", "second", "third"],
        "when": pandas.to_datetime(["2026-01-02", None, None]),
        "stars": pandas.array([5, None, 1], "Int64"),
    }
)


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        FRAME[FRAME["id"] > 0].sample(frac=1.0, random_state=0).sort_values("id"),
        arrow.Table.from_pandas(FRAME),
        arrow.Table.from_pandas(FRAME).to_reader(),
    ],
)
def test_a_data_frame_is_its_rows(daemon, client, frame):
    result = client.upload("p", frame, "train")
    assert (result.added, result.rejected) == (3, 0)
    documents = [line.document for line in daemon.lines]
    assert [(each.id, each.label, each.text) for each in documents] == [
        ("7", 1, "first"),
        ("8", -1, "second"),
        ("9", -99, "third"),
    ]
    extra = [json.loads(each.extra_json or "{}") for each in documents]
    assert extra == [{"when": "2026-01-02T00:00:00", "stars": 5}, {}, {"stars": 1}]


def test_a_data_frame_is_divided_and_a_stream_of_it_is_not(daemon, client):
    frame = pandas.DataFrame({"document": [f"text {n}" for n in range(20)]})
    assert client.upload("p", frame, "auto:50/25/25").splits == {"train": 10, "calibration": 5, "test": 5}
    with pytest.raises(errors.InvalidArgument, match="twice"):
        client.upload("p", arrow.Table.from_pandas(frame).to_reader(), "auto:50/25/25")


def test_the_rows_of_a_data_frame_are_answered(daemon, client):
    answers = list(client.predict("p", FRAME))
    assert [(each.id, each.text, each.label) for each in answers] == [
        ("7", "first", 1),
        ("8", "second", -1),
        ("9", "third", -99),
    ]


def test_a_data_frame_that_arrow_cannot_carry_is_refused(client):
    with pytest.raises(errors.InvalidArgument, match="Arrow"):
        client.upload("p", pandas.DataFrame({"document": ["a"], "thing": [object()]}), "train")
    with pytest.raises(errors.InvalidArgument, match="column named document"):
        client.upload("p", pandas.DataFrame({"text": ["a"]}), "train")


def test_a_stream_that_breaks_off_is_told_with_the_rows_before_it(daemon, client):
    def batches():
        yield arrow.record_batch({"document": ["first", "second"]})
        raise ValueError("the source is gone")

    reader = arrow.RecordBatchReader.from_batches(arrow.schema({"document": arrow.string()}), batches())
    with pytest.raises(errors.InvalidArgument, match=r"ends after row 2: .*the source is gone"):
        client.upload("p", reader, "train")
