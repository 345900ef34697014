"""Texts whose attributes do not fit the live version: each is reported for itself, and the others are answered."""

from __future__ import annotations

import io
import json
import sys

import pytest
from reex.v1 import predictions_pb2

LINES = [
    {"document": "none"},
    {"document": "good", "attributes": [1, 2]},
    {"document": "too few", "attributes": [1]},
    {"document": "too large", "attributes": [1, 1e39]},
    {"document": "good too", "attributes": [3, 4]},
]


@pytest.fixture(params=["file", "stdin", "query"])
def asked(request, reexctl, tmp_path, monkeypatch):
    """The lines to a command that answers many texts, and what it calls their file."""

    def ask(lines):
        held = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        path = tmp_path / "new.jsonl"
        path.write_bytes(held)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(held)))
        name = str(path) if request.param == "file" else "-"
        if request.param == "query":
            return reexctl("query", "s", "-"), "stdin"
        return reexctl("predict", "s", name, "--json"), "stdin" if name == "-" else name

    return ask


def _answer_first(held):
    def query(request, context):
        return predictions_pb2.QueryResponse(
            predictions=[predictions_pb2.Prediction(text=text.text) for text in request.texts]
        )

    held.answers["Query"] = query


def test_a_line_whose_attributes_do_not_fit_costs_no_other(held, asked):
    _answer_first(held)
    held.attribute_count = 2
    ended, file = asked(LINES)
    assert ended.code == 1
    assert [each["text"] for each in ended.lines] == ["good", "good too"]
    said = ended.err.splitlines()
    assert [line.split(": ")[:2] for line in said] == [[f"{file}:{n}", "attributes"] for n in (1, 3, 4)]
    assert "expected 2, as the live version was trained with, received 0; send them" in said[0]
    assert "expected 2, as the live version was trained with, received 1" in said[1]
    assert "fits a 32-bit float at position 2" in said[2]


def test_attributes_for_a_version_that_reads_none_are_told_to_be_left_out(held, asked):
    _answer_first(held)
    ended, file = asked(LINES[:2])
    assert (ended.code, [each["text"] for each in ended.lines]) == (1, ["none"])
    assert ended.err == (
        f"{file}:2: attributes: the live version was trained without any; received 2, leave them out\n"
    )
