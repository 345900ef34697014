"""Documents as lines and tables from a real daemon: what is written is what is stored, and goes in again."""

from __future__ import annotations

import asyncio
import csv
import json
from types import SimpleNamespace

import pytest
from reex import AsyncClient, errors
from reex.exporting import Answers


def rows_of(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t" if path.suffix == ".tsv" else ","))


@pytest.mark.parametrize("form", ["jsonl", "csv", "tsv", "parquet"])
def test_what_is_written_goes_in_again_unchanged(served, project, tmp_path, form):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    lines = [
        {
            "id": "1",
            "document": 'a "quoted" text\nof two lines\r, and; more\t',
            "label": 2,
            "source": {"page": 3},
        },
        {
            "id": "é",
            "document": "plain",
            "label": -99,
            "info": "x",
            "attributes": [0.5, -1.25],
            "source": {"page": 4},
        },
        {"id": "-5", "document": "=1+1", "label": -1, "group": "g"},
    ]
    client = served.client
    served.upload(project, lines, "train")
    path = client.export_table(project, tmp_path / f"all.{form}")
    again = client.upload(project, path, "train")
    assert (again.rejected, again.total) == (0, 3)
    if form in ("jsonl", "parquet"):  # cells of other keys are text in the others
        assert again.unchanged == 3
    documents = list(client.list_documents(project))
    assert [each.text for each in documents] == [line["document"] for line in lines]
    assert [each.label for each in documents] == [2, -99, -1]
    assert documents[1].attributes == (0.5, -1.25)
    with pytest.raises(errors.Conflict, match="never overwrite"):
        client.export_table(project, path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_with_predictions(served, ready, tmp_path):
    client = served.client
    path = client.export_table(ready, tmp_path / "test.csv", split="test", predictions=True)
    rows, said = rows_of(path), list(client.predict_split(ready, "test"))
    assert len(rows) == 30
    for row, answer in zip(rows, said, strict=True):
        assert (row["id"], row["prediction_name"], row["classifier"]) == (
            answer.id,
            answer.prediction_name,
            "v1",
        )
        assert (int(row["q"]), float(row["d"]), float(row["region_alpha"])) == (
            answer.q,
            answer.d,
            answer.region_alpha,
        )
        assert row["label_name"] == row["id"].split("-")[0]
    assert list(rows[0])[:5] == ["id", "label", "document", "label_name", "prediction"]
    every = rows_of(asyncio.run(_export(served.location.socket, ready, tmp_path / "all.jsonl")))
    assert len(every) == 156
    assert set(every[0]) == {"id", "probability", "neighbors", "split"}
    assert len(every[0]["neighbors"]) == 5
    only = client.export_table(ready, tmp_path / "one.tsv", split="test", label=1, fields=["id", "label"])
    assert [row["label"] for row in rows_of(only)] == ["1"] * 10
    none = client.export_table(ready, tmp_path / "none.csv", split="test", label=-99)
    assert none.read_text() == "id,label,document\n"


def test_a_class_alone_has_its_answers(served, ready, tmp_path):
    client = served.client
    rows = rows_of(client.export_table(ready, tmp_path / "one.jsonl", label=2, predictions=True))
    names = {row["split"] for row in rows}
    assert {"train", "test"} <= names
    said = {each.id: each for name in names for each in client.predict_split(ready, name)}
    assert [row["id"] for row in rows if row["label"] != 2 or row["q"] != said[row["id"]].q] == []
    assert len(rows) == sum(each.label == 2 for each in said.values())


def test_other_keys_with_names_of_a_prediction_s_are_kept(served, project, tmp_path):
    line = {"id": "1", "document": "x", "label": -1, "q": 7, "label_name": "mine"}
    served.upload(project, [line], "train")
    (row,) = rows_of(served.client.export_table(project, tmp_path / "all.jsonl"))
    assert (row["q"], row["label_name"]) == (7, "mine")


def test_columns_of_several_types_are_json_in_parquet(served, project, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    values = [
        {"count": 1, "mixed": 1, "large": 2**60 + 1, "shape": {"a": 1}, "list": []},
        {"count": 2.5, "mixed": "one", "large": 0.5, "shape": {"b": 2}, "list": [1.5]},
        {},
    ]
    lines = [{"id": str(n), "document": "x", "label": -1} | value for n, value in enumerate(values)]
    served.upload(project, lines, "train")
    path = served.client.export_table(project, tmp_path / "all.parquet")
    rows = parquet.read_table(path).to_pylist()
    assert [row["count"] for row in rows] == [1.0, 2.5, None]
    assert [row["list"] for row in rows] == [[], [1.5], None]
    for name in ("mixed", "large", "shape"):
        cells = [row[name] and json.loads(row[name]) for row in rows]
        assert cells == [value.get(name) for value in values]


def test_answers_are_found_while_either_side_lacks_some():
    said = Answers(None)
    coming = iter([SimpleNamespace(id=str(n), label=0) for n in (*range(1, 4), *range(5, 4000))])
    found = []
    for id in map(str, (0, 1, 3, 4, 5, 3999)):  # 0 and 4 were never answered, 2 is no longer there
        while said.lacks(id) and (answer := next(coming, None)) is not None:
            said.put(answer)
        found.append(said.take(id))
    assert [each and each.id for each in found] == [None, "1", "3", None, "5", None], (
        "3999 lies too far ahead"
    )


async def _export(socket, project, path):
    async with AsyncClient(socket) as client:
        return await client.export_table(project, path, fields=["id", "probability", "neighbors", "split"])


def test_what_cannot_be_written_is_refused_and_leaves_nothing(served, project, corpus, tmp_path):
    client = served.client
    served.upload(project, corpus(2), "train")
    with pytest.raises(errors.InvalidArgument, match="ends in"):
        client.export_table(project, tmp_path / "all.xlsx")
    with pytest.raises(errors.InvalidArgument, match="no field 'lable'"):
        client.export_table(project, tmp_path / "all.csv", fields=["id", "lable"])
    with pytest.raises(errors.InvalidArgument, match="list of names"):
        client.export_table(project, tmp_path / "all.csv", fields="id")
    with pytest.raises(errors.NotTrained):
        client.export_table(project, tmp_path / "all.csv", predictions=True)
    named = client.export_table(project, tmp_path / "names.csv", fields=["id", "label_name"])
    assert {row["label_name"] for row in rows_of(named)} == set(client.get_project(project).classes)
    named.unlink()
    with pytest.raises(errors.NotFound):
        client.export_table(project, tmp_path / "all.csv", split="nowhere")
    assert not list(tmp_path.iterdir())
