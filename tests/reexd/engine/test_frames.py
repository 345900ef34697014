"""Frames survive the trip, and nonsense is refused before memory is taken for it."""

import asyncio
import json
import socket
import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reexd.engine import frames
from reexd.engine.frames import Frame, FrameError

ARRAYS = {
    "vectors": np.arange(6, dtype=np.float32).reshape(2, 3),
    "ids": np.arange(3, dtype=np.int32)[::-1],
    "rows": np.array([[1], [-(2**40)]], dtype=np.int64),
    "none": np.empty((0, 384), dtype=np.float32),
}


def same(frame):
    return frame.header == {"op": "embed", "text": "ü\x00"} and all(
        np.array_equal(frame.arrays[name], value) and frame.arrays[name].dtype == value.dtype
        for name, value in ARRAYS.items()
    )


def test_round_trip_over_a_socket():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        frames.send(ours, Frame({"op": "embed", "text": "ü\x00"}, ARRAYS))
        assert same(frames.receive(theirs))
        ours.close()
        assert frames.receive(theirs) is None


def test_frames_of_any_size_make_the_trip():
    ours, theirs = socket.socketpair()
    with ours, theirs, ThreadPoolExecutor(1) as pool:
        for count in (0, 1, 16_000, 17_000, 1_000_000):  # below and above what is sent in one piece
            sent = np.arange(count, dtype=np.int32)
            sending = pool.submit(frames.send, ours, Frame({"count": count}, {"a": sent, "b": sent[:1]}))
            got = frames.receive(theirs)
            sending.result()
            assert got.header == {"count": count}
            np.testing.assert_array_equal(got.arrays["a"], sent)
            np.testing.assert_array_equal(got.arrays["b"], sent[:1])


def test_round_trip_over_a_stream():
    async def trip():
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        with theirs:
            frames.send(theirs, Frame({"op": "embed", "text": "ü\x00"}, ARRAYS))
            first = await frames.read(reader)
            theirs.close()
            second = await frames.read(reader)
        writer.close()
        return first, second

    first, second = asyncio.run(trip())
    assert same(first)
    assert second is None


def test_object_arrays_are_refused_at_both_ends():
    with pytest.raises(ValueError, match="dtype"):
        frames.pack({}, {"x": np.array([{}])})
    with pytest.raises(FrameError, match="dtype"):
        frames.unpack(json.dumps({"arrays": [["x", "|O", [1]]]}).encode(), b"12345678")


def test_declared_lengths_must_fit_what_came():
    with pytest.raises(FrameError, match="declared"):
        frames.unpack(json.dumps({"arrays": [["x", "<f4", [1]]]}).encode(), b"12345678")
    with pytest.raises(ValueError, match="buffer"):
        frames.unpack(json.dumps({"arrays": [["x", "<f4", [3]]]}).encode(), b"12345678")


@given(st.binary(min_size=16, max_size=16))
def test_garbage_is_no_frame(garbage):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(garbage)
        with pytest.raises(FrameError):
            frames.receive(theirs)


def test_giant_lengths_are_refused():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(struct.pack("<4sIQ", b"RXF1", 10, 2**60))
        with pytest.raises(FrameError):
            frames.receive(theirs)
