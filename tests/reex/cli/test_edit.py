"""`documents edit` and what `split` changes: what is asked of the daemon, what is asked of the user, what is told."""

from __future__ import annotations

import pytest
import typer
from reex.cli import exits
from reex.cli.confirm import confirm
from reex.v1 import documents_pb2


def answering(held):
    """What was asked, each time: ids, split, label, the mask, the changes and whether it was a rehearsal."""
    asked = []

    def edit(request, context):
        asked.append(request)
        return documents_pb2.EditDocumentsResponse(
            changed=2,
            unchanged=1,
            used_by_live=1,
            classifier="v3",
            missing_ids=[i for i in request.ids if i == "c"],
        )

    held.answers["EditDocuments"] = edit
    return asked


def test_edit_by_id_says_what_becomes_stale_and_what_is_missing(held, reexctl):
    asked = answering(held)
    ended = reexctl("documents", "edit", "s", "a", "b", "c", "--set-label", "positive", "--set-info", "")
    told = (
        "changed 2 documents; 1 is so already. v3, the live version, was made from 1 of them and is stale.\n"
    )
    assert (ended.code, ended.out) == (3, told)
    assert "'c'" in ended.err
    (request,) = asked
    assert (list(request.ids), request.validate_only) == (["a", "b", "c"], False)
    assert (list(request.update_mask.paths), request.changes.label, request.changes.info) == (
        ["label", "info"],
        2,
        "",
    )


def test_a_whole_split_is_asked_for_first(held, reexctl):
    asked = answering(held)
    whole = ("documents", "edit", "s", "--split", "incoming", "--label", "negative", "--set-split", "train")
    assert reexctl(*whole).code == 2
    assert [request.validate_only for request in asked] == [True]
    assert reexctl(*whole, "--dry-run").out.startswith("would change 2 documents; ")
    assert reexctl(*whole, "--yes", "--json").lines[0]["changed"] == 2
    assert [request.validate_only for request in asked] == [True, True, False]
    assert (asked[-1].split, asked[-1].label, asked[-1].changes.split) == ("incoming", 0, "train")
    assert reexctl("split", "transfer", "s", "incoming", "train", "-y").code == 0
    assert (asked[-1].split, asked[-1].HasField("label"), asked[-1].changes.split) == (
        "incoming",
        False,
        "train",
    )


def test_who_declines_is_told_that_nothing_was_changed(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda question, err: False)
    with pytest.raises(typer.Exit) as ended:
        confirm("change 2 documents of s?")
    assert ended.value.exit_code == exits.CANCELLED
    assert capsys.readouterr().err == "nothing was changed\n"


def test_what_says_nothing_or_two_things_is_a_usage_error(held, reexctl):
    asked = answering(held)
    for arguments in (
        ("a",),
        ("--set-label", "0"),
        ("a", "--split", "x", "--set-label", "0"),
        ("a", "--label", "0", "--set-label", "1"),
    ):
        assert reexctl("documents", "edit", "s", *arguments).code == 2
    assert not asked


def test_kept_labels_are_told(held, reexctl, tmp_path):
    said = []

    def upload(chunks, context):
        for chunk in chunks:
            said.append(chunk.overwrite_labels)
            yield documents_pb2.UploadDocumentsResponse(unchanged=3, kept_labels=2)

    held.answers["UploadDocuments"] = upload
    path = tmp_path / "data.jsonl"
    path.write_text('{"document": "x", "label": 0}\n')
    ended = reexctl("upload", "s", path, "--split", "train")
    assert "2 documents keep labels set here since" in ended.err
    assert (
        reexctl("upload", "s", path, "--split", "train", "--overwrite-labels", "--json").lines[0][
            "kept_labels"
        ]
        == 2
    )
    assert said == [False, True]
