"""SearchService over steps.search."""

from __future__ import annotations

import asyncio

import grpc
from reex.v1 import search_pb2, search_pb2_grpc

from reexd.rpc import convert
from reexd.steps.search import Search

LIMIT_DEFAULT = 10


class SearchService(search_pb2_grpc.SearchServiceServicer):
    def __init__(self, search: Search) -> None:
        self._search = search

    async def Search(
        self, request: search_pb2.SearchRequest, context: grpc.aio.ServicerContext
    ) -> search_pb2.SearchResponse:
        found = await asyncio.to_thread(
            self._search.nearest,
            request.project,
            request.text,
            request.limit if request.HasField("limit") else LIMIT_DEFAULT,
            tuple(request.splits),
            tuple(request.labels),
        )
        return search_pb2.SearchResponse(
            results=[
                search_pb2.SearchResult(
                    id=document.id,
                    split=document.split,
                    label=document.label,
                    label_name=convert.label_name(document.label, found.classes),
                    similarity=similarity,
                    text=document.text,
                )
                for document, similarity in found.results
            ],
            searched=found.searched,
            not_embedded=found.not_embedded,
        )
