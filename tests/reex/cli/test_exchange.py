"""`classifiers export|import`, `export`, `upload` of a folder, `train --continue`: what is asked, and what is shown."""

from __future__ import annotations

import pytest
from reex.v1 import classifiers_pb2, documents_pb2, interchange_pb2, jobs_pb2, training_pb2


@pytest.fixture
def parts(held):
    """Exports that answer with one file each."""

    def answer(kind):
        return lambda request, context: iter(
            [kind(part=interchange_pb2.FilePart(name="manifest.json", data=b"{}"))]
        )

    held.answers["ExportClassifier"] = answer(interchange_pb2.ExportClassifierResponse)
    held.answers["ExportDocuments"] = answer(interchange_pb2.ExportDocumentsResponse)
    return held


def test_a_version_is_exported(parts, reexctl, tmp_path):
    out = tmp_path / "m.sdmkitmodel"
    ended = reexctl("classifiers", "export", "s", "v3", "--out", out, "--with-documents")
    assert (ended.code, ended.out) == (0, f"wrote {out}\n")
    ((_, request),) = parts.requests
    assert (request.project, request.name, request.with_documents) == ("s", "v3", True)
    again = reexctl("classifiers", "export", "s", "--out", out)
    assert again.code == 7
    assert "never overwrite" in again.err
    (facts,) = reexctl("classifiers", "export", "s", "--out", tmp_path / "n.sdmkitmodel", "--json").lines
    assert facts == {"project": "s", "version": "live", "folder": str(tmp_path / "n.sdmkitmodel")}
    assert reexctl("classifiers", "export", "s", "--out", tmp_path / "folder").code == 2
    assert reexctl("classifiers", "export", "s").code == 2


def test_a_split_is_exported(parts, reexctl, tmp_path):
    out = tmp_path / "t.sdmdataset"
    assert reexctl("export", "s", "--split", "test", "--out", out, "--no-vectors").out == f"wrote {out}\n"
    ((_, request),) = parts.requests
    assert (request.project, request.split, request.without_vectors) == ("s", "test", True)
    assert reexctl("export", "s", "--out", tmp_path / "t.sdmdataset").code == 2
    assert (
        reexctl("export", "s", "--split", "test", "--out", tmp_path / "t.sdmdataset", "--predictions").code
        == 2
    )


def test_a_table_is_exported(held, reexctl, tmp_path):
    documents = [documents_pb2.Document(id="a", text="x, y", label=2, split="test")]
    held.answers["ListDocuments"] = lambda request, context: documents_pb2.ListDocumentsResponse(
        documents=documents
    )
    out = tmp_path / "t.csv"
    ended = reexctl(
        "export",
        "s",
        "--split",
        "test",
        "--label",
        "positive",
        "--out",
        out,
        "--fields",
        "id, label,document",
    )
    assert (ended.code, ended.out) == (0, f"wrote {out}\n")
    assert out.read_text() == 'id,label,document\na,2,"x, y"\n'
    request = held.requests[-1][1]
    assert (request.split, request.label) == ("test", 2)
    assert reexctl("export", "s", "--out", out).code == 7
    assert reexctl("export", "s", "--out", tmp_path / "t.xlsx").code == 2
    assert reexctl("export", "s", "--out", tmp_path / "u.csv", "--no-vectors").code == 2


def test_an_import_says_how_it_gets_to_answer(held, reexctl, tmp_path):
    folder = tmp_path / "m.sdmkitmodel"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    found = classifiers_pb2.ClassifierSummary(
        name="v2", origin="import", model="minilm", support_count=84, warnings=["0 are in this project"]
    )
    held.answers["ImportClassifier"] = lambda requests, context: (
        [None for _ in requests],
        interchange_pb2.ImportClassifierResponse(classifier=found),
    )[1]
    ended = reexctl("classifiers", "import", "s", folder)
    assert ended.code == 0
    assert ("v2" in ended.out, "84 support" in ended.out) == (True, True)
    assert "0 are in this project" in ended.out
    assert "reexctl classifiers use s v2" in ended.err
    (record,) = reexctl("classifiers", "import", "s", folder, "--assume-model", "--json").lines
    assert (record["name"], record["origin"]) == ("v2", "import")
    assert reexctl("classifiers", "import", "s", tmp_path / "absent.sdmkitmodel").code == 2


def test_a_folder_of_documents_is_uploaded(held, reexctl, tmp_path):
    folder = tmp_path / "d.sdmdataset"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    answer = interchange_pb2.ImportDocumentsResponse(added=2, total=3, rejected=1, vectors=2)
    answer.rejections.add(line=2, field="document", reason="expected text", id="b")
    held.answers["ImportDocuments"] = lambda requests, context: ([None for _ in requests], answer)[1]
    ended = reexctl("upload", "s", folder, "--split", "train")
    assert ended.code == 1
    assert "2 added" in ended.out
    assert "2 brought their vectors" in ended.out
    assert f"{folder}:2" in ended.err
    assert reexctl("upload", "s", tmp_path, "--split", "train").code == 2
    refused = reexctl("upload", "s", folder, "--split", "train", "--format", "csv")
    assert (refused.code, refused.out) == (2, "")
    assert "received the format 'csv' with it: leave that out" in refused.err


def test_train_goes_on_from_a_version(held, reexctl):
    job = jobs_pb2.Job(name="train-1", kind="train", project="s", state=jobs_pb2.JOB_STATE_QUEUED)
    held.answers["Train"] = lambda request, context: training_pb2.TrainResponse(job=job)
    for arguments in (["--continue"], ["v3", "--continue"], ["--continue", "v3", "--epochs", "4"], []):
        assert reexctl("train", "s", *arguments, "--detach").code == 0
    asked = [request for _, request in held.requests]
    assert [request.HasField("continue_from") for request in asked] == [True, True, True, False]
    assert [request.continue_from for request in asked] == ["", "v3", "v3", ""]
    assert asked[2].settings.epochs == 4
    ended = reexctl("train", "s", "v3")
    assert ended.code == 2
    assert "--continue" in ended.err
