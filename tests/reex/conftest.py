"""A stand-in daemon: real gRPC over a real Unix socket, with answers that a test writes down. And `machine`, with
stand-ins for launchctl and systemctl.

The stand-in knows the wire and nothing of the daemon's code, so that the client is tested alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from reex import Client
from reex.location import Location
from reex.service import service_for
from reex.v1 import (
    classifiers_pb2,
    classifiers_pb2_grpc,
    discovery_pb2_grpc,
    documents_pb2,
    documents_pb2_grpc,
    evaluation_pb2_grpc,
    explanation_pb2_grpc,
    interchange_pb2_grpc,
    jobs_pb2_grpc,
    models_pb2_grpc,
    predictions_pb2,
    predictions_pb2_grpc,
    projects_pb2,
    projects_pb2_grpc,
    search_pb2_grpc,
    server_pb2,
    server_pb2_grpc,
    training_pb2_grpc,
)

LIMITS = server_pb2.GetServerInfoResponse(
    version="0.1.0",
    pid=4711,
    document_size_max_bytes=1 << 20,
    field_size_max_bytes=4096,
    attributes_max=4096,
    chunk_size_max_bytes=1 << 20,
    chunk_documents_max=256,
    home="/somewhere",
    models_folder="/somewhere/models",
)


class StandIn:
    """`answers` maps a method's name to a function (request or iterator, context) -> answer or iterator."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[Any, grpc.ServicerContext], Any]] = {
            "GetServerInfo": lambda request, context: LIMITS,
            "GetProject": self._project,
            "GetClassifier": self._classifier,
            "UploadDocuments": self._upload,
            "Predict": self._predict,
        }
        self.requests: list[tuple[str, Any]] = []
        self.chunks: list[documents_pb2.UploadDocumentsRequest] = []
        self.classes = ["negative", "neutral", "positive"]
        self.attribute_count = 0  # of the live version

    @property
    def lines(self) -> list[documents_pb2.DocumentLine]:
        return [line for chunk in self.chunks for line in chunk.lines]

    def _project(self, request: Any, context: Any) -> projects_pb2.GetProjectResponse:
        return projects_pb2.GetProjectResponse(
            project=projects_pb2.Project(name=request.name, classes=self.classes, model="minilm")
        )

    def _classifier(self, request: Any, context: Any) -> classifiers_pb2.GetClassifierResponse:
        found = classifiers_pb2.ClassifierSummary(name="v1", live=True, attribute_count=self.attribute_count)
        return classifiers_pb2.GetClassifierResponse(classifier=found)

    def _upload(
        self, chunks: Iterator[documents_pb2.UploadDocumentsRequest], context: Any
    ) -> Iterator[documents_pb2.UploadDocumentsResponse]:
        for chunk in chunks:
            self.chunks.append(chunk)
            yield documents_pb2.UploadDocumentsResponse(added=len(chunk.lines))

    def _predict(
        self, requests: Iterator[predictions_pb2.PredictRequest], context: Any
    ) -> Iterator[predictions_pb2.PredictResponse]:
        for request in requests:
            self.requests.append(("Predict", request))
            answers = [
                predictions_pb2.Prediction(id=text.id, text=text.text, label=text.label, region_alpha=0.95)
                for text in request.texts
            ]
            yield predictions_pb2.PredictResponse(predictions=answers)

    def handler(self, name: str, streams_in: bool) -> Callable[[Any, Any], Any]:
        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            if not streams_in:
                self.requests.append((name, request))
            if name not in self.answers:
                context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the test says nothing of {name}")
            return self.answers[name](request, context)

        return answer

    @staticmethod
    def abort(
        context: grpc.ServicerContext,
        code: grpc.StatusCode,
        message: str,
        reason: str,
        domain: str = "reex",
        **metadata: str,
    ) -> None:
        """End the call the way the daemon does: a status with one ErrorInfo in the trailing metadata."""
        info = error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata)
        detail = any_pb2.Any()
        detail.Pack(info)
        number = getattr(code_pb2, code.name)
        details = status_pb2.Status(code=number, message=message, details=[detail])
        context.set_trailing_metadata((("grpc-status-details-bin", details.SerializeToString()),))
        context.abort(code, message)


_SERVICES = [
    (classifiers_pb2_grpc, "ClassifierService"),
    (discovery_pb2_grpc, "DiscoveryService"),
    (documents_pb2_grpc, "DocumentService"),
    (evaluation_pb2_grpc, "EvaluationService"),
    (explanation_pb2_grpc, "ExplanationService"),
    (interchange_pb2_grpc, "InterchangeService"),
    (jobs_pb2_grpc, "JobService"),
    (models_pb2_grpc, "ModelService"),
    (predictions_pb2_grpc, "PredictionService"),
    (projects_pb2_grpc, "ProjectService"),
    (search_pb2_grpc, "SearchService"),
    (server_pb2_grpc, "ServerService"),
    (training_pb2_grpc, "TrainingService"),
]
_STREAMS_IN = {"UploadDocuments", "Predict", "ImportClassifier", "ImportDocuments"}


@contextmanager
def serving(stand_in: StandIn, socket: Path) -> Iterator[StandIn]:
    server = grpc.server(futures.ThreadPoolExecutor(8))
    for module, service in _SERVICES:
        base = getattr(module, f"{service}Servicer")
        methods = {name: name in _STREAMS_IN for name in vars(base) if not name.startswith("_")}
        bound = {
            name: staticmethod(stand_in.handler(name, streams_in)) for name, streams_in in methods.items()
        }
        getattr(module, f"add_{service}Servicer_to_server")(type(service, (base,), bound)(), server)
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    try:
        yield stand_in
    finally:
        server.stop(None).wait()


@pytest.fixture
def socket() -> Iterator[Path]:
    """A path short enough for a Unix socket, which pytest's own folders may not be."""
    with tempfile.TemporaryDirectory(prefix="reex-") as folder:
        yield Path(folder) / "s"


@pytest.fixture
def daemon(socket: Path) -> Iterator[StandIn]:
    with serving(StandIn(), socket) as stand_in:
        yield stand_in


@pytest.fixture
def client(daemon: StandIn, socket: Path) -> Iterator[Client]:
    with Client(socket, timeout=20) as client:
        yield client


# The service

# Records its arguments; fails for the verbs named in FAIL; answers with the file beside it named after its verb.
SUPERVISOR = """#!/bin/sh
here=$(dirname "$0")
echo "$(basename "$0") $*" >> "$here/calls"
for word in "$@"; do
  case " $FAIL " in *" $word "*) echo "refused: $word" >&2; exit 5 ;; esac
  [ -f "$here/$word.out" ] && cat "$here/$word.out"
done
exit 0
"""


class Machine:
    """A home folder and stand-ins for launchctl and systemctl, first on PATH; what they were called with."""

    program = ("/opt/some python/bin/python", "-P", "-m", "reexd", "serve")

    def __init__(self, root, monkeypatch):
        self.home = root / "user"
        self.home.mkdir()
        self.bin = root / "bin"
        self.bin.mkdir()
        for name in ("launchctl", "systemctl"):
            (self.bin / name).write_text(SUPERVISOR)
            (self.bin / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{self.bin}:/usr/bin:/bin")
        monkeypatch.setattr("reex.launch_agent.BOOTSTRAP_PAUSE_S", 0.0)
        self._setenv = monkeypatch.setenv

    def refuse(self, *verbs):
        self._setenv("FAIL", " ".join(verbs))

    def answer(self, verb, text):
        (self.bin / f"{verb}.out").write_text(text)

    def calls(self):
        file = self.bin / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def service(self, platform, **environ):
        environ = {"HOME": str(self.home), **environ}
        location = Location.from_environment(environ, platform=platform)
        return service_for(location, environ=environ, platform=platform, program=self.program)

    def files(self):
        return sorted(str(path.relative_to(self.home)) for path in self.home.rglob("*"))


@pytest.fixture
def machine(tmp_path, monkeypatch):
    return Machine(tmp_path, monkeypatch)
