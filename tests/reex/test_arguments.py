"""What a program passes by mistake is refused by the client, in words, before anything is sent or taken apart."""

from __future__ import annotations

import asyncio
import io

import pytest
from reex import AsyncClient, Text, errors
from reex.v1 import projects_pb2, search_pb2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (5, "received int"),
        (None, "received NoneType"),
        (b"x", "received bytes"),
        ([5], "received int"),
        ({"document": 5}, "expected a string as text, received 5"),
        ({"document": "x", "id": 7}, "expected a string as id, received 7"),
        ({"document": "x", "label": "fault"}, "expected the index of a class as label, received 'fault'"),
        (Text("x", attributes=["a"]), "expected a list of numbers as attributes, received ['a']"),
        ("\ud800", "text: 'utf-8' codec"),
    ],
)
def test_a_text_that_is_none_is_refused_with_its_field(daemon, client, text, words):
    with pytest.raises(errors.InvalidDocument) as refused:
        client.query("p", text)
    assert words in refused.value.message
    assert not daemon.requests


@pytest.mark.parametrize("text", ["hello", Text("hello"), {"document": "hello"}])
def test_one_text_is_one_to_predict_as_to_query(client, socket, text):
    assert [answer.text for answer in client.predict("p", text)] == ["hello"]

    async def ask():
        async with AsyncClient(socket) as asking:
            return [answer.text async for answer in asking.predict("p", text)]

    assert asyncio.run(ask()) == ["hello"]


def test_one_string_is_no_list_of_classes(daemon, client):
    daemon.answers["UpdateProject"] = lambda request, context: projects_pb2.UpdateProjectResponse()
    for call in (lambda: client.create_project("p", "ab"), lambda: client.update_project("p", classes="ab")):
        with pytest.raises(errors.InvalidArgument, match="list of names, received the string 'ab'"):
            call()
    assert not daemon.requests


def test_one_split_is_one_to_search(daemon, client):
    daemon.answers["Search"] = lambda request, context: search_pb2.SearchResponse()
    client.search("p", "x", splits="test")
    assert list(daemon.requests[-1][1].splits) == ["test"]


@pytest.mark.parametrize("source", [None, 5, b"x", {"document": "x"}, io.StringIO('{"document": "x"}\n')])
def test_a_source_that_is_none_is_refused(daemon, client, source):
    with pytest.raises(errors.InvalidArgument, match="received"):
        client.upload("p", source, "train")
    assert not daemon.lines


def test_no_split_is_refused_once_and_not_for_each_line(daemon, client):
    with pytest.raises(errors.InvalidName, match="expected the name of a split"):
        client.upload("p", [{"document": "x"}] * 3, "")
    assert not daemon.lines


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda client: client.create_project("p", [1, 2]), r"Project: classes cannot be \[1, 2\]"),
        (lambda client: client.search("p", ["x"]), r"text cannot be \['x'\]"),
        (lambda client: client.get_document("p", 5), "id cannot be 5"),
        (lambda client: client.search("p", "x", limit=10**12), "limit cannot be 1000000000000"),
    ],
)
def test_a_value_that_the_wire_cannot_carry_is_named_with_its_field(client, call, told):
    with pytest.raises(errors.InvalidArgument, match=told):
        call(client)
