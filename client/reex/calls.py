"""Every call as a value: its method, its request, and how its answer becomes a record.

Both clients make their calls from here, so that a request is built and an answer is read in one place only.
Nothing here touches a channel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypedDict, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from reex import convert, convert_figures, figures, status, types
from reex.errors import InvalidArgument
from reex.texts import TextLike, several, text_message
from reex.v1 import (
    documents_pb2,
    documents_pb2_grpc,
    evaluation_pb2,
    evaluation_pb2_grpc,
    jobs_pb2,
    jobs_pb2_grpc,
    predictions_pb2,
    predictions_pb2_grpc,
    projects_pb2,
    projects_pb2_grpc,
    server_pb2,
    server_pb2_grpc,
    training_pb2,
    training_pb2_grpc,
)

T = TypeVar("T")
M = TypeVar("M", bound=Message)

PAGE_SIZE = 500


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    stub: Callable[[Any], Any]  # class of the generated stub
    method: str
    convert: Callable[[Any], T]  # one answer, or one message of a stream of answers
    request: Message | None = None  # None when the requests are a stream


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: tuple[T, ...]
    next_token: str  # empty on the last page


class TrainSettings(TypedDict, total=False):
    """What `train` takes by keyword; a setting left out is chosen from the size of the data.

    epochs 1..10,000; shuffles (J) 1..100; seed >= 0; exemplar_size (M) 1..4,096; patience in epochs, 0 never
    stops early; training_share of the pool in (0, 1); official follows the published package exactly;
    ensemble keeps all shuffles as members of the version;
    tune adapts the top tune_layers of the language model first, in at most tune_epochs, 1..1,000 each.
    """

    epochs: int
    shuffles: int
    seed: int
    learning_rate: float
    batch_size: int
    exemplar_size: int
    patience: int
    training_share: float
    official: bool
    ensemble: bool
    tune: bool
    tune_layers: int
    tune_epochs: int


def build(kind: type[M], **fields: Any) -> M:
    """A message. Raises InvalidArgument for a value that its field cannot carry."""
    try:
        return kind(**fields)
    except (ValueError, TypeError) as error:
        told = f"{kind.DESCRIPTOR.name}: {_misfit(kind, fields) or error}"
        raise InvalidArgument(told, reason="INVALID_INPUT") from None


def _misfit(kind: type[Message], fields: Mapping[str, Any]) -> str:
    """The first field that cannot carry its value, in words; protobuf's do not name it."""
    for name, value in fields.items():
        try:
            kind(**{name: value})
        except (ValueError, TypeError) as error:
            return f"{name} cannot be {value!r:.60} ({error})"
    return ""


def _names(classes: Sequence[str]) -> Sequence[str]:
    """Raises InvalidArgument for one string, which would be taken for as many names as it has characters."""
    if isinstance(classes, str):
        raise InvalidArgument(f"expected classes as a list of names, received the string {classes!r:.60}")
    return classes


def server_info() -> Call[status.ServerInfo]:
    request = server_pb2.GetServerInfoRequest()
    return Call(server_pb2_grpc.ServerServiceStub, "GetServerInfo", convert.server_info, request)


def daemon_status(project: str | None) -> Call[status.Status]:
    request = build(server_pb2.GetStatusRequest, project=project or "")
    return Call(server_pb2_grpc.ServerServiceStub, "GetStatus", convert.daemon_status, request)


def _project(method: str, request: Message) -> Call[types.Project]:
    return Call(
        projects_pb2_grpc.ProjectServiceStub, method, lambda answer: convert.project(answer.project), request
    )


def create_project(
    name: str,
    classes: Sequence[str],
    model: str | None,
    pooling: str | None,
    document_prefix: str | None,
    query_prefix: str | None,
    prompt: str | None,
    alpha: float | None,
) -> Call[types.Project]:
    project = build(
        projects_pb2.Project,
        name=name,
        classes=_names(classes),
        model=model or "",
        pooling=pooling or "",
        document_prefix=document_prefix or "",
        query_prefix=query_prefix or "",
        prompt=prompt or "",
        alpha=alpha,
    )
    return _project("CreateProject", projects_pb2.CreateProjectRequest(project=project))


def get_project(name: str) -> Call[types.Project]:
    return _project("GetProject", build(projects_pb2.GetProjectRequest, name=name))


def update_project(name: str, changes: Mapping[str, Any]) -> Call[types.Project]:
    """`changes` maps a field to its new value; see `Client.update_project`."""
    _names(changes.get("classes", ()))
    request = projects_pb2.UpdateProjectRequest(project=build(projects_pb2.Project, name=name, **changes))
    request.update_mask.paths.extend(changes)
    return _project("UpdateProject", request)


def list_projects(token: str) -> Call[Page[types.Project]]:
    request = projects_pb2.ListProjectsRequest(page_size=PAGE_SIZE, page_token=token)
    return Call(
        projects_pb2_grpc.ProjectServiceStub,
        "ListProjects",
        lambda answer: Page(tuple(map(convert.project, answer.projects)), answer.next_page_token),
        request,
    )


def delete_project(name: str) -> Call[None]:
    request = build(projects_pb2.DeleteProjectRequest, name=name)
    return Call(projects_pb2_grpc.ProjectServiceStub, "DeleteProject", lambda _: None, request)


def upload() -> Call[documents_pb2.UploadDocumentsResponse]:
    return Call(documents_pb2_grpc.DocumentServiceStub, "UploadDocuments", lambda answer: answer)


def get_document(project: str, document_id: str) -> Call[types.Document]:
    request = build(documents_pb2.GetDocumentRequest, project=project, id=document_id)
    return Call(
        documents_pb2_grpc.DocumentServiceStub,
        "GetDocument",
        lambda answer: convert.document(answer.document),
        request,
    )


def one_or_more(given: str | Sequence[str]) -> Sequence[str]:
    """A name alone is a list of one."""
    return [given] if isinstance(given, str) else given


def list_documents(
    project: str, split: str | None, label: int | None, where: str, token: str
) -> Call[Page[types.Document]]:
    request = build(
        documents_pb2.ListDocumentsRequest,
        project=project,
        split=split or "",
        label=label,
        where=where,
        page_size=PAGE_SIZE,
        page_token=token,
    )
    return Call(
        documents_pb2_grpc.DocumentServiceStub,
        "ListDocuments",
        lambda answer: Page(tuple(map(convert.document, answer.documents)), answer.next_page_token),
        request,
    )


def split_summary(project: str) -> Call[tuple[types.SplitSummary, ...]]:
    request = build(documents_pb2.SummarizeSplitsRequest, project=project)
    return Call(
        documents_pb2_grpc.DocumentServiceStub,
        "SummarizeSplits",
        lambda answer: tuple(map(convert.split_summary, answer.splits)),
        request,
    )


def _job(stub: Callable[[Any], Any], method: str, request: Message) -> Call[types.Job]:
    return Call(stub, method, lambda answer: convert.job(answer.job), request)


def train(project: str, continue_from: str | None, settings: TrainSettings) -> Call[types.Job]:
    try:
        message = build(training_pb2.TrainSettings, **settings)
    except InvalidArgument as error:
        raise InvalidArgument(error.message, reason="INVALID_SETTING") from None
    request = build(training_pb2.TrainRequest, project=project, settings=message, continue_from=continue_from)
    return _job(training_pb2_grpc.TrainingServiceStub, "Train", request)


def get_job(name: str) -> Call[types.Job]:
    return _job(jobs_pb2_grpc.JobServiceStub, "GetJob", build(jobs_pb2.GetJobRequest, name=name))


def cancel_job(name: str) -> Call[types.Job]:
    return _job(jobs_pb2_grpc.JobServiceStub, "CancelJob", build(jobs_pb2.CancelJobRequest, name=name))


def watch_job(name: str) -> Call[types.Job]:
    return _job(jobs_pb2_grpc.JobServiceStub, "WatchJob", build(jobs_pb2.WatchJobRequest, name=name))


def list_jobs(project: str | None, token: str) -> Call[Page[types.Job]]:
    request = build(jobs_pb2.ListJobsRequest, project=project or "", page_size=PAGE_SIZE, page_token=token)
    return Call(
        jobs_pb2_grpc.JobServiceStub,
        "ListJobs",
        lambda answer: Page(tuple(map(convert.job, answer.jobs)), answer.next_page_token),
        request,
    )


def _predictions(answer: Any) -> tuple[types.Prediction, ...]:
    return tuple(map(convert.prediction, answer.predictions))


def query(
    project: str, texts: TextLike | Iterable[TextLike], neighbors: int | None, coverage: float | None
) -> Call[tuple[types.Prediction, ...]]:
    messages = [text_message(each) for each in several(texts)]
    request = build(
        predictions_pb2.QueryRequest,
        project=project,
        texts=messages,
        neighbors=neighbors,
        coverage=coverage,
    )
    return Call(predictions_pb2_grpc.PredictionServiceStub, "Query", _predictions, request)


def predict() -> Call[predictions_pb2.PredictResponse]:
    return Call(predictions_pb2_grpc.PredictionServiceStub, "Predict", lambda answer: answer)


def predict_split(
    project: str,
    split: str,
    neighbors: int | None,
    coverage: float | None,
    since: datetime | None,
    where: str,
    order_by: str,
) -> Call[tuple[types.Prediction, ...]]:
    request = build(
        predictions_pb2.PredictSplitRequest,
        project=project,
        split=split,
        neighbors=neighbors,
        coverage=coverage,
        since=None if since is None else _stamp(since),
        where=where,
        order_by=order_by,
    )
    return Call(predictions_pb2_grpc.PredictionServiceStub, "PredictSplit", _predictions, request)


def _stamp(moment: datetime) -> Timestamp:
    if moment.tzinfo is None:
        raise InvalidArgument(f"expected a time with its zone, as datetime.now(UTC) is; received {moment!r}")
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def evaluate(project: str, split: str) -> Call[figures.Evaluation]:
    request = build(evaluation_pb2.EvaluateRequest, project=project, split=split)
    return Call(evaluation_pb2_grpc.EvaluationServiceStub, "Evaluate", convert_figures.evaluation, request)


def drift(project: str, split: str, last: int) -> Call[figures.DriftReport]:
    request = build(evaluation_pb2.MeasureDriftRequest, project=project, split=split, last=last)
    return Call(evaluation_pb2_grpc.EvaluationServiceStub, "MeasureDrift", convert_figures.drift, request)
