"""DocumentService over steps.upload, steps.documents and steps.edit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from reex.v1 import documents_pb2, documents_pb2_grpc

from reexd.records import UNLABELLED
from reexd.rpc import convert, pages
from reexd.steps.documents import Documents
from reexd.steps.edit import Edit
from reexd.steps.select import Selection
from reexd.steps.upload import ChunkOutcome, Line, Upload


class DocumentService(documents_pb2_grpc.DocumentServiceServicer):
    def __init__(self, upload: Upload, documents: Documents, edit: Edit) -> None:
        self._upload = upload
        self._documents = documents
        self._edit = edit

    async def UploadDocuments(
        self,
        requests: AsyncIterator[documents_pb2.UploadDocumentsRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[documents_pb2.UploadDocumentsResponse]:
        session = None
        async for request in requests:
            if session is None:
                session = await asyncio.to_thread(
                    self._upload.open,
                    request.project,
                    request.split,
                    request.validate_only,
                    overwrite_labels=request.overwrite_labels,
                )
            lines = [_line(line) for line in request.lines]
            outcome = await asyncio.to_thread(session.store, lines)
            yield _acknowledgement(outcome)

    async def GetDocument(
        self, request: documents_pb2.GetDocumentRequest, context: grpc.aio.ServicerContext
    ) -> documents_pb2.GetDocumentResponse:
        document = await asyncio.to_thread(self._documents.get, request.project, request.id)
        return documents_pb2.GetDocumentResponse(document=convert.document(document))

    async def ListDocuments(
        self, request: documents_pb2.ListDocumentsRequest, context: grpc.aio.ServicerContext
    ) -> documents_pb2.ListDocumentsResponse:
        size = pages.size(request.page_size)
        label = request.label if request.HasField("label") else None
        listing = (request.project, request.split, label, request.where)
        after = pages.number(request.page_token, *listing, default=-1)
        page = await asyncio.to_thread(
            self._documents.list, request.project, request.split, label, request.where, after, size
        )
        token = pages.token(str(page.documents[-1].number), *listing) if page.more else ""
        return documents_pb2.ListDocumentsResponse(
            documents=[convert.document(document) for document in page.documents], next_page_token=token
        )

    async def DeleteDocuments(
        self, request: documents_pb2.DeleteDocumentsRequest, context: grpc.aio.ServicerContext
    ) -> documents_pb2.DeleteDocumentsResponse:
        deletion = await asyncio.to_thread(
            self._documents.delete,
            request.project,
            Selection(tuple(request.ids), request.split, where=request.where),
            validate_only=request.validate_only,
        )
        return documents_pb2.DeleteDocumentsResponse(
            deleted=deletion.count,
            used_by_live=deletion.used_count,
            classifier=deletion.classifier,
            missing_ids=deletion.missing,
        )

    async def EditDocuments(
        self, request: documents_pb2.EditDocumentsRequest, context: grpc.aio.ServicerContext
    ) -> documents_pb2.EditDocumentsResponse:
        label = request.label if request.HasField("label") else None
        edited = await asyncio.to_thread(
            self._edit.documents,
            request.project,
            Selection(tuple(request.ids), request.split, label, request.where),
            _changes(request),
            validate_only=request.validate_only,
        )
        return documents_pb2.EditDocumentsResponse(
            changed=edited.changed_count,
            unchanged=edited.unchanged_count,
            used_by_live=edited.stale_count,
            classifier=edited.classifier,
            missing_ids=edited.missing,
        )

    async def RenameSplit(
        self, request: documents_pb2.RenameSplitRequest, context: grpc.aio.ServicerContext
    ) -> documents_pb2.RenameSplitResponse:
        await asyncio.to_thread(self._edit.rename_split, request.project, request.split, request.new_name)
        return documents_pb2.RenameSplitResponse()

    async def SummarizeSplits(
        self, request: documents_pb2.SummarizeSplitsRequest, context: grpc.aio.ServicerContext
    ) -> documents_pb2.SummarizeSplitsResponse:
        classes, summary = await asyncio.to_thread(self._documents.summary, request.project)
        return documents_pb2.SummarizeSplitsResponse(splits=split_summaries(classes, summary))


def split_summaries(
    classes: tuple[str, ...], summary: dict[str, dict[int, int]]
) -> list[documents_pb2.SplitSummary]:
    """Splits in the order they stand for (train, calibration, test, then by name), labels in numeric order."""
    return [
        documents_pb2.SplitSummary(
            split=split,
            documents=sum(counts.values()),
            labels=[
                documents_pb2.LabelCount(label=label, name=convert.label_name(label, classes), count=count)
                for label, count in sorted(counts.items())
            ],
        )
        for split, counts in summary.items()
    ]


def _changes(request: documents_pb2.EditDocumentsRequest) -> dict[str, Any]:
    """The fields that the mask names; a name of no field is passed on, for the step to refuse."""
    changes: dict[str, Any] = {}
    for name in request.update_mask.paths:
        if name == "label":
            form = request.changes.WhichOneof("label_form")
            changes[name] = getattr(request.changes, form) if form else UNLABELLED
        else:
            changes[name] = getattr(request.changes, name, "")
    return changes


def _line(message: documents_pb2.DocumentLine) -> Line:
    document = message.document
    form = document.WhichOneof("label_form")
    return Line(
        line=message.line,
        id=document.id,
        text=document.text,
        label=document.label if form == "label" else UNLABELLED,
        label_name=document.label_name if form == "label_name" else None,
        split=document.split,
        prompt=document.prompt,
        info=document.info,
        group=document.group,
        attributes=tuple(document.attributes),
        extra_json=document.extra_json,
    )


def _acknowledgement(outcome: ChunkOutcome) -> documents_pb2.UploadDocumentsResponse:
    return documents_pb2.UploadDocumentsResponse(
        added=outcome.added,
        replaced=outcome.replaced,
        unchanged=outcome.unchanged,
        repeated_ids=outcome.repeated_ids,
        moved=outcome.moved,
        kept_labels=outcome.kept_labels,
        rejections=[convert.rejection(each) for each in outcome.rejections],
    )
