"""The language of filters, and what it selects of the documents of a real daemon."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reex import AsyncClient, errors
from reexd.errors import InvalidInput
from reexd.records import Document, Prediction
from reexd.steps.filters import FIELDS, Subject, parse

CLASSES = ("negative", "neutral", "very positive")


def subject(label=2, predicted=2, **more):
    said = {
        "q": 7,
        "d0": 1.5,
        "d": 0.25,
        "q_prime": 3.5,
        "region_alpha": 0.9,
        "reliability": "high",
        "role": 0,
    }
    said |= {name: more.pop(name) for name in list(more) if name in said}
    stored = {"id": "r-1", "text": "Profit ROSE, strongly", "split": "test", "info": "page 3"} | more
    answer = Prediction(
        version=1,
        document=0,
        document_id="r-1",
        label=label,
        prediction=predicted,
        logits=(0.0, 0.0, 1.0),
        sdm=(0.1, 0.1, 0.8),
        lower_region_alpha=0.0,
        lower_d=0.0,
        lower_q_prime=0.0,
        effective_sample_sizes=(1, 1, 1),
        reason="",
        probability=0.75,
        **said,
    )
    return Subject(Document(label=label, **stored), answer)


@pytest.mark.parametrize(
    "text",
    [
        "label = 'very positive'",
        "LABEL = 2 AND Right",
        "label in (negative, 2) and prediction != neutral",
        "not wrong and not (labelled and split = train)",
        "text contains 'profit rose' or q > 100",
        "q >= 7 and q <= 7 and q < 7.5 and q = 7 and q != 8 and q in (1, 7)",
        "reliability > low and reliability <= high and reliability in (high, highest)",
        "alpha>=.9 and probability>0.5",
        "admitted and role = unseen and d0 > 1e0",
        'info = "page 3" and id = r-1 and group = ""',
        "wrong or right and admitted",  # and binds more tightly
        "not edited",
        "split in (test)",
    ],
)
def test_what_holds(text):
    assert parse(text, CLASSES).holds(subject())
    assert not parse(f"not ({text})", CLASSES).holds(subject())


def test_right_and_wrong_are_of_documents_of_some_class():
    for label in (-1, -99):
        assert not parse("right or wrong", CLASSES).holds(subject(label=label))
    assert parse("wrong", CLASSES).holds(subject(label=0))
    assert parse("label = -99", CLASSES).holds(subject(label=-99))


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("lable = 1", 1, "one of id, split"),
        ("label = 7", 9, "one of the classes negative"),
        ("label < 1", 7, "= != or in after label"),
        ("text contains", 14, "a value"),
        ("q > high", 5, "a number"),
        ("q > nan", 5, "a number"),
        ("reliability = good", 15, "out-of-distribution, lowest"),
        ("right right", 7, "'and', 'or' or its end"),
        ("(right", 7, "'and', 'or' or ')'"),
        ("q in 1, 2", 6, "'(' after in"),
        ("text = 'open", 8, "both quotes"),
        ("", 1, "one of id"),
        ("right and", 10, "one of id"),
        ("1 = 1", 1, "one of id"),
    ],
)
def test_what_is_no_filter_says_where_and_what_was_expected(text, place, expected):
    with pytest.raises(InvalidInput) as caught:
        parse(text, CLASSES)
    assert f"at character {place}: expected" in str(caught.value)
    assert expected in str(caught.value)


def test_depth_and_length_are_bounded():
    assert parse("(" * 40 + "right" + ")" * 40, CLASSES).holds(subject())
    for text in ("(" * 60 + "right" + ")" * 60, "not " * 60 + "right", "right or " * 500 + "right"):
        with pytest.raises(InvalidInput, match=r"deep|characters"):
            parse(text, CLASSES)


_WORDS = st.sampled_from([*FIELDS, "and", "or", "not", "in", "contains", "=", "<", "(", ")", ",", "'x'", "2"])


@given(st.lists(_WORDS, max_size=12).map(" ".join) | st.text(max_size=60))
def test_whatever_is_written_is_a_filter_or_is_refused(text):
    try:
        found = parse(text, CLASSES)
    except InvalidInput:
        return
    assert found.holds(subject()) in (True, False)


def test_a_filter_says_what_it_needs():
    needs = [
        (each.needs_prediction, each.needs_text) for each in map(_parsed, ("label = 1", "right or text = x"))
    ]
    assert needs == [(False, False), (True, True)]


def _parsed(text):
    return parse(text, CLASSES)


def test_the_same_documents_everywhere(served, ready, tmp_path):
    client = served.client
    where = "right and q >= 5 or label = -1"
    answers = [each for name in ("train", "test", "incoming") for each in client.predict_split(ready, name)]
    expected = {
        each.id for each in answers if each.label == -1 or (each.label == each.prediction and each.q >= 5)
    }
    assert 0 < len(expected) < len(answers)
    listed = {each.id for each in client.list_documents(ready, where=where)}
    predicted = {
        each.id
        for name in ("train", "test", "incoming")
        for each in client.predict_split(ready, name, where=where)
    }
    found = {each.id for each in client.search(ready, "profit", where=where, limit=1000).results}
    path = client.export_table(ready, tmp_path / "some.jsonl", where=where, predictions=True)
    exported = {json.loads(line)["id"] for line in path.read_text().splitlines()}
    streamed = asyncio.run(_listed(served.location.socket, ready, where))
    assert listed == predicted == found == exported == streamed == expected
    assert client.delete_documents(ready, where=where, validate_only=True).deleted == len(expected)


def test_what_is_edited_or_deleted_is_what_was_selected(served, ready):
    client = served.client
    where = "wrong or q < 5"
    expected = {each.id for each in client.predict_split(ready, "test", where=where)}
    edited = client.edit_documents(ready, split="test", where=where, set_group="doubtful")
    assert (edited.changed, edited.unchanged) == (len(expected), 0)
    assert {each.id for each in client.list_documents(ready, where="group = doubtful")} == expected
    label = client.edit_documents(ready, where="group = doubtful", label=1, set_label=0).changed
    assert label == sum(id.startswith("neutral") for id in expected)
    assert len(list(client.list_documents(ready, where="edited"))) == label
    assert client.delete_documents(ready, where="group = doubtful").deleted == len(expected)
    assert list(client.list_documents(ready, where="group = doubtful")) == []


async def _listed(socket, project, where):
    async with AsyncClient(socket) as client:
        return {each.id async for each in client.list_documents(project, where=where)}


def test_what_a_filter_asks_for_is_scored_first_and_pages_go_on(served, ready, monkeypatch):
    client = served.client
    monkeypatch.setattr("reex.calls.PAGE_SIZE", 4)
    listed = [
        each.id
        for each in client.list_documents(ready, "train", where="role = support or role = calibration")
    ]
    assert listed == [each.id for each in client.list_documents(ready, "train")]
    assert len(listed) == 120


def test_an_order_is_that_of_the_figure(served, ready):
    client = served.client
    for name in ("q", "d", "probability"):
        said = [getattr(each, name) for each in client.predict_split(ready, "test", order_by=name)]
        assert said == sorted(said)
        down = [getattr(each, name) for each in client.predict_split(ready, "test", order_by=f"-{name}")]
        assert down == said[::-1]
    some = [each.q for each in client.predict_split(ready, "test", where="right", order_by="-q")]
    assert some == sorted(some, reverse=True)
    with pytest.raises(errors.InvalidArgument, match="largest first"):
        next(client.predict_split(ready, "test", order_by="size"))


def test_what_cannot_be_filtered_says_why(served, project, corpus):
    client = served.client
    served.upload(project, corpus(2), "train")
    with pytest.raises(errors.NotTrained):
        next(client.list_documents(project, where="right"))
    with pytest.raises(errors.InvalidArgument, match="at character 1"):
        next(client.list_documents(project, where="rigth"))
    with pytest.raises(errors.InvalidArgument, match="1 to 1,000 ids"):
        client.delete_documents(project, ["a"], where="labelled")
    assert len(list(client.list_documents(project, where="label = negative"))) == 2
