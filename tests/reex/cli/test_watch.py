"""`watch`: files are taken when they are whole, once, and whatever is bad about one holds nothing up."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter

import grpc
import pytest
from reex.v1 import documents_pb2, predictions_pb2


@pytest.fixture
def stored(held):
    """The stand-in keeps texts by id in one split, and predicts them."""
    texts: dict[str, str] = {}
    changed: dict[str, float] = {}

    def upload(chunks, context):
        for chunk in chunks:
            outcome = Counter()
            for line in chunk.lines:
                known = texts.get(line.document.id)
                outcome["unchanged" if known == line.document.text else "replaced" if known else "added"] += 1
                if known != line.document.text:
                    changed[line.document.id] = time.time()
                texts[line.document.id] = line.document.text
            yield documents_pb2.UploadDocumentsResponse(**outcome)

    held.answers["UploadDocuments"] = upload
    held.answers["PredictSplit"] = lambda request, context: iter(
        [
            predictions_pb2.PredictSplitResponse(
                predictions=[
                    predictions_pb2.Prediction(id=id, text=text, label=-1)
                    for id, text in texts.items()
                    if changed[id] >= request.since.ToNanoseconds() / 1e9
                ]
            )
        ]
    )
    return texts


def line(id, text="x"):
    return json.dumps({"id": id, "document": text}) + "\n"


def test_once_takes_what_is_there_and_tells_what_was_bad(stored, reexctl, tmp_path):
    (tmp_path / "a.jsonl").write_text(line("1") + "{broken\n")
    (tmp_path / "b.csv").write_text("text\nno column named document\n")
    (tmp_path / "c.csv").write_text("id,document\n2,y\n")
    for passed_over in ("notes.txt", ".d.jsonl", ".e.csv.part"):
        (tmp_path / passed_over).write_text(line("9"))
    (tmp_path / "folder.jsonl").mkdir()
    ended = reexctl("watch", "s", tmp_path, "--split", "incoming", "--once", "--json")
    assert ended.code == 1
    assert [each["id"] for each in ended.lines] == ["1", "2"]
    assert "a.jsonl:2: " in ended.err
    assert "b.csv: " in ended.err
    assert set(stored) == {"1", "2"}
    (tmp_path / "a.jsonl").write_text(line("1") + line("3"))
    (tmp_path / "b.csv").unlink()
    ended = reexctl("watch", "s", tmp_path, "--split", "incoming", "--once", "--json")
    assert (ended.code, [each["id"] for each in ended.lines]) == (0, ["3"]), "what was stored was answered"


def test_without_a_classifier_files_are_stored_all_the_same(held, stored, reexctl, tmp_path):
    answer = held.answers["PredictSplit"]
    asked = []

    def untrained_at_first(request, context):
        asked.append(request.since.ToNanoseconds())
        if len(asked) == 1:
            held.abort(
                context,
                grpc.StatusCode.FAILED_PRECONDITION,
                "project 's' has no classifier yet",
                "NOT_TRAINED",
            )
        return answer(request, context)

    held.answers["PredictSplit"] = untrained_at_first
    (tmp_path / "a.jsonl").write_text(line("1"))
    (tmp_path / "b.jsonl").write_text(line("2"))
    ended = reexctl("watch", "s", tmp_path, "--split", "incoming", "--once", "--json")
    assert (ended.code, set(stored)) == (0, {"1", "2"})
    assert "not predicted: project 's' has no classifier yet" in ended.err
    assert [each["id"] for each in ended.lines] == ["1", "2"], (
        "what could not be answered is, as soon as it can"
    )


def test_files_are_taken_as_they_appear_and_when_they_change(stored, program, tmp_path):
    (tmp_path / "first.jsonl").write_text(line("1"))
    process = program("watch", "s", tmp_path, "--split", "incoming", "--interval", "0.1", "--json")
    try:
        assert json.loads(process.stdout.readline())["id"] == "1"
        (tmp_path / "second.jsonl").write_text(line("2"))
        assert json.loads(process.stdout.readline())["id"] == "2"
        (tmp_path / "first.jsonl").write_text(line("1", "other") + line("2"))
        answer = json.loads(process.stdout.readline())
        assert (answer["id"], answer["text"]) == ("1", "other")
        with (tmp_path / "third.jsonl").open("w") as growing:  # never the same at two looks until it is whole
            for number in range(8):
                growing.write(line(f"grown-{number}"))
                growing.flush()
                os.utime(growing.name)
                time.sleep(0.02)
        ids = [json.loads(process.stdout.readline())["id"] for _ in range(8)]
        assert ids == [f"grown-{number}" for number in range(8)]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 8
        process.communicate()


def test_a_folder_that_is_not_there_is_a_usage_error(held, reexctl, tmp_path):
    assert reexctl("watch", "s", tmp_path / "nowhere", "--split", "incoming").code == 2
