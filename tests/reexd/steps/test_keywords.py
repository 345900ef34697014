"""Search by words, alone and joined with the search by meaning."""

from __future__ import annotations

import math

import numpy as np
import pytest
from reex import errors
from reexd.steps import keywords


@pytest.fixture(scope="module")
def shelf(served, new_project):
    project = new_project(served)
    lines = [
        {"id": "twice", "document": "Nokia sold more; nokia grew", "label": 2},
        {"id": "once", "document": "Nokia fell weak on a warning about its loss and decline", "label": 0},
        {"id": "none", "document": "violin soup mountain castle", "label": 1},
        {"id": "both", "document": "weak Nokia", "label": 0},
    ]
    served.upload(project, lines[:3], "train")
    served.upload(project, lines[3:], "archive")
    return project


def test_words_are_found_whatever_their_case_and_rarer_ones_count_more(served, shelf):
    found = served.client.search(shelf, "NOKIA", mode="keyword")
    assert {each.id for each in found.results} == {"twice", "once", "both"}
    assert (found.searched, found.not_embedded) == (4, 0)
    assert all(each.similarity is None and each.keyword_score > 0 for each in found.results)
    assert found.results[0].to_dict()["similarity"] is None
    assert served.client.search(shelf, "nokia castle", mode="keyword").results[0].id == "none"
    assert served.client.search(shelf, "nok", mode="keyword").results == ()
    narrowed = served.client.search(shelf, "nokia", mode="keyword", splits="train", labels=[0])
    assert [each.id for each in narrowed.results] == ["once"]
    assert len(served.client.search(shelf, "nokia", mode="keyword", limit=2).results) == 2


def test_hybrid_joins_both_orders(served, shelf):
    client = served.client
    semantic = client.search(shelf, "weak Nokia")
    hybrid = client.search(shelf, "weak Nokia", mode="hybrid")
    assert hybrid.results[0].id == semantic.results[0].id == "both", "first in both"
    assert len(hybrid.results) == 4
    known = {each.id: each.similarity for each in semantic.results}
    for each in hybrid.results:
        assert each.similarity == pytest.approx(known[each.id])
        assert (each.keyword_score > 0) == (each.id != "none")
    assert all(each.keyword_score is None for each in semantic.results)


def test_words_need_no_language_model(fresh, tmp_path):
    daemon = fresh(tmp_path)  # a models folder without any
    daemon.client.create_project("p", ["a", "b"])
    daemon.upload("p", [{"id": "x", "document": "hello there"}], "train")
    assert [each.id for each in daemon.client.search("p", "hello", mode="keyword").results] == ["x"]
    with pytest.raises(errors.ModelMissing):
        daemon.client.search("p", "hello", mode="hybrid")


def test_more_like_a_document_leaves_it_out_and_reads_nothing_again(served, shelf):
    client = served.client
    expected = client.search(shelf, "weak Nokia").results[1:]
    for mode in ("semantic", "hybrid"):
        found = client.search(shelf, like="both", mode=mode)
        assert "both" not in {each.id for each in found.results}
        assert {each.id: each.similarity for each in found.results} == pytest.approx(
            {each.id: each.similarity for each in expected}
        )
        assert (found.searched, found.not_embedded) == (3, 0)
    assert {each.id for each in client.search(shelf, like="both", mode="keyword").results} == {
        "once",
        "twice",
    }
    assert client.search(shelf, like="both", splits="archive").results == ()
    with pytest.raises(errors.NotFound, match="nothing"):
        client.search(shelf, like="nothing")
    with pytest.raises(errors.InvalidArgument, match="either a text or the id"):
        client.search(shelf, "nokia", like="both")


def test_an_unknown_mode_is_refused(served, shelf):
    with pytest.raises(errors.InvalidArgument, match="semantic, keyword, hybrid"):
        served.client.search(shelf, "x", mode="fuzzy")


def test_scores_are_those_of_the_formula():
    texts = ["a b", "a a c d", "e"]
    length = np.array([3, 7, 1]) / (11 / 3)  # in characters
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    tf = np.array([1, 2, 0])
    expected = idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * length))
    assert keywords.scores("A a?", texts) == pytest.approx(expected)
    many = " ".join(f"w{number}" for number in range(100))
    assert keywords.scores(f"a {many}", texts) == pytest.approx(expected), (
        "words that no text has weigh nothing"
    )
    assert keywords.scores("!", texts).tolist() == [0, 0, 0]
    assert keywords.scores("a", []).shape == (0,)
    assert keywords.words("Straße 日本語 ﬁn_1") == ["strasse", "日", "本", "語", "fin_1"]
