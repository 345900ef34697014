"""Search over the wire: what both clients ask.

`SearchCalls` and `AsyncSearchCalls` are the parts of `Client` and `AsyncClient` that search.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reex import convert, types
from reex.calls import Call, build, one_or_more
from reex.errors import InvalidArgument
from reex.v1 import search_pb2, search_pb2_grpc

MODES = ("semantic", "keyword", "hybrid")


def search(
    project: str,
    text: str,
    like: str,
    limit: int,
    splits: str | Sequence[str],
    labels: Sequence[int],
    where: str,
    mode: str,
) -> Call[types.SearchResults]:
    if mode not in MODES:
        raise InvalidArgument(f"expected the mode {', '.join(MODES)}; received {mode!r:.60}")
    request = build(
        search_pb2.SearchRequest,
        project=project,
        text=text,
        like=like,
        limit=limit,
        splits=one_or_more(splits),
        labels=labels,
        where=where,
        mode=f"SEARCH_MODE_{mode.upper()}",
    )
    return Call(search_pb2_grpc.SearchServiceStub, "Search", convert.search_results, request)


class SearchCalls:
    """The part of `Client` that searches."""

    _call: Any

    def search(
        self,
        project: str,
        text: str = "",
        *,
        like: str = "",
        limit: int = 10,
        splits: str | Sequence[str] = (),
        labels: Sequence[int] = (),
        where: str = "",
        mode: str = "semantic",
        timeout: float | None = None,
    ) -> types.SearchResults:
        """Documents nearest in meaning by the frozen model, with `mode` keyword those that have its words (BM25), with
        hybrid by both; `limit` is 1 to 1,000. `like`, the id of a document, in place of the text: itself is left out.
        `where` is a filter (docs/filters.md).
        """
        return self._call(search(project, text, like, limit, splits, labels, where, mode), timeout)


class AsyncSearchCalls:
    """The part of `AsyncClient` that searches; see `SearchCalls`."""

    _call: Any

    async def search(
        self,
        project: str,
        text: str = "",
        *,
        like: str = "",
        limit: int = 10,
        splits: str | Sequence[str] = (),
        labels: Sequence[int] = (),
        where: str = "",
        mode: str = "semantic",
        timeout: float | None = None,
    ) -> types.SearchResults:
        return await self._call(search(project, text, like, limit, splits, labels, where, mode), timeout)
