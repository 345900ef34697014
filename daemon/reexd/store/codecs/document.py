"""A document's metadata record, its attributes, and its entry in a split. The text is a record of its own."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reexd.errors import StoreCorrupt
from reexd.store.codecs.fields import Buffer, Reader, Writer

_HEADER = struct.Struct("<HiBQd")  # split, label, flags, revision, updated_at
_MEMBER = struct.Struct("<iQ")  # label, revision
_BY_PERSON = 1  # flag: the label was set by a person in the daemon


class DocumentHeader(NamedTuple):
    """The fixed front of the record, read alone where a whole split is looked at."""

    split: int
    label: int
    flags: int
    revision: int
    updated_at: float

    @property
    def labelled_by_person(self) -> bool:
        return bool(self.flags & _BY_PERSON)


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """Everything about a document but its text and attributes. `split` is the split's number."""

    split: int
    label: int
    labelled_by_person: bool
    revision: int
    updated_at: float
    id: str
    prompt: str
    info: str
    group: str
    extra_json: str


def encode_document(record: DocumentRecord) -> bytes:
    flags = _BY_PERSON if record.labelled_by_person else 0
    writer = Writer().pack(_HEADER, record.split, record.label, flags, record.revision, record.updated_at)
    for field in (record.id, record.prompt, record.info, record.group, record.extra_json):
        writer.string(field)
    return writer.finish()


def decode_document(buffer: Buffer) -> DocumentRecord:
    reader = Reader(buffer, "document")
    header = DocumentHeader(*reader.unpack(_HEADER))
    identity, prompt, info, group, extra_json = (reader.string() for _ in range(5))
    reader.end()
    return DocumentRecord(
        split=header.split,
        label=header.label,
        labelled_by_person=header.labelled_by_person,
        revision=header.revision,
        updated_at=header.updated_at,
        id=identity,
        prompt=prompt,
        info=info,
        group=group,
        extra_json=extra_json,
    )


def decode_document_header(buffer: Buffer) -> DocumentHeader:
    if len(buffer) < _HEADER.size:
        raise StoreCorrupt(
            f"document: expected at least {_HEADER.size} bytes, found {len(buffer)}; the store is damaged"
        )
    return DocumentHeader(*_HEADER.unpack_from(buffer))


def decode_document_id(buffer: Buffer) -> str:
    reader = Reader(buffer, "document")
    reader.unpack(_HEADER)
    return reader.string()


def encode_attributes(values: tuple[float, ...]) -> bytes:
    return np.asarray(values, "<f8").tobytes()


def decode_attributes(buffer: Buffer) -> np.ndarray:
    """(attributes,) float64, a view of the buffer."""
    if len(buffer) % 8:
        raise StoreCorrupt(
            f"attributes: expected a multiple of 8 bytes, found {len(buffer)}; the store is damaged"
        )
    return np.frombuffer(buffer, "<f8")


def encode_member(label: int, revision: int) -> bytes:
    return _MEMBER.pack(label, revision)


MEMBER_DTYPE = np.dtype(
    [("label", "<i4"), ("revision", "<u8")]
)  # the layout of `encode_member`, for many at once


def decode_members(joined: bytes, count: int) -> np.ndarray:
    """`count` member values laid end to end, as one (count,) structured array."""
    if len(joined) != count * MEMBER_DTYPE.itemsize:
        raise StoreCorrupt(
            f"split members: expected {count * MEMBER_DTYPE.itemsize} bytes for {count} documents, "
            f"found {len(joined)}; the store is damaged"
        )
    return np.frombuffer(joined, MEMBER_DTYPE)
