"""Models and documents as folders that the official package reads and writes: what both clients do with them.

`Exchange` and `AsyncExchange` are the parts of `Client` and `AsyncClient` that export and import. A folder travels as
the bytes of its files, so that the daemon opens no path of ours.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

from reex import convert, portable, versions
from reex.calls import Call, build
from reex.errors import ReexError
from reex.portable import DATASET, MODEL, NewFolder, Part, PortableFolder
from reex.streaming import in_thread
from reex.types import UploadProgress, UploadResult
from reex.upload import Target
from reex.v1 import interchange_pb2 as pb2
from reex.v1 import interchange_pb2_grpc

T = TypeVar("T")

Progress = Callable[[UploadProgress], None]


def _part(answer: Any) -> Part:
    return answer.part.name, answer.part.data


def export_classifier(project: str, name: str | None, with_documents: bool) -> Call[Part]:
    request = build(
        pb2.ExportClassifierRequest, project=project, name=name or "", with_documents=with_documents
    )
    return Call(interchange_pb2_grpc.InterchangeServiceStub, "ExportClassifier", _part, request)


def export_documents(project: str, split: str, with_vectors: bool) -> Call[Part]:
    request = build(
        pb2.ExportDocumentsRequest, project=project, split=split, without_vectors=not with_vectors
    )
    return Call(interchange_pb2_grpc.InterchangeServiceStub, "ExportDocuments", _part, request)


def import_classifier() -> Call[versions.ClassifierSummary]:
    stub = interchange_pb2_grpc.InterchangeServiceStub
    return Call(stub, "ImportClassifier", lambda answer: convert.classifier(answer.classifier))


def import_documents() -> Call[UploadResult]:
    return Call(interchange_pb2_grpc.InterchangeServiceStub, "ImportDocuments", _upload_result)


def _upload_result(answer: pb2.ImportDocumentsResponse) -> UploadResult:
    return UploadResult(
        added=answer.added,
        replaced=answer.replaced,
        unchanged=answer.unchanged,
        merged=0,  # every row of a dataset has an id of its own
        repeated=0,
        rejected=answer.rejected,
        total=answer.total,
        rejections=tuple(map(convert.rejection, answer.rejections)),
        vectors=answer.vectors,
        moved=answer.moved,
        kept_labels=answer.kept_labels,
    )


class Exchange:
    """The part of `Client` that exports and imports."""

    def export_classifier(
        self,
        project: str,
        path: str | os.PathLike[str],
        name: str | None = None,
        *,
        with_documents: bool = False,
    ) -> Path:
        """Write a version, or the live one, as the new folder `path`, which ends in .sdmkitmodel; its absolute path.

        Without `with_documents` it holds the ids of the support and no text. Raises NotFound, NotTrained, Conflict
        when something is there.
        """
        target = portable.free(path, MODEL)
        return portable.publish(target, self._results(export_classifier(project, name, with_documents)))

    def import_classifier(
        self, project: str, path: str | os.PathLike[str], *, assume_model: bool = False
    ) -> versions.ClassifierSummary:
        """A .sdmkitmodel of the project's classes as its next version; live only where there was none.

        `assume_model`: it was trained on hidden states of the project's language model, whatever it calls them.
        Raises InvalidArgument for one that is damaged or is scored differently here.
        """
        with PortableFolder(path, MODEL) as folder:
            sending = _Sending(
                folder,
                lambda **last: pb2.ImportClassifierRequest(
                    project=project, assume_model=assume_model, **last
                ),
            )
            return self._sent(import_classifier(), sending)

    def export_documents(
        self, project: str, split: str, path: str | os.PathLike[str], *, with_vectors: bool = True
    ) -> Path:
        """Write the documents of a split with their hidden states as the new folder `path`, a .sdmdataset.

        What is not embedded yet is. Raises NotFound, ModelMissing, Conflict when something is there.
        """
        target = portable.free(path, DATASET)
        return portable.publish(target, self._results(export_documents(project, split, with_vectors)))

    def _import_documents(self, target: Target, path: Any, on_progress: Progress | None) -> UploadResult:
        with PortableFolder(path, DATASET) as folder:
            make = _documents_request(target)
            return self._sent(import_documents(), _Sending(folder, make, on_progress))

    def _sent(self, call: Call[T], sending: _Sending) -> T:
        requests = sending.requests(self.server_info().chunk_size_max_bytes)
        try:
            with self._told():
                answer = self._rpc(call)(requests)
        except ReexError as error:
            raise sending.failure or error from None
        return call.convert(sending.complete(answer))


class AsyncExchange:
    """The part of `AsyncClient` that exports and imports; see `Exchange`. Files are read and written in threads."""

    async def export_classifier(
        self,
        project: str,
        path: str | os.PathLike[str],
        name: str | None = None,
        *,
        with_documents: bool = False,
    ) -> Path:
        target = portable.free(path, MODEL)
        return await self._published(target, export_classifier(project, name, with_documents))

    async def import_classifier(
        self, project: str, path: str | os.PathLike[str], *, assume_model: bool = False
    ) -> versions.ClassifierSummary:
        with PortableFolder(path, MODEL) as folder:
            sending = _Sending(
                folder,
                lambda **last: pb2.ImportClassifierRequest(
                    project=project, assume_model=assume_model, **last
                ),
            )
            return await self._sent(import_classifier(), sending)

    async def export_documents(
        self, project: str, split: str, path: str | os.PathLike[str], *, with_vectors: bool = True
    ) -> Path:
        target = portable.free(path, DATASET)
        return await self._published(target, export_documents(project, split, with_vectors))

    async def _import_documents(
        self, target: Target, path: Any, on_progress: Progress | None
    ) -> UploadResult:
        with PortableFolder(path, DATASET) as folder:
            make = _documents_request(target)
            return await self._sent(import_documents(), _Sending(folder, make, on_progress))

    async def _published(self, target: Path, call: Call[Part]) -> Path:
        writing = NewFolder(target)
        try:
            async with aclosing(self._results(call)) as parts:
                async for part in parts:
                    await _to_its_end(writing.write, part)
            return await _to_its_end(writing.publish)
        finally:
            writing.discard()

    async def _sent(self, call: Call[T], sending: _Sending) -> T:
        requests = sending.requests((await self.server_info()).chunk_size_max_bytes)
        try:
            with self._told():
                answer = await self._rpc(call)(in_thread(requests))
        except ReexError as error:
            raise sending.failure or error from None
        return call.convert(sending.complete(answer))


async def _to_its_end(work: Callable[..., T], *args: Any) -> T:
    """In a thread. Cancelled, it is waited for all the same: what it writes is removed next, or has its name."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *args))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


class _Sending:
    """The requests of one import. What reading a file raises stays in `failure`: gRPC's thread would lose it.

    The stream then ends without its last message, and the daemon takes nothing of it.
    """

    def __init__(
        self,
        folder: PortableFolder,
        make: Callable[..., Any],  # part= or complete= -> a request
        on_progress: Progress | None = None,
    ) -> None:
        self.failure: BaseException | None = None
        self._folder = folder
        self._make = make
        self._on_progress = on_progress

    def requests(self, size_max_bytes: int) -> Iterator[Any]:
        sent = 0
        try:
            for name, data in self._folder.parts(size_max_bytes):
                yield self._make(part=pb2.FilePart(name=name, data=data))
                sent += len(data)
                if self._on_progress is not None:
                    self._on_progress(UploadProgress(0, 0, sent, self._folder.total_bytes))
            yield self._make(complete=True)
        except GeneratorExit:
            raise
        except BaseException as error:
            self.failure = error

    def complete(self, answer: T) -> T:
        """The answer, when all of the folder was sent."""
        if self.failure is not None:
            raise self.failure
        return answer


def _documents_request(target: Target) -> Callable[..., Any]:
    return lambda **last: pb2.ImportDocumentsRequest(
        project=target.project,
        split=target.split,
        validate_only=target.validate_only,
        overwrite_labels=target.overwrite_labels,
        **last,
    )
