"""What the stored documents tell of themselves, over the wire: what both clients ask.

`DiscoveryCalls` and `AsyncDiscoveryCalls` are the parts of `Client` and `AsyncClient` that discover.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reex import convert, discoveries
from reex.calls import Call, build, one_or_more
from reex.v1 import discovery_pb2, discovery_pb2_grpc


def _suspect(message: discovery_pb2.Suspect) -> discoveries.Suspect:
    return discoveries.Suspect(message.split, convert.prediction(message.prediction), message.alike)


def _label_errors(answer: discovery_pb2.FindLabelErrorsResponse) -> discoveries.LabelErrors:
    suspects = tuple(map(_suspect, answer.suspects))
    return discoveries.LabelErrors(suspects, answer.examined, answer.contradicted)


def _suggestions(answer: discovery_pb2.SuggestLabellingResponse) -> discoveries.Suggestions:
    return discoveries.Suggestions(tuple(map(_suspect, answer.suggestions)), answer.unlabelled)


def _group(message: discovery_pb2.DuplicateGroup) -> discoveries.DuplicateGroup:
    documents = tuple(
        discoveries.Duplicate(each.id, each.split, each.label, each.text, each.similarity)
        for each in message.documents
    )
    return discoveries.DuplicateGroup(documents, message.labels_differ, message.splits_differ)


def _duplicates(answer: discovery_pb2.FindDuplicatesResponse) -> discoveries.Duplicates:
    groups = tuple(map(_group, answer.groups))
    return discoveries.Duplicates(groups, answer.compared, answer.group_count, answer.duplicate_count)


def find_label_errors(project: str, splits: str | Sequence[str], limit: int) -> Call[discoveries.LabelErrors]:
    request = build(
        discovery_pb2.FindLabelErrorsRequest, project=project, splits=one_or_more(splits), limit=limit
    )
    return Call(discovery_pb2_grpc.DiscoveryServiceStub, "FindLabelErrors", _label_errors, request)


def suggest_labelling(project: str, splits: str | Sequence[str], limit: int) -> Call[discoveries.Suggestions]:
    request = build(
        discovery_pb2.SuggestLabellingRequest, project=project, splits=one_or_more(splits), limit=limit
    )
    return Call(discovery_pb2_grpc.DiscoveryServiceStub, "SuggestLabelling", _suggestions, request)


def find_duplicates(
    project: str, splits: str | Sequence[str], similarity_min: float, limit: int
) -> Call[discoveries.Duplicates]:
    request = build(
        discovery_pb2.FindDuplicatesRequest,
        project=project,
        splits=one_or_more(splits),
        similarity_min=similarity_min,
        limit=limit,
    )
    return Call(discovery_pb2_grpc.DiscoveryServiceStub, "FindDuplicates", _duplicates, request)


class DiscoveryCalls:
    """The part of `Client` that discovers. Calls score or embed what is not yet, and have no deadline unless told."""

    _call: Any

    def find_label_errors(
        self,
        project: str,
        *,
        splits: str | Sequence[str] = (),
        limit: int = 100,
        timeout: float = float("inf"),
    ) -> discoveries.LabelErrors:
        """Documents whose label the live version contradicts, of some splits or all, the most suspected first.

        `limit` is 1 to 10,000. Raises NotTrained, NotFound.
        """
        return self._call(find_label_errors(project, splits, limit), timeout)

    def suggest_labelling(
        self,
        project: str,
        *,
        splits: str | Sequence[str] = (),
        limit: int = 20,
        timeout: float = float("inf"),
    ) -> discoveries.Suggestions:
        """Unlabelled documents that the live version is least likely right on, that many others are like, and that are
        unlike each other; `limit` is 1 to 1,000. Raises NotTrained, NotFound."""
        return self._call(suggest_labelling(project, splits, limit), timeout)

    def find_duplicates(
        self,
        project: str,
        *,
        splits: str | Sequence[str] = (),
        similarity_min: float = 0.95,
        limit: int = 100,
        timeout: float = float("inf"),
    ) -> discoveries.Duplicates:
        """Groups of documents that read nearly the same, by the cosine of their hidden states; `limit` groups, 1 to
        10,000. Raises ModelMissing, NotFound, and InvalidArgument for more than 50,000 documents."""
        return self._call(find_duplicates(project, splits, similarity_min, limit), timeout)


class AsyncDiscoveryCalls:
    """The part of `AsyncClient` that discovers; see `DiscoveryCalls`."""

    _call: Any

    async def find_label_errors(
        self,
        project: str,
        *,
        splits: str | Sequence[str] = (),
        limit: int = 100,
        timeout: float = float("inf"),
    ) -> discoveries.LabelErrors:
        return await self._call(find_label_errors(project, splits, limit), timeout)

    async def suggest_labelling(
        self,
        project: str,
        *,
        splits: str | Sequence[str] = (),
        limit: int = 20,
        timeout: float = float("inf"),
    ) -> discoveries.Suggestions:
        return await self._call(suggest_labelling(project, splits, limit), timeout)

    async def find_duplicates(
        self,
        project: str,
        *,
        splits: str | Sequence[str] = (),
        similarity_min: float = 0.95,
        limit: int = 100,
        timeout: float = float("inf"),
    ) -> discoveries.Duplicates:
        return await self._call(find_duplicates(project, splits, similarity_min, limit), timeout)
