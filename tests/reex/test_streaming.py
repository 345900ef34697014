"""Texts on their way: how much a message holds, what becomes of a text that cannot be answered, producers that fail."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from reex import AsyncClient, Text, errors
from reex.streaming import MESSAGE_SIZE_MAX_BYTES
from reex.types import Rejection
from reex.v1 import predictions_pb2

TEXTS = ["one", "", Text("", id="b", line=12), "two", "\ud800", Text("three", line=15), {"nothing": 1}]
TOLD = [
    Rejection(2, "text", "empty"),
    Rejection(12, "text", "empty", "b"),
    Rejection(5, "", "a text cannot be sent: text: 'utf-8' codec can't encode character '\\ud800' in position 0:"
    " surrogates not allowed"),
    Rejection(7, "", "expected a text under the key 'document', received the keys nothing"),
]  # fmt: skip


@pytest.fixture
def choosy(daemon):
    """A stand-in that rejects empty texts, as the daemon does."""

    def predict(requests, context):
        for request in requests:
            daemon.requests.append(("Predict", request))
            yield predictions_pb2.PredictResponse(
                predictions=[
                    predictions_pb2.Prediction(text=text.text) for text in request.texts if text.text
                ],
                rejections=[
                    predictions_pb2.TextRejection(index=at, id=text.id, field="text", reason="empty")
                    for at, text in enumerate(request.texts)
                    if not text.text
                ],
            )

    daemon.answers["Predict"] = predict
    return daemon


def test_large_texts_travel_in_messages_of_bounded_size(daemon, client):
    texts = [f"{n}" + "x" * 20_000 for n in range(10)] + ["y" * 200_000, "z"]
    assert [answer.text for answer in client.predict("p", texts)] == texts
    sizes = [sum(len(text.text) for text in request.texts) for _, request in daemon.requests]
    assert [size for size in sizes if size > MESSAGE_SIZE_MAX_BYTES] == [200_000]


def test_texts_that_cannot_be_answered_are_told_and_passed_over(choosy, client, socket):
    told: list[Rejection] = []
    answers = client.predict("p", TEXTS, on_rejection=told.append)
    assert ([answer.text for answer in answers], told) == (["one", "two", "three"], TOLD)

    async def given():
        for text in TEXTS:
            yield text

    async def scenario():
        async with AsyncClient(socket, timeout=20) as client:
            for texts in (TEXTS, given()):
                told: list[Rejection] = []
                answers = client.predict("p", texts, on_rejection=told.append)
                assert [answer.text async for answer in answers] == ["one", "two", "three"]
                assert told == TOLD

    asyncio.run(scenario())


@pytest.mark.parametrize("bad", ["", "\ud800", 5])
def test_without_anyone_to_tell_the_stream_ends_after_the_answers_before_it(choosy, client, bad):
    seen = []
    with pytest.raises(errors.InvalidDocument):
        for answer in client.predict("p", ["one", "two", bad, "three"]):
            seen.append(answer.text)
    assert seen == ["one", "two"]


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, SystemExit])
def test_whatever_ends_a_producer_is_raised(client, error):
    def texts():
        yield "one"
        raise error("mine")

    with pytest.raises(error, match="mine"):
        list(client.predict("p", texts()))
    with pytest.raises(error, match="mine"):
        client.upload("p", ({"document": text} for text in texts()), "train")


def test_an_asyncio_producer_that_is_cancelled_ends_the_stream(client, socket):
    async def texts():
        yield "one"
        other = asyncio.ensure_future(asyncio.sleep(60))
        other.cancel()
        await other

    async def scenario():
        async with AsyncClient(socket, timeout=20) as client:
            with pytest.raises(errors.Cancelled, match="texts"):
                [answer async for answer in client.predict("p", texts())]

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_producers_that_wait_hold_up_nobody(trained):
    """More of them than an event loop has threads; and what is left while one waits does not wait for it."""
    leave, waiting = threading.Event(), 40

    def texts():
        yield "one"
        leave.wait(60)

    async def scenario():
        async with AsyncClient(trained.daemon.location.socket, timeout=20) as client:
            streams = [client.predict(trained.project, texts()) for _ in range(waiting)]
            assert [(await anext(stream)).text for stream in streams] == ["one"] * waiting
            for stream in streams:
                await stream.aclose()

    begun = time.monotonic()
    try:
        asyncio.run(asyncio.wait_for(scenario(), 50))
        assert time.monotonic() - begun < 30
    finally:
        leave.set()
