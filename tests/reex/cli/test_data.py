"""`project`, `labels`, `upload`, `documents`, `status`, `prepare`: asked, printed, ended. And every exit code."""

from __future__ import annotations

import io
import json

import grpc
import pytest
from reex.v1 import (
    documents_pb2,
    jobs_pb2,
    models_pb2,
    projects_pb2,
    server_pb2,
)

CLASSES = ["negative", "neutral", "positive"]


def test_project_create_with_classes(held, reexctl):
    held.answers["CreateProject"] = lambda request, context: projects_pb2.CreateProjectResponse(
        project=request.project
    )
    ended = reexctl(
        "project", "create", "s", "--classes", "negative, neutral,positive", "--prompt", "Classify.", "--json"
    )
    assert ended.code == 0
    assert ended.lines[0]["classes"] == CLASSES
    assert held.requests[-1][1].project.prompt == "Classify."


def test_project_create_with_a_labels_file(held, reexctl, tmp_path):
    held.answers["CreateProject"] = lambda request, context: projects_pb2.CreateProjectResponse(
        project=request.project
    )
    path = tmp_path / "labels.jsonl"
    path.write_text('{"label": 1, "name": "b"}\n{"label": 0, "name": "a"}\n{"label": -1, "name": "none"}\n')
    assert reexctl("project", "create", "s", "--labels", path, "--json").lines[0]["classes"] == [
        "a",
        "b",
    ]
    path.write_text('{"label": 0, "name": "a"}\n{"label": 2, "name": "c"}\n')
    ended = reexctl("project", "create", "s", "--labels", path)
    assert (ended.code, "1" in ended.err) == (2, True)


def test_project_create_without_classes_is_a_usage_error(reexctl):
    ended = reexctl("project", "create", "s")
    assert ended.code == 2
    assert "--classes" in ended.err


def test_project_set_takes_prefixes_and_an_empty_one_is_the_models_own(held, reexctl):
    held.answers["UpdateProject"] = lambda request, context: projects_pb2.UpdateProjectResponse(
        project=request.project
    )
    shown = reexctl("project", "set", "s", "--document-prefix", "passage: ", "--query-prefix", "none").out
    assert "'passage: ' before documents, no prefix before search questions" in shown
    assert list(held.requests[-1][1].update_mask.paths) == ["document_prefix", "query_prefix"]
    assert "prefixes" not in reexctl("project", "set", "s", "--document-prefix", "").out
    assert list(held.requests[-1][1].update_mask.paths) == ["document_prefix"]
    ended = reexctl("project", "set", "s")
    assert (ended.code, "--document-prefix" in ended.err) == (2, True)


def test_project_create_with_prefixes(held, reexctl):
    held.answers["CreateProject"] = lambda request, context: projects_pb2.CreateProjectResponse(
        project=request.project
    )
    given = ("--document-prefix", "passage: ", "--query-prefix", "query: ")
    (made,) = reexctl("project", "create", "s", "--classes", "a,b", *given, "--json").lines
    assert (made["document_prefix"], made["query_prefix"]) == ("passage: ", "query: ")


def test_labels_round_trip(held, reexctl, tmp_path):
    held.answers["UpdateProject"] = lambda request, context: projects_pb2.UpdateProjectResponse(
        project=request.project
    )
    assert reexctl("labels", "export", "s").lines == [
        {"label": n, "name": name} for n, name in enumerate(CLASSES)
    ]
    path = tmp_path / "labels.jsonl"
    path.write_text('{"label": 3, "name": "mixed"}\n{"label": 0, "name": "bad"}\n')
    assert reexctl("labels", "set", "s", path).code == 0
    assert list(held.requests[-1][1].project.classes) == ["bad", "neutral", "positive", "mixed"]


def test_labels_come_from_stdin_and_are_not_none(held, reexctl, monkeypatch, tmp_path):
    held.answers["UpdateProject"] = lambda request, context: projects_pb2.UpdateProjectResponse(
        project=request.project
    )
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"label": 1, "name": "so-so"}\n')))
    assert reexctl("labels", "set", "s", "-").code == 0
    assert list(held.requests[-1][1].project.classes) == ["negative", "so-so", "positive"]
    (tmp_path / "empty.jsonl").write_text("\n")
    ended = reexctl("labels", "set", "s", tmp_path / "empty.jsonl")
    assert ended.code == 2
    assert 'expected a line like {"label": 2, "name": "positive"}, received none' in ended.err


def test_jobs_of_a_project_that_is_not_there(held, reexctl):
    held.answers["ListJobs"] = lambda request, context: jobs_pb2.ListJobsResponse()
    assert reexctl("jobs", "list", "s").code == 0
    held.answers["GetProject"] = lambda request, context: held.abort(
        context, grpc.StatusCode.NOT_FOUND, "there is no project 's'", "PROJECT_NOT_FOUND"
    )
    assert reexctl("jobs", "list", "s").code == 3


def test_upload_reports_bad_lines_like_a_compiler_and_fails(held, reexctl, tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('{"document": "x"}\n{"document": 5}\n{broken\n')
    ended = reexctl("upload", "s", path, "--split", "train")
    assert ended.code == 1
    assert ended.out == "3 lines: 1 added, 2 rejected\n"
    assert f"{path}:2: document: " in ended.err
    assert f"{path}:3: " in ended.err
    ended = reexctl("upload", "s", path, "--split", "train", "--json")
    (shape,) = ended.lines
    assert (ended.code, shape["added"], shape["rejected"], shape["stored"]) == (1, 1, 2, True)
    assert [(each["file"], each["line"], each["field"]) for each in shape["rejections"]] == [
        (str(path), 2, "document"),
        (str(path), 3, ""),
    ]


def test_upload_says_what_it_takes_out_of_another_split(held, reexctl, tmp_path):
    held.answers["UploadDocuments"] = lambda chunks, context: (
        documents_pb2.UploadDocumentsResponse(added=1, replaced=2, moved=1) for _ in chunks
    )
    path = tmp_path / "data.jsonl"
    path.write_text('{"document": "x"}\n' * 3)
    ended = reexctl("upload", "s", path, "--split", "test")
    assert ended.out.startswith("3 lines: 1 added, 2 replaced (1 moved out of another split), ")
    assert reexctl("upload", "s", path, "--split", "test", "--json").lines[0]["moved"] == 1


def test_one_line_is_one(held, reexctl, tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('{"document": "x"}\n')
    assert reexctl("upload", "s", path, "--split", "train").out == "1 line: 1 added\n"
    assert reexctl("predict", "s", path).err == "1 prediction, 1 admitted to a region\n"


def test_strict_stores_nothing_when_a_line_is_bad(held, reexctl, tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('{"document": "x"}\n{broken\n')
    ended = reexctl("upload", "s", path, "--split", "train", "--strict")
    assert (ended.code, "nothing was stored" in ended.out) == (1, True)
    assert all(chunk.validate_only for chunk in held.chunks)
    path.write_text('{"document": "x"}\n')
    held.chunks.clear()
    assert reexctl("upload", "s", path, "--split", "train", "--strict").code == 0
    assert [chunk.validate_only for chunk in held.chunks] == [True, False]


def test_a_dry_run_stores_nothing(held, reexctl, tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('{"document": "x"}\n')
    ended = reexctl("upload", "s", path, "--split", "train", "--dry-run")
    assert (ended.code, "nothing was stored" in ended.out) == (0, True)
    assert [chunk.validate_only for chunk in held.chunks] == [True]


def test_a_file_that_is_not_there_is_a_usage_error(reexctl, tmp_path):
    for arguments in (
        ("upload", "s", tmp_path / "absent.jsonl", "--split", "train"),
        ("predict", "s", tmp_path),
    ):
        assert reexctl(*arguments).code == 2


def test_documents_are_listed_and_shown(held, reexctl):
    document = documents_pb2.Document(id="a", text="one\x07\ntwo", label=1, split="train", revision=1)
    held.answers["ListDocuments"] = lambda request, context: documents_pb2.ListDocumentsResponse(
        documents=[document] * 5
    )
    held.answers["GetDocument"] = lambda request, context: documents_pb2.GetDocumentResponse(
        document=document
    )
    ended = reexctl("documents", "list", "s", "--split", "train", "--label", "neutral", "--limit", 2)
    assert len(ended.out.splitlines()) == 3
    assert held.requests[-1][1].label == 1
    shown = reexctl("documents", "list", "s", "--json").lines
    assert len(shown) == 5
    assert shown[0]["document"] == "one\x07\ntwo"
    assert "one\\x07\ntwo" in reexctl("documents", "show", "s", "a").out


def test_status_and_split_summary_and_models(held, reexctl):
    split = documents_pb2.SplitSummary(
        split="train", documents=4, labels=[documents_pb2.LabelCount(label=0, name="negative", count=1)]
    )
    status = server_pb2.GetStatusResponse(warnings=["products are slow"])
    status.projects.add(splits=[split]).project.name = "s"
    status.projects.add(problem="damaged").project.name = "t"
    held.answers["GetStatus"] = lambda request, context: status
    held.answers["SummarizeSplits"] = lambda request, context: documents_pb2.SummarizeSplitsResponse(
        splits=[split]
    )
    out = reexctl("status").out
    for expected in ("pid 4711", "products are slow", "negative 1 (25.0%)", "damaged", "nothing trained"):
        assert expected in out
    assert reexctl("status", "--json").lines[0]["projects"][1]["problem"] == "damaged"
    assert reexctl("split", "summary", "s", "--json").lines[0]["documents"] == 4
    held.answers["ListModels"] = lambda request, context: models_pb2.ListModelsResponse(
        models=[models_pb2.Model(name="minilm", size_bytes=91_000_000)]
    )
    assert "91.0 MB" in reexctl("models", "list").out


def test_status_names_some_of_many_classes_and_says_where_all_are(held, reexctl):
    counts = [documents_pb2.LabelCount(label=n, name=f"class-{n}", count=2) for n in range(12)]
    split = documents_pb2.SplitSummary(split="train", documents=24, labels=counts)
    status = server_pb2.GetStatusResponse()
    found = status.projects.add(splits=[split]).project
    found.name = "s"
    found.classes.extend(each.name for each in counts)
    held.answers["GetStatus"] = lambda request, context: status
    out = reexctl("status", "s").out
    assert "class-9, ...\n" in out, "not all of the classes, and it is said"
    assert "class-9 2 (8.3%), and 2 more: reexctl split summary s\n" in out


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (grpc.StatusCode.NOT_FOUND, "PROJECT_NOT_FOUND", 3),
        (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_NAME", 2),
        (grpc.StatusCode.ALREADY_EXISTS, "PROJECT_EXISTS", 7),
        (grpc.StatusCode.FAILED_PRECONDITION, "NOT_TRAINED", 1),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", 75),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORAGE_FULL", 1),
        (grpc.StatusCode.DATA_LOSS, "STORE_CORRUPT", 5),
        (grpc.StatusCode.PERMISSION_DENIED, "BORN_LATER", 6),
        (grpc.StatusCode.INTERNAL, "INTERNAL", 1),
    ],
)
def test_exit_codes(held, reexctl, code, reason, expected):
    held.answers["GetProject"] = lambda request, context: held.abort(
        context, code, "cause\x1b; next step", reason
    )
    ended = reexctl("project", "show", "s")
    assert (ended.code, ended.out) == (expected, "")
    assert ended.err == "error: cause\\x1b; next step\n"


def test_delete_asks_and_without_a_terminal_wants_yes(held, reexctl):
    held.answers["DeleteProject"] = lambda request, context: projects_pb2.DeleteProjectResponse()
    assert reexctl("project", "delete", "s").code == 2
    assert "DeleteProject" not in [name for name, _ in held.requests]
    assert reexctl("project", "delete", "s", "--yes", "--json").lines == [{"deleted": "s"}]


def test_a_damaged_project_is_deleted_all_the_same(held, reexctl):
    held.answers["GetProject"] = lambda request, context: held.abort(
        context, grpc.StatusCode.DATA_LOSS, "it was cut short", "STORE_CORRUPT"
    )
    held.answers["DeleteProject"] = lambda request, context: projects_pb2.DeleteProjectResponse()
    assert reexctl("project", "delete", "s", "--yes", "--json").lines == [{"deleted": "s"}]
    asked = reexctl("project", "delete", "s")
    assert asked.code == 2
    assert "it was cut short" in asked.err and "all that its damaged store holds" in asked.err


def test_prepare_needs_no_daemon(home, capsys, tmp_path):
    from reex.cli.main import run

    rows = "".join(
        f"{name},text {n} of {name}\n" for name in ("positive", "neutral", "negative") for n in range(601)
    )
    path = tmp_path / "all-data.csv"
    path.write_text(rows)
    out = tmp_path / "made" / "here"
    assert run(["prepare", "financial-phrasebank", str(path), "--out", str(out), "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)["lines"]
    assert counts == {"train.jsonl": 900, "calibration.jsonl": 3, "test.jsonl": 900, "labels.jsonl": 3}
    assert sorted(path.name for path in out.iterdir()) == sorted(counts)
    assert run(["prepare", "financial-phrasebank", str(out / "labels.jsonl"), "--out", str(out)]) == 2


def test_documents_delete_asks_and_tells_what_becomes_stale(held, reexctl):
    def answer(request, context):
        return documents_pb2.DeleteDocumentsResponse(
            deleted=2 if request.split else len(request.ids) - 1,
            used_by_live=0 if request.split else 1,
            classifier="v3",
            missing_ids=list(request.ids)[2:],
        )

    def asked():
        return [request.validate_only for _, request in held.requests]

    held.answers["DeleteDocuments"] = answer
    ended = reexctl("documents", "delete", "s", "a", "b", "c")
    assert (ended.code, "say --yes" in ended.err, asked()) == (2, True, [True])
    ended = reexctl("documents", "delete", "s", "a", "b", "c", "--yes")
    told = "deleted 2 documents. v3, the live version, was made from 1 of them and is stale.\n"
    assert (ended.code, ended.out, asked()) == (3, told, [True, True, False])
    assert "no document with the id 'c'" in ended.err
    ended = reexctl("documents", "delete", "s", "--split", "incoming", "--dry-run")
    assert (ended.code, ended.out, asked()[3:]) == (0, "would delete 2 documents.\n", [True])
    ended = reexctl("documents", "delete", "s", "--split", "incoming", "-y", "--json")
    assert ended.lines == [{"deleted": 2, "used_by_live": 0, "classifier": "v3", "missing_ids": []}]
    for wrong in ([], ["a", "--split", "test"]):
        assert reexctl("documents", "delete", "s", *wrong).code == 2
