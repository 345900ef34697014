"""A checkpoint's record: its JSON state and the names of its arrays, in their stored order."""

from __future__ import annotations

from reexd.store.codecs.fields import Buffer, Reader, Writer


def encode_checkpoint(state_json: str, names: tuple[str, ...]) -> bytes:
    return Writer().string(state_json).strings(names).finish()


def decode_checkpoint(buffer: Buffer) -> tuple[str, tuple[str, ...]]:
    """(state_json, names)"""
    reader = Reader(buffer, "checkpoint")
    state_json, names = reader.string(), reader.strings()
    reader.end()
    return state_json, names
