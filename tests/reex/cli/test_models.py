"""`models`: what is asked of the daemon, and what is shown."""

from __future__ import annotations

import grpc
import pytest
from reex.v1 import jobs_pb2, models_pb2

MINILM = models_pb2.Model(
    name="minilm",
    description="a small encoder",
    installed=True,
    size_bytes=91_335_235,
    licence="Apache-2.0",
    sources=["hf:a/b@c", "pypi:d==1"],
    digest="53aa51172d14",
    folder="/m/minilm",
    architecture="bert",
    parameters=22_713_216,
    dtype="F32",
    hidden_size=384,
    pooling="mean",
    query_prefix="query: ",
    window_tokens=256,
    memory_bytes=340_700_000,
    loaded=True,
    readable=True,
)
FOREIGN = models_pb2.Model(name="foreign", architecture="mamba", installed=True)
ABSENT = models_pb2.Model(name="big", readable=True, parameters=4_022_468_096, size_bytes=8_044_936_192)
BROKEN = models_pb2.Model(name="broken", problem="reex.json: cannot be read\x1b[31m")


def test_the_list_says_what_each_needs(held, reexctl):
    held.answers["ListModels"] = lambda request, context: models_pb2.ListModelsResponse(
        models=[MINILM, ABSENT, BROKEN]
    )
    first, second, third = reexctl("models", "list").out.splitlines()[1:]
    for word in ("loaded", "22.7 M", "91.3 MB", "340.7 MB", "Apache-2.0", "a small encoder"):
        assert word in first
    assert second.split() == ["big", "-", "4.02", "B", "8.0", "GB", "-"]
    assert ("damaged" in third, "\\x1b[31m" in third) == (True, True)
    lines = reexctl("models", "list", "--json").lines
    assert [line["name"] for line in lines] == ["minilm", "big", "broken"]
    assert lines[0]["memory_bytes"] == 340_700_000


def details(**fields) -> models_pb2.GetModelResponse:
    file = models_pb2.ModelFile(name="model.safetensors", size_bytes=90, sha256="ab" * 32)
    use = models_pb2.ModelUse(project="sentiment", chosen=True, versions=["v1", "v2"])
    given = {"files": [file], "uses": [use], "worker_memory_bytes": 113_566_666, "workers": 3, **fields}
    return models_pb2.GetModelResponse(model=MINILM, **given)


def test_show(held, reexctl):
    held.answers["GetModel"] = lambda request, context: details(pinned=True)
    shown = reexctl("models", "show", "minilm").out
    for words in (
        "bert",
        "22,713,216, stored as F32",
        "'query: ' before search questions",
        "256 tokens",
        "hf:a/b@c or pypi:d==1",
        "340.7 MB: 113.6 MB in each of 3 workers",
        "pinned by this release",
        "sentiment (chosen, v1, v2)",
        "ab" * 32,
    ):
        assert words in shown
    (record,) = reexctl("models", "show", "minilm", "--json").lines
    assert (record["name"], record["pinned"], record["workers"]) == ("minilm", True, 3)
    assert record["files"] == [{"name": "model.safetensors", "size_bytes": 90, "sha256": "ab" * 32}]
    assert record["uses"] == [{"project": "sentiment", "chosen": True, "versions": ["v1", "v2"]}]
    assert [request.name for _, request in held.requests] == ["minilm", "minilm"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [({}, "recorded at the first pull"), ({"files": []}, "will be recorded"), ({"uses": []}, "no project")],
)
def test_show_says_whose_digests_these_are(held, reexctl, fields, said):
    held.answers["GetModel"] = lambda request, context: details(**fields)
    assert said in reexctl("models", "show", "minilm").out


def check(name: str, problem: str = "") -> models_pb2.FileCheck:
    return models_pb2.FileCheck(file=models_pb2.ModelFile(name=name, size_bytes=612), problem=problem)


def test_show_says_when_a_type_is_not_opened(held, reexctl):
    held.answers["GetModel"] = lambda request, context: models_pb2.GetModelResponse(model=FOREIGN)
    shown = reexctl("models", "show", "foreign").out
    assert "mamba, which this release does not open" in shown
    assert "unreadable" in shown


def test_verify_ends_with_one_and_the_name_of_the_file(held, reexctl):
    found = [check("config.json"), check("tokenizer.json", "expected SHA-256 a, got b")]
    held.answers["VerifyModel"] = lambda request, context: models_pb2.VerifyModelResponse(files=found)
    ended = reexctl("models", "verify", "minilm")
    assert ended.code == 1
    assert "intact   config.json" in ended.out
    assert "DAMAGED  tokenizer.json  expected SHA-256 a, got b" in ended.out
    assert "reexctl models pull minilm" in ended.err
    (record,) = reexctl("models", "verify", "minilm", "--json").lines
    assert (record["intact"], record["files"][1]["problem"]) == (False, "expected SHA-256 a, got b")
    found.pop()
    assert reexctl("models", "verify", "minilm").code == 0


def test_delete_is_refused_with_the_code_of_a_conflict(held, reexctl):
    def delete(request, context):
        if not request.force:
            held.abort(context, grpc.StatusCode.ALREADY_EXISTS, "used by project s", "CONFLICT")
        return models_pb2.DeleteModelResponse()

    held.answers["DeleteModel"] = delete
    refused = reexctl("models", "delete", "minilm")
    assert (refused.code, refused.out) == (7, "")
    assert "used by project s" in refused.err
    assert reexctl("models", "delete", "minilm", "--force", "--json").lines == [{"deleted": "minilm"}]


def test_load_and_unload(held, reexctl):
    held.answers["LoadModel"] = lambda request, context: models_pb2.LoadModelResponse(model=MINILM)
    held.answers["UnloadModel"] = lambda request, context: models_pb2.UnloadModelResponse(
        was_loaded=request.name == "minilm"
    )
    assert "minilm is loaded, about 340.7 MB" in reexctl("models", "load", "minilm").out
    assert reexctl("models", "load", "minilm", "--json").lines[0]["loaded"]
    assert "minilm is unloaded" in reexctl("models", "unload", "minilm").out
    assert reexctl("models", "unload", "other", "--json").lines == [
        {"unloaded": "other", "was_loaded": False}
    ]


def test_a_model_too_large_is_a_failure_with_its_reason(held, reexctl):
    held.answers["LoadModel"] = lambda request, context: held.abort(
        context, grpc.StatusCode.RESOURCE_EXHAUSTED, "takes 49 GB", "MODEL_TOO_LARGE"
    )
    ended = reexctl("models", "load", "big")
    assert (ended.code, "takes 49 GB" in ended.err) == (1, True)


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("minilm", "minilm"),
        ("hf:org/repo@main#a.gguf", "hf:org/repo@main#a.gguf"),
        ("pypi:package==1.0", "pypi:package==1.0"),
        ("./model", "{here}/model"),
        ("folder/model", "{here}/folder/model"),
        ("~/model", "{home}/model"),
        ("/absolute/model", "/absolute/model"),
    ],
)
def test_a_path_is_sent_as_the_daemon_can_open_it(held, reexctl, tmp_path, monkeypatch, given, asked):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "somebody"))
    job = jobs_pb2.Job(name="pull-1", kind="pull", state=jobs_pb2.JOB_STATE_SUCCEEDED, result_json="{}")
    held.answers["PullModel"] = lambda request, context: models_pb2.PullModelResponse(job=job)
    held.answers["WatchJob"] = lambda request, context: iter([jobs_pb2.WatchJobResponse(job=job)])
    assert reexctl("models", "pull", given).code == 0
    (reference,) = [request.reference for name, request in held.requests if name == "PullModel"]
    assert reference == asked.format(here=tmp_path, home=tmp_path / "somebody")
