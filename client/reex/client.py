"""`Client`: the daemon's calls as methods, for threads. `aio.AsyncClient` has the same names.

Each method raises a class of `reex.errors`. `timeout` is in seconds: None takes the client's default,
`math.inf` waits for ever. Streams have no deadline. A client may be shared by threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar, Unpack

import grpc

from reex import calls, channel, figures, status, types
from reex.calls import Call, Page, TrainSettings
from reex.checking import Checker
from reex.classifier_calls import ClassifierCalls
from reex.discovery_calls import DiscoveryCalls
from reex.dividing import divide, refuse_division
from reex.edit_calls import EditCalls
from reex.errors import ClientClosed
from reex.exchange import Exchange
from reex.explanation_calls import ExplanationCalls
from reex.exporting import ExportCalls
from reex.failures import from_rpc_error
from reex.model_calls import ModelCalls
from reex.portable import is_dataset, refuse_form
from reex.reading import OpenSource, Source
from reex.search_calls import SearchCalls
from reex.streaming import PredictStream
from reex.texts import TextLike
from reex.upload import Progress, Target, Upload

T = TypeVar("T")


class Client(
    Exchange,
    ClassifierCalls,
    DiscoveryCalls,
    EditCalls,
    ExplanationCalls,
    ExportCalls,
    ModelCalls,
    SearchCalls,
):
    """A connection to one daemon.

    `target` is the path of its socket, a gRPC target, or None for this user's own daemon (REEX_HOME decides).
    Opening does not connect: the first call does. Use it as a context manager, or call `close`.
    """

    def __init__(
        self, target: str | os.PathLike[str] | None = None, *, timeout: float = channel.TIMEOUT_S
    ) -> None:
        self.timeout = channel.checked(timeout)
        self._channel = grpc.insecure_channel(channel.resolve(target), options=channel.OPTIONS)
        self._stubs: dict[Any, Any] = {}
        self._closed = False

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._closed = True
        self._channel.close()

    # The daemon

    def server_info(self, *, timeout: float | None = None) -> status.ServerInfo:
        return self._call(calls.server_info(), timeout)

    def status(self, project: str | None = None, *, timeout: float | None = None) -> status.Status:
        """The engine, every project (or one), and the jobs that have not ended."""
        return self._call(calls.daemon_status(project), timeout)

    # Projects

    def create_project(
        self,
        name: str,
        classes: Sequence[str],
        *,
        model: str | None = None,
        pooling: str | None = None,
        document_prefix: str | None = None,
        query_prefix: str | None = None,
        prompt: str | None = None,
        alpha: float | None = None,
        timeout: float | None = None,
    ) -> types.Project:
        """`classes`: 2 to 1,000 names; the position is the label. `pooling`: like mean+max@4, default the model's own.

        `document_prefix`, `query_prefix`: read before each document and before a search's question, like "passage: ";
        "none" for nothing, default the model's own.

        Raises InvalidName, InvalidArgument, AlreadyExists.
        """
        call = calls.create_project(
            name, classes, model, pooling, document_prefix, query_prefix, prompt, alpha
        )
        return self._call(call, timeout)

    def get_project(self, name: str, *, timeout: float | None = None) -> types.Project:
        return self._call(calls.get_project(name), timeout)

    def list_projects(self, *, timeout: float | None = None) -> Iterator[types.Project]:
        return self._pages(calls.list_projects, timeout)

    def update_project(self, name: str, *, timeout: float | None = None, **changes: Any) -> types.Project:
        """`changes`: classes (renamed or appended, never renumbered), model, pooling, document_prefix,
        query_prefix, prompt, alpha."""
        return self._call(calls.update_project(name, changes), timeout)

    def delete_project(self, name: str, *, timeout: float | None = None) -> None:
        """Removes all it holds. Raises Busy or FailedPrecondition while one of its jobs runs."""
        self._call(calls.delete_project(name), timeout)

    # Documents

    def upload(
        self,
        project: str,
        source: Source,
        split: str,
        *,
        form: str | None = None,
        seed: int = 0,
        validate_only: bool = False,
        overwrite_labels: bool = False,
        on_progress: Progress | None = None,
    ) -> types.UploadResult:
        """Store documents; bad lines are reported in the result and cost no good one.

        `source`: a path (JSON Lines, CSV, TSV or Parquet by its name, or by `form`; or a .sdmdataset folder, with the
        vectors it brings), an open binary file (JSON Lines unless `form` says otherwise), a data frame,
        or an iterable of dicts with the keys of a line. Returns once everything is on disk.
        `split` is the name of one, or `auto:80/10/10`: shares, in percent, of train, calibration and test, in which
        each class of the source, read twice, is divided by chance (`seed`); equal texts stay together.
        Running it again after an interruption goes on where it stopped. Labels that were set in the daemon since
        (`add_to_support`, `edit_documents`) stay, and are counted, unless `overwrite_labels`.
        """
        target = Target(project, split, validate_only, overwrite_labels)
        if is_dataset(source):
            refuse_form(form)
            refuse_division(split)
            return self._import_documents(target, source, on_progress)
        limits = self.server_info()
        with OpenSource(source, form, limits.document_size_max_bytes) as opened:
            cells = opened.cells
            classes = self.get_project(project).classes if cells else ()
            checker = Checker(limits, cells=cells, classes=classes)
            division = divide(opened, checker, split, seed)
            upload = Upload(target, opened, checker, limits, on_progress, division)
            with upload.told_if_interrupted():
                for response in self._results(calls.upload(), upload.requests()):
                    upload.acknowledge(response)
            return upload.result()

    def list_documents(
        self,
        project: str,
        split: str | None = None,
        *,
        label: int | None = None,
        where: str = "",
        timeout: float | None = None,
    ) -> Iterator[types.Document]:
        """Ordered by first upload; those that the filter `where` holds for (docs/filters.md). `timeout` is per page."""
        return self._pages(lambda token: calls.list_documents(project, split, label, where, token), timeout)

    def get_document(self, project: str, document_id: str, *, timeout: float | None = None) -> types.Document:
        return self._call(calls.get_document(project, document_id), timeout)

    def split_summary(self, project: str, *, timeout: float | None = None) -> tuple[types.SplitSummary, ...]:
        return self._call(calls.split_summary(project), timeout)

    # Training and jobs

    def train(
        self,
        project: str,
        *,
        continue_from: str | None = None,
        timeout: float | None = None,
        **settings: Unpack[TrainSettings],
    ) -> types.Job:
        """Start a training job. Raises ModelMissing, NotEnoughData, Busy, InvalidSetting. See `watch_job`.

        `continue_from`: begin with the weights of a version like v3, or of the live one ("") instead of drawn ones.
        Raises NotFound, NotTrained, and FailedPrecondition for one that was fitted on other hidden states.
        """
        return self._call(calls.train(project, continue_from, settings), timeout)

    def get_job(self, name: str, *, timeout: float | None = None) -> types.Job:
        return self._call(calls.get_job(name), timeout)

    def list_jobs(self, project: str | None = None, *, timeout: float | None = None) -> Iterator[types.Job]:
        """Newest first."""
        return self._pages(lambda token: calls.list_jobs(project, token), timeout)

    def watch_job(self, name: str) -> Iterator[types.Job]:
        """The present state at once, then each change; the last one has ended."""
        return self._results(calls.watch_job(name))

    def cancel_job(self, name: str, *, timeout: float | None = None) -> types.Job:
        return self._call(calls.cancel_job(name), timeout)

    # Answers

    def query(
        self,
        project: str,
        texts: TextLike | Iterable[TextLike],
        *,
        neighbors: int | None = None,
        coverage: float | None = None,
        timeout: float | None = None,
    ) -> tuple[types.Prediction, ...]:
        """1 to 256 texts, answered together; nothing is stored. Raises NotTrained, ModelMissing."""
        return self._call(calls.query(project, texts, neighbors, coverage), timeout)

    def predict(
        self,
        project: str,
        texts: Iterable[TextLike],
        *,
        neighbors: int | None = None,
        coverage: float | None = None,
        on_rejection: Callable[[types.Rejection], None] | None = None,
    ) -> Iterator[types.Prediction]:
        """Texts in, answers out, in order, over one stream.

        `texts` may be endless, and may wait for an answer before it gives its next text. One that cannot be answered
        (empty, too long, attributes that the live version does not read) ends the stream as InvalidDocument, after
        the answers before it; with `on_rejection` it is told there, and passed over.
        """
        stream = PredictStream(project, neighbors, coverage, on_rejection)
        for response in self._results(calls.predict(), stream.requests(texts)):
            yield from stream.answered(response)
        stream.finish()

    def predict_split(
        self,
        project: str,
        split: str,
        *,
        neighbors: int | None = None,
        coverage: float | None = None,
        since: datetime | None = None,
        where: str = "",
        order_by: str = "",
    ) -> Iterator[types.Prediction]:
        """Every document of the split, in upload order, or those stored or changed `since` then (a time with its zone)
        and those that the filter `where` holds for (docs/filters.md). The daemon keeps answers while they are current.

        `order_by` is alpha, reliability, probability, q or d, with a dash before it the largest first.
        """
        for batch in self._results(
            calls.predict_split(project, split, neighbors, coverage, since, where, order_by)
        ):
            yield from batch

    def evaluate(self, project: str, split: str, *, timeout: float = float("inf")) -> figures.Evaluation:
        """Scores what is not scored yet, which may take minutes: without a deadline unless told."""
        return self._call(calls.evaluate(project, split), timeout)

    def drift(
        self, project: str, split: str, *, last: int = 0, timeout: float = float("inf")
    ) -> figures.DriftReport:
        """Whether documents that arrive are like those that the live version was calibrated on; `last` N, 0 for all."""
        return self._call(calls.drift(project, split, last), timeout)

    # How a call is made

    def _rpc(self, call: Call[Any]) -> Any:
        if self._closed:
            raise ClientClosed
        if call.stub not in self._stubs:
            self._stubs[call.stub] = call.stub(self._channel)
        return getattr(self._stubs[call.stub], call.method)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What gRPC raises inside, as it is told. Closing the client ends what is under way in other threads."""
        try:
            yield
        except grpc.RpcError as error:
            raise ClientClosed if self._closed else from_rpc_error(error) from None

    def _call(self, call: Call[T], timeout: float | None) -> T:
        deadline = channel.deadline_s(timeout, self.timeout)
        with self._told():
            answer = self._rpc(call)(call.request, timeout=deadline)
        return call.convert(answer)

    def _pages(self, call_for: Callable[[str], Call[Page[T]]], timeout: float | None) -> Iterator[T]:
        page = self._call(call_for(""), timeout)
        yield from page.items
        while page.next_token:
            page = self._call(call_for(page.next_token), timeout)
            yield from page.items

    def _stream(self, call: Call[T], requests: Iterator[Any] | None = None) -> Iterator[T]:
        running = self._rpc(call)(requests if call.request is None else call.request)
        try:
            for answer in running:
                yield call.convert(answer)
        finally:
            running.cancel()  # does nothing once it has ended

    def _results(self, call: Call[T], requests: Iterator[Any] | None = None) -> Iterator[T]:
        with self._told():
            yield from self._stream(call, requests)
