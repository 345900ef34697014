"""A failed call becomes the exception its reason names."""

from __future__ import annotations

import asyncio
import math
import pickle
import sys
import threading
import time

import grpc
import pytest
from reex import AsyncClient, Client, errors


def test_the_reason_decides_the_class(daemon, client):
    daemon.answers["GetDocument"] = lambda request, context: daemon.abort(
        context, grpc.StatusCode.FAILED_PRECONDITION, "pull it first", "MODEL_MISSING", model="minilm"
    )
    with pytest.raises(errors.ModelMissing) as caught:
        client.get_document("p", "d")
    assert caught.value.message == "pull it first"
    assert caught.value.reason == "MODEL_MISSING"
    assert caught.value.metadata == {"model": "minilm"}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (grpc.StatusCode.NOT_FOUND, errors.NotFound),
        (grpc.StatusCode.ALREADY_EXISTS, errors.AlreadyExists),
        (grpc.StatusCode.PERMISSION_DENIED, errors.PermissionDenied),
        (grpc.StatusCode.UNAVAILABLE, errors.Unavailable),
        (grpc.StatusCode.INTERNAL, errors.Internal),
        (grpc.StatusCode.UNKNOWN, errors.Internal),
    ],
)
def test_a_reason_of_a_newer_daemon_falls_back_to_the_status(daemon, client, code, expected):
    daemon.answers["GetDocument"] = lambda request, context: daemon.abort(context, code, "?", "BORN_LATER")
    with pytest.raises(expected) as caught:
        client.get_document("p", "d")
    assert caught.value.reason == "BORN_LATER"
    assert not isinstance(caught.value, errors.DaemonDown)


def test_the_reason_of_another_domain_is_not_ours(daemon, client):
    daemon.answers["GetDocument"] = lambda request, context: daemon.abort(
        context, grpc.StatusCode.NOT_FOUND, "?", "MODEL_MISSING", domain="elsewhere"
    )
    with pytest.raises(errors.NotFound):
        client.get_document("p", "d")


def test_details_that_cannot_be_read_leave_the_status(daemon, client):
    def answer(request, context):
        context.set_trailing_metadata((("grpc-status-details-bin", b"\xff\xff\xff"),))
        context.abort(grpc.StatusCode.NOT_FOUND, "gone")

    daemon.answers["GetDocument"] = answer
    with pytest.raises(errors.NotFound, match="gone"):
        client.get_document("p", "d")


def test_nobody_at_the_socket_is_a_daemon_that_is_down(socket):
    with Client(socket) as client, pytest.raises(errors.DaemonDown, match="reexctl daemon start"):
        client.server_info()


def test_a_slow_answer_is_cut_off(daemon, client):
    daemon.answers["GetDocument"] = lambda request, context: time.sleep(0.5)
    with pytest.raises(errors.DeadlineExceeded):
        client.get_document("p", "d", timeout=0.05)


def test_only_unavailable_is_tried_again(daemon, client):
    attempts = {"GetDocument": 0, "GetJob": 0}

    def failing(name, code, reason):
        def answer(request, context):
            attempts[name] += 1
            daemon.abort(context, code, "no", reason)

        return answer

    daemon.answers["GetDocument"] = failing("GetDocument", grpc.StatusCode.UNAVAILABLE, "ENGINE_DIED")
    daemon.answers["GetJob"] = failing("GetJob", grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
    with pytest.raises(errors.EngineDied):
        client.get_document("p", "d")
    with pytest.raises(errors.QueueFull):
        client.get_job("train-1")
    assert attempts == {"GetDocument": 4, "GetJob": 1}


def test_a_closed_client_says_so(daemon, socket, tmp_path):
    client = Client(socket)
    client.close()
    for ask in (
        client.status,
        lambda: list(client.list_projects()),
        lambda: list(client.predict("p", ["a text"])),
        lambda: client.upload("p", [{"document": "a text"}], "train"),
        lambda: client.export_classifier("p", tmp_path / "none.sdmkitmodel"),
    ):
        with pytest.raises(errors.ClientClosed, match="this one is closed; open another"):
            ask()
    assert daemon.requests == []


def test_a_closed_asyncio_client_says_so(daemon, socket):
    async def ask() -> None:
        async with AsyncClient(socket) as client:
            await client.server_info()
        with pytest.raises(errors.ClientClosed):
            await client.status()
        with pytest.raises(errors.ClientClosed):
            [answer async for answer in client.predict_split("p", "test")]

    asyncio.run(ask())


def test_closing_a_client_ends_what_is_under_way_as_such(daemon, socket):
    """Not as Cancelled, and in asyncio not as a CancelledError, which would say that somebody cancelled the task."""

    def texts(released):
        yield "one"
        released.wait(30)

    client, released, raised = Client(socket), threading.Event(), []

    def read():
        try:
            for _ in client.predict("p", texts(released)):
                client.close()
        except Exception as error:
            raised.append(type(error))

    async def texts_async():
        yield "one"
        await asyncio.sleep(30)

    async def scenario():
        client = AsyncClient(socket)

        async def read():
            async for _ in client.predict("p", texts_async()):
                answered.set()

        answered = asyncio.Event()
        task = asyncio.create_task(read())
        await answered.wait()
        await client.close()
        with pytest.raises(errors.ClientClosed):
            await task
        client = AsyncClient(socket)
        answered.clear()
        task = asyncio.create_task(read())
        await answered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await client.close()

    reading = threading.Thread(target=read)
    reading.start()
    reading.join(20)
    released.set()
    assert raised == [errors.ClientClosed]
    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_an_asyncio_client_may_be_made_before_its_loop_and_belongs_to_one(daemon, socket):
    client = AsyncClient(socket)

    async def pid():
        return (await client.server_info()).pid

    async def closing():
        await client.close()

    assert asyncio.run(pid()) == 4711
    with pytest.raises(errors.InvalidArgument, match="open an AsyncClient in each"):
        asyncio.run(pid())
    asyncio.run(closing())
    asyncio.run(AsyncClient(socket).close())


def test_a_daemon_that_is_older_than_the_client_is_named_as_such(client):
    with pytest.raises(errors.FailedPrecondition, match=r"older than this client.*reexctl daemon stop"):
        client.status()


def test_a_request_of_too_many_bytes_says_what_to_do(client):
    with pytest.raises(errors.ResourceExhausted, match=r"larger than the daemon takes.*send less"):
        client.query("p", "x" * (5 << 20))


@pytest.mark.parametrize("timeout", [-1, math.nan, -math.inf, "10"])
def test_what_is_no_timeout_is_refused(socket, client, timeout):
    for ask in (
        lambda: client.status(timeout=timeout),
        lambda: Client(socket, timeout=timeout),
        lambda: AsyncClient(socket, timeout=timeout),
    ):
        with pytest.raises(errors.InvalidArgument, match="timeout in seconds"):
            ask()


@pytest.mark.parametrize("timeout", [1e11, 1e300, sys.maxsize, math.inf])
def test_a_timeout_beyond_any_clock_is_none(client, timeout):
    assert client.server_info(timeout=timeout).pid == 4711


def test_errors_survive_being_pickled():
    """They cross from a worker process to the one that waits for it."""
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.ReexError)
    ]
    assert len(kinds) > 20
    for kind in kinds:
        error = kind("told", reason="WORD", metadata={"project": "p"})
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), again.message, again.reason, again.metadata) == (
            kind,
            "told",
            "WORD",
            {"project": "p"},
        )
    assert "open another" in pickle.loads(pickle.dumps(errors.ClientClosed())).message
