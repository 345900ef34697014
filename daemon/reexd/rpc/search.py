"""SearchService over steps.search."""

from __future__ import annotations

import asyncio

import grpc
from reex.v1 import search_pb2, search_pb2_grpc

from reexd.errors import InvalidInput
from reexd.rpc import convert
from reexd.steps.search import Mode, Question, Search

LIMIT_DEFAULT = 10
MODES = {
    search_pb2.SEARCH_MODE_UNSPECIFIED: Mode.SEMANTIC,
    search_pb2.SEARCH_MODE_SEMANTIC: Mode.SEMANTIC,
    search_pb2.SEARCH_MODE_KEYWORD: Mode.KEYWORD,
    search_pb2.SEARCH_MODE_HYBRID: Mode.HYBRID,
}


class SearchService(search_pb2_grpc.SearchServiceServicer):
    def __init__(self, search: Search) -> None:
        self._search = search

    async def Search(
        self, request: search_pb2.SearchRequest, context: grpc.aio.ServicerContext
    ) -> search_pb2.SearchResponse:
        asked = Question(
            text=request.text,
            like=request.like,
            limit=request.limit if request.HasField("limit") else LIMIT_DEFAULT,
            splits=tuple(request.splits),
            labels=tuple(request.labels),
            where=request.where,
            mode=_mode(request.mode),
        )
        found = await asyncio.to_thread(self._search.nearest, request.project, asked)
        return search_pb2.SearchResponse(
            results=[
                search_pb2.SearchResult(
                    id=hit.document.id,
                    split=hit.document.split,
                    label=hit.document.label,
                    label_name=convert.label_name(hit.document.label, found.classes),
                    similarity=hit.similarity,
                    keyword_score=hit.keyword_score,
                    text=hit.document.text,
                )
                for hit in found.results
            ],
            searched=found.searched,
            not_embedded=found.not_embedded,
        )


def _mode(given: int) -> Mode:
    """Raises InvalidInput for a mode of a later release."""
    if given not in MODES:
        raise InvalidInput(f"expected a search mode that this daemon knows; received {given}")
    return MODES[given]
