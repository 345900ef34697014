"""InterchangeService over steps.export, steps.import_classifier and steps.import_documents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import grpc
from reex.v1 import interchange_pb2, interchange_pb2_grpc

from reexd.errors import InvalidInput
from reexd.rpc import convert
from reexd.rpc.classifiers import classifier_summary
from reexd.steps.classifiers import Classifiers
from reexd.steps.export import Export
from reexd.steps.import_classifier import ImportClassifier
from reexd.steps.import_documents import ImportDocuments
from reexd.steps.staging import Arriving, Stage


@dataclass(frozen=True)
class Steps:
    export: Export
    import_classifier: ImportClassifier
    import_documents: ImportDocuments
    classifiers: Classifiers


class InterchangeService(interchange_pb2_grpc.InterchangeServiceServicer):
    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def ExportClassifier(
        self, request: interchange_pb2.ExportClassifierRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[interchange_pb2.ExportClassifierResponse]:
        stage = await asyncio.to_thread(
            self._steps.export.classifier,
            request.project,
            request.name,
            with_documents=request.with_documents,
        )
        async for part in _parts(stage):
            yield interchange_pb2.ExportClassifierResponse(part=part)

    async def ExportDocuments(
        self, request: interchange_pb2.ExportDocumentsRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[interchange_pb2.ExportDocumentsResponse]:
        stage = await asyncio.to_thread(
            self._steps.export.split,
            request.project,
            request.split,
            with_vectors=not request.without_vectors,
        )
        async for part in _parts(stage):
            yield interchange_pb2.ExportDocumentsResponse(part=part)

    async def ImportClassifier(
        self,
        requests: AsyncIterator[interchange_pb2.ImportClassifierRequest],
        context: grpc.aio.ServicerContext,
    ) -> interchange_pb2.ImportClassifierResponse:
        step = self._steps.import_classifier
        first, arrived = await _received(requests, step.open)
        try:
            record = await asyncio.to_thread(
                step.run, first.project, arrived, assume_model=first.assume_model
            )
        finally:
            arrived.close()
        status = await asyncio.to_thread(self._steps.classifiers.status, first.project, record)
        return interchange_pb2.ImportClassifierResponse(classifier=classifier_summary(status))

    async def ImportDocuments(
        self,
        requests: AsyncIterator[interchange_pb2.ImportDocumentsRequest],
        context: grpc.aio.ServicerContext,
    ) -> interchange_pb2.ImportDocumentsResponse:
        step = self._steps.import_documents
        first, arrived = await _received(requests, step.open)
        try:
            result = await asyncio.to_thread(
                step.run,
                first.project,
                first.split,
                arrived,
                validate_only=first.validate_only,
                overwrite_labels=first.overwrite_labels,
            )
        finally:
            arrived.close()
        return interchange_pb2.ImportDocumentsResponse(
            added=result.added,
            replaced=result.replaced,
            unchanged=result.unchanged,
            total=result.total,
            rejected=result.rejected,
            rejections=[convert.rejection(each) for each in result.rejections],
            vectors=result.vectors,
            moved=result.moved,
            kept_labels=result.kept_labels,
        )


async def _received(requests: AsyncIterator[Any], open: Callable[[str], Arriving]) -> tuple[Any, Arriving]:
    """The first message, which says what to do, and the folder that all of them brought.

    A stream that breaks off leaves nothing behind. Raises InvalidInput for one whose last message does not say so.
    """
    first = arriving = request = None
    try:
        async for request in requests:
            if arriving is None:
                first, arriving = request, await asyncio.to_thread(open, request.project)
            if request.HasField("part"):
                await asyncio.to_thread(arriving.write, request.part.name, request.part.data)
        if arriving is None or not request.complete:
            raise InvalidInput(
                "expected the files of a folder and that they are complete; the stream ended before; send it again"
            )
    except BaseException:
        if arriving is not None:
            arriving.close()
        raise
    return first, arriving


async def _parts(stage: Stage) -> AsyncIterator[interchange_pb2.FilePart]:
    try:
        parts = stage.parts()
        while (part := await asyncio.to_thread(next, parts, None)) is not None:
            yield interchange_pb2.FilePart(name=part[0], data=part[1])
    finally:
        stage.close()
