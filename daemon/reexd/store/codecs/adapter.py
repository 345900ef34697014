"""An adapter's record: what identifies the tuned model, and the names of its arrays in their stored order."""

from __future__ import annotations

from dataclasses import dataclass

from reexd.store.codecs.fields import Buffer, Reader, Writer


@dataclass(frozen=True, slots=True)
class AdapterRecord:
    digest: str  # hex SHA-256 of names, shapes and bytes of the changes
    names: tuple[str, ...]  # LAYER.WEIGHT


def encode_adapter(adapter: AdapterRecord) -> bytes:
    return Writer().string(adapter.digest).strings(adapter.names).finish()


def decode_adapter(buffer: Buffer) -> AdapterRecord:
    reader = Reader(buffer, "adapter")
    digest, names = reader.string(), reader.strings()
    reader.end()
    return AdapterRecord(digest, names)
