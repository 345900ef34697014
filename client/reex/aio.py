"""`AsyncClient`: the methods of `client.Client` for asyncio, with the same names, arguments and errors.

Methods are coroutines; what the other client returns as an iterator is an async iterator here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from datetime import datetime
from typing import Any, TypeVar, Unpack

import grpc
import grpc.aio

from reex import calls, channel, figures, status, types
from reex.calls import Call, Page, TrainSettings
from reex.checking import Checker
from reex.classifier_calls import AsyncClassifierCalls
from reex.discovery_calls import AsyncDiscoveryCalls
from reex.dividing import divide, refuse_division
from reex.edit_calls import AsyncEditCalls
from reex.errors import ClientClosed, InvalidArgument
from reex.exchange import AsyncExchange
from reex.explanation_calls import AsyncExplanationCalls
from reex.exporting import AsyncExportCalls
from reex.failures import from_rpc_error
from reex.model_calls import AsyncModelCalls
from reex.portable import is_dataset, refuse_form
from reex.reading import OpenSource, Source
from reex.search_calls import AsyncSearchCalls
from reex.streaming import PredictStream, in_thread
from reex.texts import TextLike
from reex.upload import Progress, Target, Upload

T = TypeVar("T")


class AsyncClient(
    AsyncExchange,
    AsyncClassifierCalls,
    AsyncDiscoveryCalls,
    AsyncEditCalls,
    AsyncExplanationCalls,
    AsyncExportCalls,
    AsyncModelCalls,
    AsyncSearchCalls,
):
    """A connection to one daemon, for the event loop of its first call. See `Client` for `target` and `timeout`."""

    def __init__(
        self, target: str | os.PathLike[str] | None = None, *, timeout: float = channel.TIMEOUT_S
    ) -> None:
        self.timeout = channel.checked(timeout)
        self._target = channel.resolve(target)
        self._channel: grpc.aio.Channel | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stubs: dict[Any, Any] = {}
        self._closed = False

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        self._closed = True
        if self._channel is not None and self._loop is asyncio.get_running_loop():
            await self._channel.close()

    # The daemon

    async def server_info(self, *, timeout: float | None = None) -> status.ServerInfo:
        return await self._call(calls.server_info(), timeout)

    async def status(self, project: str | None = None, *, timeout: float | None = None) -> status.Status:
        return await self._call(calls.daemon_status(project), timeout)

    # Projects

    async def create_project(
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
        call = calls.create_project(
            name, classes, model, pooling, document_prefix, query_prefix, prompt, alpha
        )
        return await self._call(call, timeout)

    async def get_project(self, name: str, *, timeout: float | None = None) -> types.Project:
        return await self._call(calls.get_project(name), timeout)

    def list_projects(self, *, timeout: float | None = None) -> AsyncIterator[types.Project]:
        return self._pages(calls.list_projects, timeout)

    async def update_project(
        self, name: str, *, timeout: float | None = None, **changes: Any
    ) -> types.Project:
        return await self._call(calls.update_project(name, changes), timeout)

    async def delete_project(self, name: str, *, timeout: float | None = None) -> None:
        await self._call(calls.delete_project(name), timeout)

    # Documents

    async def upload(
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
        """See `Client.upload`. The source is read in a thread; `on_progress` is called in the event loop."""
        target = Target(project, split, validate_only, overwrite_labels)
        if is_dataset(source):
            refuse_form(form)
            refuse_division(split)
            return await self._import_documents(target, source, on_progress)
        limits = await self.server_info()
        with OpenSource(source, form, limits.document_size_max_bytes) as opened:
            cells = opened.cells
            classes = (await self.get_project(project)).classes if cells else ()
            checker = Checker(limits, cells=cells, classes=classes)
            division = await asyncio.to_thread(divide, opened, checker, split, seed)
            upload = Upload(target, opened, checker, limits, on_progress, division)
            with upload.told_if_interrupted():
                async with aclosing(self._results(calls.upload(), in_thread(upload.requests()))) as responses:
                    async for response in responses:
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
    ) -> AsyncIterator[types.Document]:
        return self._pages(lambda token: calls.list_documents(project, split, label, where, token), timeout)

    async def get_document(
        self, project: str, document_id: str, *, timeout: float | None = None
    ) -> types.Document:
        return await self._call(calls.get_document(project, document_id), timeout)

    async def split_summary(
        self, project: str, *, timeout: float | None = None
    ) -> tuple[types.SplitSummary, ...]:
        return await self._call(calls.split_summary(project), timeout)

    # Training and jobs

    async def train(
        self,
        project: str,
        *,
        continue_from: str | None = None,
        timeout: float | None = None,
        **settings: Unpack[TrainSettings],
    ) -> types.Job:
        return await self._call(calls.train(project, continue_from, settings), timeout)

    async def get_job(self, name: str, *, timeout: float | None = None) -> types.Job:
        return await self._call(calls.get_job(name), timeout)

    def list_jobs(
        self, project: str | None = None, *, timeout: float | None = None
    ) -> AsyncIterator[types.Job]:
        return self._pages(lambda token: calls.list_jobs(project, token), timeout)

    def watch_job(self, name: str) -> AsyncIterator[types.Job]:
        return self._results(calls.watch_job(name))

    async def cancel_job(self, name: str, *, timeout: float | None = None) -> types.Job:
        return await self._call(calls.cancel_job(name), timeout)

    # Answers

    async def query(
        self,
        project: str,
        texts: TextLike | Iterable[TextLike],
        *,
        neighbors: int | None = None,
        coverage: float | None = None,
        timeout: float | None = None,
    ) -> tuple[types.Prediction, ...]:
        return await self._call(calls.query(project, texts, neighbors, coverage), timeout)

    async def predict(
        self,
        project: str,
        texts: Iterable[TextLike] | AsyncIterable[TextLike],
        *,
        neighbors: int | None = None,
        coverage: float | None = None,
        on_rejection: Callable[[types.Rejection], None] | None = None,
    ) -> AsyncIterator[types.Prediction]:
        """See `Client.predict`. An iterable that is not an async one is read in a thread."""
        stream = PredictStream(project, neighbors, coverage, on_rejection)
        if isinstance(texts, AsyncIterable):
            requests = stream.requests_async(texts)
        else:
            requests = in_thread(stream.requests(texts))
        async with aclosing(self._results(calls.predict(), requests)) as responses:
            async for response in responses:
                for prediction in stream.answered(response):
                    yield prediction
        stream.finish()

    async def predict_split(
        self,
        project: str,
        split: str,
        *,
        neighbors: int | None = None,
        coverage: float | None = None,
        since: datetime | None = None,
        where: str = "",
        order_by: str = "",
    ) -> AsyncIterator[types.Prediction]:
        async with aclosing(
            self._results(calls.predict_split(project, split, neighbors, coverage, since, where, order_by))
        ) as batches:
            async for batch in batches:
                for prediction in batch:
                    yield prediction

    async def evaluate(
        self, project: str, split: str, *, timeout: float = float("inf")
    ) -> figures.Evaluation:
        return await self._call(calls.evaluate(project, split), timeout)

    async def drift(
        self, project: str, split: str, *, last: int = 0, timeout: float = float("inf")
    ) -> figures.DriftReport:
        return await self._call(calls.drift(project, split, last), timeout)

    # How a call is made

    def _rpc(self, call: Call[Any]) -> Any:
        if self._closed:
            raise ClientClosed
        if self._channel is None:  # not before: it belongs to the loop that it is opened in
            self._loop = asyncio.get_running_loop()
            self._channel = grpc.aio.insecure_channel(self._target, options=channel.OPTIONS)
        if self._loop is not asyncio.get_running_loop():
            raise InvalidArgument(
                "expected the event loop of this client's first call, received another; open an AsyncClient in each"
            )
        if call.stub not in self._stubs:
            self._stubs[call.stub] = call.stub(self._channel)
        return getattr(self._stubs[call.stub], call.method)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What gRPC raises inside, as it is told. Closing the client cancels what is under way, which must not pass for
        the cancelling of the task that waits."""
        try:
            yield
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._closed and not (task and task.cancelling()):
                raise ClientClosed from None
            raise

    async def _call(self, call: Call[T], timeout: float | None) -> T:
        deadline = channel.deadline_s(timeout, self.timeout)
        with self._told():
            answer = await self._rpc(call)(call.request, timeout=deadline)
        return call.convert(answer)

    async def _pages(
        self, call_for: Callable[[str], Call[Page[T]]], timeout: float | None
    ) -> AsyncIterator[T]:
        token = ""
        while True:
            page = await self._call(call_for(token), timeout)
            for item in page.items:
                yield item
            token = page.next_token
            if not token:
                return

    async def _stream(self, call: Call[T], requests: AsyncIterator[Any] | None = None) -> AsyncIterator[T]:
        running = self._rpc(call)(requests if call.request is None else call.request)
        try:
            async for answer in running:
                yield call.convert(answer)
        finally:
            running.cancel()  # does nothing once it has ended

    async def _results(self, call: Call[T], requests: AsyncIterator[Any] | None = None) -> AsyncIterator[T]:
        with self._told():
            async with aclosing(self._stream(call, requests)) as answers:
                async for answer in answers:
                    yield answer
