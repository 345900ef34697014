"""Uploads: what is sent for each kind of source, what is rejected and why, chunks, progress, interruption."""

from __future__ import annotations

import io
import json

import grpc
import pytest
from reex import Client, errors
from reex.v1 import documents_pb2


def upload_lines(client, tmp_path, *lines: str | bytes, name: str = "data.jsonl"):
    path = tmp_path / name
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines) + b"\n")
    return client.upload("p", path, "train")


def reasons(result) -> list[tuple[int, str]]:
    return [(each.line, each.field) for each in result.rejections]


def test_a_line_of_json_arrives_as_it_was_written(daemon, client, tmp_path):
    line = {
        "id": "a",
        "label": 2,
        "document": "x\u0000é\U0001f600",
        "prompt": "p",
        "info": "i",
        "group": "g",
        "attributes": [1, -0.5],
        "lang": "fi",
        "nested": {"k": [1, None]},
    }
    result = upload_lines(client, tmp_path, "", json.dumps(line), "   ")
    (sent,) = daemon.lines
    assert sent.line == 2
    document = sent.document
    assert (document.id, document.label, document.text) == ("a", 2, line["document"])
    assert (document.prompt, document.info, document.group) == ("p", "i", "g")
    assert list(document.attributes) == [1.0, -0.5]
    assert json.loads(document.extra_json) == {"lang": "fi", "nested": {"k": [1, None]}}
    assert (daemon.chunks[0].project, daemon.chunks[0].split) == ("p", "train")
    assert (result.added, result.rejected, result.total) == (1, 0, 1)


def test_numbers_are_indices_strings_are_names_and_nothing_is_unlabelled(daemon, client):
    labels = [
        2,
        -1,
        -99,
        "positive",
        "2",
        None,
        1.0,
        -99.0,
    ]  # a data frame with gaps makes floats of integers
    client.upload("p", [{"document": "x", "label": label} for label in labels], "train")
    sent = [
        line.document.label if line.document.WhichOneof("label_form") == "label" else line.document.label_name
        for line in daemon.lines
    ]
    assert sent == [2, -1, -99, "positive", "2", -1, 1, -99]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("{broken", ""),
        ("[1, 2]", ""),
        ("1" * 5000, ""),
        ("[" * 100_000, ""),
        (b'{"document": "caf\xe9"}', ""),
        ('{"label": 1}', "document"),
        ('{"document": ""}', "document"),
        ('{"document": " \\n\\t"}', "document"),
        ('{"document": 5}', "document"),
        ('{"document": "\\ud83d"}', "document"),
        ('{"document": "%s"}' % ("x" * (1 << 20) + "y"), "document"),
        ('{"document": "x", "id": 5}', "id"),
        ('{"document": "x", "id": ""}', "id"),
        ('{"document": "x", "id": "%s"}' % ("i" * 257), "id"),
        ('{"document": "x", "label": 1.5}', "label"),
        ('{"document": "x", "label": true}', "label"),
        ('{"document": "x", "label": 99999999999}', "label"),
        ('{"document": "x", "label": "\\udc00"}', "label"),
        ('{"document": "x", "info": ["i"]}', "info"),
        ('{"document": "x", "group": "%s"}' % ("g" * 4097), "group"),
        ('{"document": "x", "prompt": 0}', "prompt"),
        ('{"document": "x", "attributes": "1 2"}', "attributes"),
        ('{"document": "x", "attributes": [1, "2"]}', "attributes"),
        ('{"document": "x", "attributes": [1, NaN]}', "attributes"),
        ('{"document": "x", "attributes": [1e999]}', "attributes"),
        ('{"document": "x", "attributes": [true]}', "attributes"),
        ('{"document": "x", "attributes": [1%s]}' % ("0" * 400), "attributes"),
        ('{"document": "x", "attributes": %s}' % ([0] * 4097), "attributes"),
        ('{"document": "x", "score": Infinity}', "score"),
        ('{"document": "x", "note": "\\ud800"}', "note"),
        ('{"document": "x", "\\ud800": 1}', ""),
        ('{"document": "x", "Label": 1}', "Label"),
        ('{"document": "x", " label": 1}', " label"),
        ('{"DOCUMENT": "x", "label": 1}', "DOCUMENT"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_line_costs_no_good_one(daemon, client, tmp_path, line, field):
    result = upload_lines(client, tmp_path, '{"document": "first"}', line, '{"document": "third"}')
    assert reasons(result) == [(2, field)]
    assert result.rejections[0].reason
    assert [sent.line for sent in daemon.lines] == [1, 3]
    assert (result.added, result.rejected, result.total) == (2, 1, 3)


def test_a_line_longer_than_any_document_is_skipped_without_being_held(daemon, client, tmp_path):
    result = upload_lines(client, tmp_path, '{"document": "%s"}' % ("x" * (8 << 20)), '{"document": "y"}')
    assert reasons(result) == [(1, "")]
    assert [sent.line for sent in daemon.lines] == [2]


def test_rejections_of_both_sides_are_one_list_by_line(daemon, client, tmp_path):
    def answer(chunks, context):
        for chunk in chunks:
            rejections = [
                documents_pb2.Rejection(line=line.line, field="label", reason="no such class", id="x")
                for line in chunk.lines
                if line.document.label == 9
            ]
            yield documents_pb2.UploadDocumentsResponse(
                added=len(chunk.lines) - len(rejections), rejections=rejections
            )

    daemon.answers["UploadDocuments"] = answer
    good, wrong = '{"document": "x", "label": 1}', '{"document": "x", "label": 9}'
    result = upload_lines(client, tmp_path, wrong, "{", good, wrong, "{", name="data.ndjson")
    assert reasons(result) == [(1, "label"), (2, ""), (4, "label"), (5, "")]
    assert (result.added, result.rejected, result.total) == (1, 4, 5)


def test_chunks_hold_256_documents_or_a_mebibyte_or_one_larger_document(daemon, client):
    mebibyte = 1 << 20
    texts = ["s"] * 300 + ["m" * (mebibyte // 3)] * 4 + ["l" * mebibyte] + ["s"] * 2
    result = client.upload("p", [{"document": text, "id": str(n)} for n, text in enumerate(texts)], "train")
    assert result.added == len(texts)
    assert [line.document.id for line in daemon.lines] == [str(n) for n in range(len(texts))]
    assert len(daemon.chunks[0].lines) == 256
    for chunk in daemon.chunks:
        assert 1 <= len(chunk.lines) <= 256
        assert chunk.ByteSize() <= mebibyte or len(chunk.lines) == 1


def test_identical_texts_without_id_are_counted_as_merged(daemon, client):
    def answer(chunks, context):
        for chunk in chunks:
            daemon.chunks.append(chunk)
            wrong = documents_pb2.Rejection(line=5, field="label", reason="no such class")
            yield documents_pb2.UploadDocumentsResponse(
                added=2, unchanged=2, repeated_ids=2, rejections=[wrong]
            )

    daemon.answers["UploadDocuments"] = answer
    named = [{"document": "y", "id": "1"}, {"document": "z", "id": "1"}]
    result = client.upload(
        "p", [{"document": "x"}, {"document": "x"}, *named, {"document": "x", "label": 9}], "train"
    )
    assert (result.merged, result.repeated) == (1, 1)
    assert [line.document.id for line in daemon.lines] == ["", "", "1", "1", ""]


def test_a_name_that_promises_no_format_needs_one(daemon, client, tmp_path):
    path = tmp_path / "data.txt"
    path.write_text('{"document": "x"}')
    with pytest.raises(errors.InvalidArgument, match="jsonl"):
        client.upload("p", path, "train")
    assert client.upload("p", path, "train", form="jsonl").added == 1
    assert client.upload("p", io.BytesIO(path.read_bytes()), "train").added == 1


def test_output_of_documents_list_can_be_uploaded_again(daemon, client):
    client.upload(
        "p", [{"document": "x", "split": "test", "revision": 3, "update_time": "now", "lang": "fi"}], "train"
    )
    assert json.loads(daemon.lines[0].document.extra_json) == {"lang": "fi"}
    assert daemon.lines[0].document.split == ""


def test_an_empty_source_still_asks_whether_the_project_is_there(daemon, client):
    daemon.answers["UploadDocuments"] = lambda chunks, context: daemon.abort(
        context, grpc.StatusCode.NOT_FOUND, "no project p", "PROJECT_NOT_FOUND"
    )
    with pytest.raises(errors.NotFound, match="no project p"):
        client.upload("p", [], "train")


def test_progress_counts_what_was_acknowledged(daemon, client, tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text("".join(f'{{"document": "text {n}"}}\n' for n in range(600)))
    seen = []
    client.upload("p", path, "train", on_progress=seen.append)
    assert [each.documents for each in seen] == [256, 512, 600]
    assert [each.line for each in seen] == [256, 512, 600]
    assert seen[-1].read_bytes == seen[-1].total_bytes == path.stat().st_size


def test_an_interrupted_upload_says_what_is_stored_and_how_to_go_on(daemon, client):
    def answer(chunks, context):
        yield documents_pb2.UploadDocumentsResponse(added=len(next(chunks).lines))
        daemon.abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "the disk is full", "STORAGE_FULL")

    daemon.answers["UploadDocuments"] = answer
    with pytest.raises(errors.StorageFull, match=r"the disk is full.*256 documents.*again"):
        client.upload("p", [{"document": str(n)} for n in range(1000)], "train")


def test_a_daemon_that_forgets_a_chunk_is_not_believed(daemon, client):
    daemon.answers["UploadDocuments"] = lambda chunks, context: iter(())
    with pytest.raises(errors.Internal):
        client.upload("p", [{"document": "x"}], "train")


def test_an_error_of_the_callers_own_iterable_reaches_the_caller(daemon, client):
    def source():
        yield {"document": "x"}
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        client.upload("p", source(), "train")


def test_a_dry_run_says_so_on_the_wire(daemon, client):
    client.upload("p", [{"document": "x"}], "train", validate_only=True)
    assert daemon.chunks[0].validate_only


def test_the_daemon_being_down_is_said_before_anything_is_read(socket, tmp_path):
    with Client(socket) as client, pytest.raises(errors.DaemonDown):
        client.upload("p", tmp_path / "absent.jsonl", "train")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('[{"document": "x"}, {"document": "y"}]', "expected a JSON object on each line, received a list"),
        (
            '[\n{"document": "x"},\n{"document": "y"}\n]\n',
            "the beginning of an array; write its objects on lines",
        ),
    ],
)
def test_an_array_is_told_to_be_written_line_by_line(client, tmp_path, content, told):
    path = tmp_path / "data.json"
    path.write_text(content)
    assert told in client.upload("p", path, "train").rejections[0].reason
