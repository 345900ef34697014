"""What the wire says when a call is refused: always a reason, never a traceback, never INTERNAL."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reex.v1 import (
    classifiers_pb2,
    documents_pb2,
    evaluation_pb2,
    interchange_pb2,
    jobs_pb2,
    models_pb2,
    predictions_pb2,
    projects_pb2,
    search_pb2,
    server_pb2,
    training_pb2,
)

MODULES = (
    classifiers_pb2,
    documents_pb2,
    evaluation_pb2,
    interchange_pb2,
    jobs_pb2,
    models_pb2,
    predictions_pb2,
    projects_pb2,
    search_pb2,
    server_pb2,
    training_pb2,
)
METHODS = {
    f"/{service.full_name}/{method.name}": method
    for module in MODULES
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
# A pull would use the network when a fuzzed reference happens to be one.
FUZZED = [path for path in METHODS if not path.endswith("/PullModel")]
FEW = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def channel(trained) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(trained.daemon.target) as channel:
        yield channel


def call(channel: grpc.Channel, path: str, request: bytes) -> tuple[grpc.StatusCode, Any]:
    """The status of a call with these bytes as its one request, and the error where there is one."""
    method = METHODS[path]
    if method.client_streaming:
        answers = channel.stream_stream(path)(iter([request]), timeout=60)
    elif method.server_streaming:
        answers = channel.unary_stream(path)(request, timeout=60)
    else:
        answers = None
    try:
        if answers is None:
            channel.unary_unary(path)(request, timeout=60)
        else:
            list(answers)
    except grpc.RpcError as error:
        return error.code(), error
    return grpc.StatusCode.OK, None


def info_of(error: grpc.RpcError) -> error_details_pb2.ErrorInfo:
    status = rpc_status.from_call(error)
    assert status is not None, f"{error.code()} without details: {error.details()}"
    (detail,) = status.details
    info = error_details_pb2.ErrorInfo()
    assert detail.Unpack(info)
    return info


def assert_refused_properly(path: str, error: grpc.RpcError) -> None:
    assert error.code() not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN), (path, error.details())
    info = info_of(error)
    assert info.domain == "reex"
    assert info.reason
    assert info.reason != "INTERNAL"
    assert error.details()
    assert "Traceback" not in error.details()
    assert len(error.details()) < 4096


NAMES = st.one_of(
    st.text(max_size=80),
    st.sampled_from(
        [
            "",
            ".",
            "..",
            "../x",
            "/etc/passwd",
            "a/b",
            "A",
            "a" * 63,
            "a" * 64,
            "a" * 30_000,
            "\x00",
            "a\x00",
            "é",
            "-a",
            "ß" * 600,
        ]
    ),
)


def named(text: str, real: str) -> list[tuple[str, Message]]:
    """Every call that takes a name, with this one in each place that takes one."""
    project = projects_pb2.Project(name=text, classes=["a", "b"], model="tiny")
    odd_model = projects_pb2.Project(name=real, classes=["a", "b"], model=text or ".")
    line = documents_pb2.DocumentLine(line=1, document=documents_pb2.Document(id=text, text=""))
    chunk = documents_pb2.UploadDocumentsRequest
    query = predictions_pb2.Text(text="a", id=text)
    versions, compare = "/reex.v1.ClassifierService", classifiers_pb2.CompareClassifiersRequest
    add = classifiers_pb2.AddToSupportRequest
    return [
        (f"{versions}/ListClassifiers", classifiers_pb2.ListClassifiersRequest(project=text)),
        (f"{versions}/GetClassifier", classifiers_pb2.GetClassifierRequest(project=real, name=text)),
        (f"{versions}/UseClassifier", classifiers_pb2.UseClassifierRequest(project=real, name=text)),
        (f"{versions}/DeleteClassifier", classifiers_pb2.DeleteClassifierRequest(project=real, name=text)),
        (f"{versions}/CompareClassifiers", compare(project=real, first="v1", second=text, split="test")),
        (f"{versions}/CompareClassifiers", compare(project=real, first="v1", second="v1", split=text)),
        (f"{versions}/AddToSupport", add(project=real, ids=[text], label=0)),
        (f"{versions}/AddToSupport", add(project=real, ids=["blank"], label_name=text)),
        (f"{versions}/UndoAddToSupport", classifiers_pb2.UndoAddToSupportRequest(project=text)),
        (f"{versions}/Recalibrate", classifiers_pb2.RecalibrateRequest(project=text)),
        ("/reex.v1.ProjectService/GetProject", projects_pb2.GetProjectRequest(name=text)),
        ("/reex.v1.ProjectService/CreateProject", projects_pb2.CreateProjectRequest(project=odd_model)),
        ("/reex.v1.ProjectService/DeleteProject", projects_pb2.DeleteProjectRequest(name=f"no.{text}")),
        ("/reex.v1.ProjectService/UpdateProject", projects_pb2.UpdateProjectRequest(project=project)),
        ("/reex.v1.DocumentService/GetDocument", documents_pb2.GetDocumentRequest(project=text, id=text)),
        ("/reex.v1.DocumentService/GetDocument", documents_pb2.GetDocumentRequest(project=real, id=text)),
        (
            "/reex.v1.DocumentService/ListDocuments",
            documents_pb2.ListDocumentsRequest(project=real, split=text),
        ),
        ("/reex.v1.DocumentService/SummarizeSplits", documents_pb2.SummarizeSplitsRequest(project=text)),
        ("/reex.v1.DocumentService/UploadDocuments", chunk(project=text, split="train", lines=[line])),
        ("/reex.v1.DocumentService/UploadDocuments", chunk(project=real, split=text, lines=[line])),
        ("/reex.v1.JobService/GetJob", jobs_pb2.GetJobRequest(name=text)),
        ("/reex.v1.JobService/WatchJob", jobs_pb2.WatchJobRequest(name=text)),
        ("/reex.v1.JobService/CancelJob", jobs_pb2.CancelJobRequest(name=text)),
        ("/reex.v1.JobService/ListJobs", jobs_pb2.ListJobsRequest(project=text)),
        ("/reex.v1.PredictionService/Query", predictions_pb2.QueryRequest(project=text, texts=[query])),
        ("/reex.v1.PredictionService/Query", predictions_pb2.QueryRequest(project=real, texts=[query])),
        ("/reex.v1.PredictionService/Predict", predictions_pb2.PredictRequest(project=text, texts=[query])),
        (
            "/reex.v1.PredictionService/PredictSplit",
            predictions_pb2.PredictSplitRequest(project=real, split=text),
        ),
        ("/reex.v1.EvaluationService/Evaluate", evaluation_pb2.EvaluateRequest(project=real, split=text)),
        ("/reex.v1.SearchService/Search", search_pb2.SearchRequest(project=text, text="a")),
        ("/reex.v1.SearchService/Search", search_pb2.SearchRequest(project=real, text="a", splits=[text])),
        ("/reex.v1.TrainingService/Train", training_pb2.TrainRequest(project=text)),
        ("/reex.v1.ServerService/GetStatus", server_pb2.GetStatusRequest(project=text)),
    ]


@FEW
@given(text=NAMES)
def test_any_name_is_known_or_refused_with_a_reason(trained, channel, text):
    for path, request in named(text, trained.project):
        _, error = call(channel, path, request.SerializeToString())
        if error is not None:
            assert_refused_properly(path, error)


def test_no_name_leads_out_of_the_store(trained, channel):
    store = trained.daemon.home / "store"
    before = {path.name for path in trained.daemon.home.iterdir()} | {path.name for path in store.iterdir()}
    for name in ("../escaped", "..", "/tmp/escaped", "a/../../escaped", ".escaped", "escaped/"):
        request = projects_pb2.CreateProjectRequest(
            project=projects_pb2.Project(name=name, classes=["a", "b"])
        )
        code, error = call(channel, "/reex.v1.ProjectService/CreateProject", request.SerializeToString())
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert info_of(error).reason == "INVALID_NAME"
    after = {path.name for path in trained.daemon.home.iterdir()} | {path.name for path in store.iterdir()}
    assert after == before


def listing(path: str, token: str, size: int, project: str) -> Message:
    if path.endswith("ListProjects"):
        return projects_pb2.ListProjectsRequest(page_size=size, page_token=token)
    if path.endswith("ListJobs"):
        return jobs_pb2.ListJobsRequest(page_size=size, page_token=token, project=project)
    return documents_pb2.ListDocumentsRequest(page_size=size, page_token=token, project=project)


LISTINGS = [path for path in METHODS if path.split("/")[-1] in ("ListProjects", "ListJobs", "ListDocuments")]


def forged(*scope: object, position: str) -> str:
    """A token as pages.py makes them, with a position that it never would."""
    prefix = hashlib.sha256(repr(scope).encode()).hexdigest()[:8]
    return base64.urlsafe_b64encode(f"{prefix}{position}".encode()).decode()


@FEW
@given(
    token=st.one_of(
        st.text(max_size=60), st.binary(max_size=40).map(lambda raw: base64.urlsafe_b64encode(raw).decode())
    ),
    size=st.integers(-(2**31), 2**31 - 1),
)
def test_any_page_token_and_size_is_understood_or_refused(trained, channel, token, size):
    for path in LISTINGS:
        request = listing(path, token, size, trained.project)
        _, error = call(channel, path, request.SerializeToString())
        if error is not None:
            assert_refused_properly(path, error)
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "position", ["x", "-5", "9" * 30, "9" * 5000, "1.5", "²", "\x00", "18446744073709551615"]
)
def test_a_forged_position_is_refused(trained, channel, position):
    project = trained.project
    for path, scope in (
        ("/reex.v1.JobService/ListJobs", ("jobs", project)),
        ("/reex.v1.DocumentService/ListDocuments", (project, "", None)),
        ("/reex.v1.ProjectService/ListProjects", ("projects",)),
    ):
        request = listing(path, forged(*scope, position=position), 10, project)
        _, error = call(channel, path, request.SerializeToString())
        if error is not None:
            assert_refused_properly(path, error)


def test_a_token_is_good_for_its_own_listing_alone(trained, channel):
    list_documents = documents_pb2.ListDocumentsRequest(project=trained.project, page_size=5)
    method = channel.unary_unary(
        "/reex.v1.DocumentService/ListDocuments",
        request_serializer=documents_pb2.ListDocumentsRequest.SerializeToString,
        response_deserializer=documents_pb2.ListDocumentsResponse.FromString,
    )
    token = method(list_documents, timeout=60).next_page_token
    assert token
    other = documents_pb2.ListDocumentsRequest(project=trained.project, split="test", page_token=token)
    with pytest.raises(grpc.RpcError) as caught:
        method(other, timeout=60)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_pages_hold_every_document_once_and_in_order(trained, channel):
    method = channel.unary_unary(
        "/reex.v1.DocumentService/ListDocuments",
        request_serializer=documents_pb2.ListDocumentsRequest.SerializeToString,
        response_deserializer=documents_pb2.ListDocumentsResponse.FromString,
    )
    lines = trained.lines["train"]
    for label, expected in ((None, [line["id"] for line in lines]), (-99, ["outside-0", "outside-1"])):
        found, token = [], ""
        while True:
            request = documents_pb2.ListDocumentsRequest(
                project=trained.project,
                split="train",
                label=label,
                page_size=1 if label else 61,
                page_token=token,
            )
            answer = method(request, timeout=60)
            found += [document.id for document in answer.documents]
            token = answer.next_page_token
            if not token:
                break
        assert found == expected


@pytest.mark.parametrize("path", FUZZED)
def test_bytes_that_are_no_message_are_refused(channel, path):
    for garbage in (b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x08", b"\x0b" * 200):
        code, error = call(channel, path, garbage)
        assert code is grpc.StatusCode.INVALID_ARGUMENT, (garbage, error and error.details())
        assert_refused_properly(path, error)


@FEW
@given(raw=st.binary(max_size=60))
def test_any_bytes_are_a_request_or_refused(channel, raw):
    for path in FUZZED:
        if not path.endswith("DeleteProject"):
            _, error = call(channel, path, raw)
            if error is not None:
                assert_refused_properly(path, error)


def test_a_message_beyond_the_limit_is_refused(trained, channel):
    request = predictions_pb2.QueryRequest(
        project=trained.project, texts=[predictions_pb2.Text(text="x" * (5 << 20))]
    )
    code, _ = call(channel, "/reex.v1.PredictionService/Query", request.SerializeToString())
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_deadline_of_a_millisecond_is_no_defect(trained, channel):
    for path in METHODS:
        if METHODS[path].client_streaming or path.endswith(("DeleteProject", "PullModel")):
            continue
        try:
            channel.unary_unary(path)(b"", timeout=0.001)
        except grpc.RpcError as error:
            assert error.code() not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN), path
    assert trained.client.server_info().pid == trained.daemon.pid
