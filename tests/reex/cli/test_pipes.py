"""Documents that come through a pipe: stdin for `predict`, and named ones, which a shell makes of <(zcat x.gz)."""

from __future__ import annotations

import io
import os
import threading

import pytest
from reex.v1 import predictions_pb2

LINES = b"document,label\nx,positive\ny,no\nz,-99\n"


@pytest.fixture
def pipe(tmp_path):
    """A pipe that gives LINES once."""
    path = tmp_path / "pipe.csv"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=[LINES], daemon=True)
    writer.start()
    yield path
    writer.join(60)


@pytest.mark.parametrize("name", ["-", "lines.txt"])
def test_predict_reads_what_it_is_told_the_format_of(held, reexctl, monkeypatch, tmp_path, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lines.txt").write_bytes(LINES)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(LINES)))
    ended = reexctl("predict", "s", name, "--format", "csv", "--json")
    assert [(each["id"], each["text"], each["label"]) for each in ended.lines] == [
        ("2", "x", 2),
        ("4", "z", -99),
    ]
    shown = "stdin" if name == "-" else name
    assert (ended.code, ended.err) == (1, f"{shown}:3: label: no class is named 'no'\n")


@pytest.mark.parametrize("command", ["predict", "query"])
def test_of_many_bad_lines_the_count_is_told(held, reexctl, monkeypatch, command):
    held.answers["Query"] = lambda request, context: predictions_pb2.QueryResponse(
        predictions=[predictions_pb2.Prediction()]
    )
    lines = b'{"document": "x"}\n' + b'{"document": 5}\n' * 1_150
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines)))
    ended = reexctl(command, "s", "-", "--json")
    assert (ended.code, len(ended.lines)) == (1, 1)
    told = ended.err.splitlines()
    assert told[99:] == [
        told[99],
        "stdin: more lines were rejected; they are counted only",
        "stdin: 1,150 lines were rejected",
    ]


def test_predict_reads_a_pipe(held, reexctl, pipe):
    assert [each["text"] for each in reexctl("predict", "s", pipe, "--json").lines] == ["x", "z"]


@pytest.mark.parametrize("strictly", [[], ["--strict"]])
def test_upload_reads_a_pipe_once(held, reexctl, pipe, strictly):
    ended = reexctl("upload", "s", pipe, "--split", "train", *strictly)
    assert (ended.code, ended.out) == (0, "3 lines: 3 added\n")
    assert not held.chunks[-1].validate_only
    assert [line.document.text for line in held.chunks[-1].lines] == ["x", "y", "z"]


@pytest.mark.parametrize("command", [["predict", "s"], ["upload", "s", "--split", "train"]])
def test_a_folder_is_told_from_a_file_that_is_not_there(held, reexctl, tmp_path, command):
    for path, words in ((tmp_path, "received the folder"), (tmp_path / "x.csv", "there is no file")):
        ended = reexctl(*command, path)
        assert (ended.code, held.requests) == (2, [])
        assert words in ended.err
