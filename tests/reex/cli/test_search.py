"""`search`: what is asked of the daemon, and what is shown."""

from __future__ import annotations

from reex.v1 import search_pb2


def test_search_takes_names_of_classes_and_several_splits(held, reexctl):
    held.answers["Search"] = lambda request, context: search_pb2.SearchResponse(
        results=[
            search_pb2.SearchResult(id="a", split="train", label_name="positive", similarity=0.5, text="x")
        ],
        not_embedded=3,
    )
    ended = reexctl(
        "search",
        "s",
        "what",
        "-k",
        3,
        "--split",
        "train",
        "--split",
        "test",
        "--label",
        "positive",
        "--label",
        -1,
    )
    assert ended.code == 0
    request = held.requests[-1][1]
    assert (request.limit, list(request.splits), list(request.labels)) == (3, ["train", "test"], [2, -1])
    assert "0.500" in ended.out
    assert "3 documents are not embedded" in ended.err
    assert reexctl("search", "s", "what", "--label", "nonsense").code == 2


def test_search_by_words_shows_what_was_measured(held, reexctl):
    held.answers["Search"] = lambda request, context: search_pb2.SearchResponse(
        results=[search_pb2.SearchResult(id="a", split="train", keyword_score=1.25, text="x")]
    )
    ended = reexctl("search", "s", "what", "--mode", "keyword")
    assert ended.out.split()[:4] == ["words", "id", "split", "label"]
    assert "1.250" in ended.out
    assert held.requests[-1][1].mode == search_pb2.SEARCH_MODE_KEYWORD
    (shape,) = reexctl("search", "s", "what", "--mode", "hybrid", "--json").lines
    assert (shape["similarity"], shape["keyword_score"]) == (None, 1.25)
    assert reexctl("search", "s", "what", "--mode", "fuzzy").code == 2


def test_more_like_a_document(held, reexctl):
    held.answers["Search"] = lambda request, context: search_pb2.SearchResponse()
    assert reexctl("search", "s", "--like", "b", "-k", 2).code == 0
    request = held.requests[-1][1]
    assert (request.text, request.like, request.limit) == ("", "b", 2)
    for arguments in ((), ("words", "--like", "b"), ("--like", "")):
        assert reexctl("search", "s", *arguments).code == 2
