"""DiscoveryService over steps.label_errors, steps.suggest and steps.duplicates."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import grpc
from reex.v1 import discovery_pb2, discovery_pb2_grpc

from reexd.rpc import convert
from reexd.steps.duplicates import FindDuplicates, Group
from reexd.steps.label_errors import FindLabelErrors
from reexd.steps.suggest import Suggest
from reexd.steps.suspects import Suspect

LIMIT_DEFAULT = 100
SUGGESTIONS_DEFAULT = 20
SIMILARITY_DEFAULT = 0.95
TEXT_SHOWN = 1_000  # characters of a duplicate: a group may be as large as the project


class DiscoveryService(discovery_pb2_grpc.DiscoveryServiceServicer):
    def __init__(self, label_errors: FindLabelErrors, suggest: Suggest, duplicates: FindDuplicates) -> None:
        self._label_errors = label_errors
        self._suggest = suggest
        self._duplicates = duplicates

    async def FindLabelErrors(
        self, request: discovery_pb2.FindLabelErrorsRequest, context: grpc.aio.ServicerContext
    ) -> discovery_pb2.FindLabelErrorsResponse:
        limit = request.limit if request.HasField("limit") else LIMIT_DEFAULT
        found = await asyncio.to_thread(self._label_errors.run, request.project, tuple(request.splits), limit)
        return discovery_pb2.FindLabelErrorsResponse(
            suspects=_suspects(found.suspects, found.classes, found.stale),
            examined=found.examined_count,
            contradicted=found.contradicted_count,
        )

    async def SuggestLabelling(
        self, request: discovery_pb2.SuggestLabellingRequest, context: grpc.aio.ServicerContext
    ) -> discovery_pb2.SuggestLabellingResponse:
        limit = request.limit if request.HasField("limit") else SUGGESTIONS_DEFAULT
        found = await asyncio.to_thread(self._suggest.run, request.project, tuple(request.splits), limit)
        return discovery_pb2.SuggestLabellingResponse(
            suggestions=_suspects(found.suggestions, found.classes, found.stale),
            unlabelled=found.unlabelled_count,
        )

    async def FindDuplicates(
        self, request: discovery_pb2.FindDuplicatesRequest, context: grpc.aio.ServicerContext
    ) -> discovery_pb2.FindDuplicatesResponse:
        found = await asyncio.to_thread(
            self._duplicates.run,
            request.project,
            tuple(request.splits),
            request.similarity_min if request.HasField("similarity_min") else SIMILARITY_DEFAULT,
            request.limit if request.HasField("limit") else LIMIT_DEFAULT,
        )
        return discovery_pb2.FindDuplicatesResponse(
            groups=[_group(group) for group in found.groups],
            compared=found.compared_count,
            group_count=found.group_count,
            duplicate_count=found.duplicate_count,
        )


def _suspects(found: Sequence[Suspect], classes: Sequence[str], stale: str) -> list[discovery_pb2.Suspect]:
    return [
        discovery_pb2.Suspect(
            split=each.split,
            alike=each.alike_count,
            prediction=convert.prediction(each.prediction, classes, stale=stale, text=each.text),
        )
        for each in found
    ]


def _group(group: Group) -> discovery_pb2.DuplicateGroup:
    return discovery_pb2.DuplicateGroup(
        documents=[
            discovery_pb2.Duplicate(
                id=document.id,
                split=document.split,
                label=document.label,
                text=document.text[:TEXT_SHOWN],
                similarity=similarity,
            )
            for document, similarity in zip(group.documents, group.cosines.tolist(), strict=True)
        ],
        labels_differ=group.labels_differ,
        splits_differ=group.splits_differ,
    )
