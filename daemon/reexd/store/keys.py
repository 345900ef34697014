"""Every key of the store, each by a named constructor. Owns the byte order of keys; knows nothing of values.

A key is one kind byte, then fixed-width big-endian fields, so that byte order is number order. Only the
last field of a key may vary in length. An environment is one LMDB database; the kind byte divides it.
"""

from __future__ import annotations

import hashlib
import struct
from enum import IntEnum

ID_SIZE_MAX = 256  # longer document ids are keyed by digest; LMDB's own limit for a whole key is 511 bytes


class Kind(IntEnum):
    """The first byte of a key. Changing a number, or reusing a retired one, breaks every store."""

    META = 1
    # the catalogue
    PROJECT = 2
    JOB = 3
    UNFINISHED_JOB = 4
    # a project: documents
    DOCUMENT_ID = 16
    DOCUMENT = 17
    DOCUMENT_TEXT = 18
    DOCUMENT_ATTRIBUTES = 19
    SPLIT = 20
    SPLIT_MEMBER = 21
    LABEL_COUNT = 22
    # a project: hidden states
    SPACE = 32
    HIDDEN_DIGEST = 33
    HIDDEN_ROW = 34
    HIDDEN_TAIL = 35
    HIDDEN_BLOCK = 36
    HIDDEN_STORED = 37
    HIDDEN_LIVE = 38
    HIDDEN_REFERENCES = 39
    DOCUMENT_ROW = 40
    ADAPTER = 41
    ADAPTER_ARRAY = 42
    # a project: classifiers and what they said
    CLASSIFIER = 48
    CLASSIFIER_ARRAY = 49
    MEMBER = 50
    MEMBER_ARRAY = 51
    PREDICTION = 56
    PREDICTION_INDEX = 57
    # a project: jobs under way
    CHECKPOINT = 64
    CHECKPOINT_ARRAY = 65


class Meta(IntEnum):
    """The single numbers of an environment. Changing a number breaks every store."""

    SCHEMA_VERSION = 1
    NEXT_JOB = 2
    NEXT_DOCUMENT = 3
    ATTRIBUTE_COUNT = 4
    NEXT_VERSION = 5
    LIVE_VERSION = 6
    GENERATION = 7
    NEXT_SPACE = 8


class Index(IntEnum):
    """The orders in which predictions can be selected and sorted. Changing a number breaks every store."""

    PREDICTION = 1
    REGION_ALPHA = 2
    RELIABILITY = 3
    Q = 4
    D = 5
    PROBABILITY = 6  # of being right; the activation of the predicted class from a version that has none
    ROLE = 7


_U16 = struct.Struct(">BH")
_U32 = struct.Struct(">BI")
_U64 = struct.Struct(">BQ")
_U8 = struct.Struct(">BB")
_U16_U32 = struct.Struct(">BHI")
_U16_U16_U32 = struct.Struct(">BHHI")
_U16_U64 = struct.Struct(">BHQ")
_U64_U16 = struct.Struct(">BQH")
_U32_U64 = struct.Struct(">BIQ")
_ARRAY = struct.Struct(">BIBII")
_MEMBER = struct.Struct(">BIH")
_MEMBER_ARRAY = struct.Struct(">BIHBII")
_CHECKPOINT_ARRAY = struct.Struct(">BQHHI")
_INDEX_PREFIX = struct.Struct(">BIB")
_INDEX = struct.Struct(">BIBQQ")
_SIGN = 1 << 63
_U64_MASK = (1 << 64) - 1
_FLOAT = struct.Struct(">d")
_BITS = struct.Struct(">Q")


def meta(name: Meta) -> bytes:
    return _U8.pack(Kind.META, name)


def kind(of: Kind) -> bytes:
    """The prefix of every key of one kind."""
    return bytes((of,))


def project(name: str) -> bytes:
    return kind(Kind.PROJECT) + name.encode()


def job(number: int) -> bytes:
    return _U64.pack(Kind.JOB, number)


def unfinished_job(number: int) -> bytes:
    return _U64.pack(Kind.UNFINISHED_JOB, number)


def document_id(document_id: str) -> bytes:
    """Short ids stand as they are; long ones by digest. The tag byte keeps the two apart."""
    raw = document_id.encode()
    if len(raw) <= ID_SIZE_MAX:
        return bytes((Kind.DOCUMENT_ID, 0)) + raw
    return bytes((Kind.DOCUMENT_ID, 1)) + hashlib.sha256(raw).digest()


def document(number: int) -> bytes:
    return _U64.pack(Kind.DOCUMENT, number)


def document_text(number: int) -> bytes:
    return _U64.pack(Kind.DOCUMENT_TEXT, number)


def document_attributes(number: int) -> bytes:
    return _U64.pack(Kind.DOCUMENT_ATTRIBUTES, number)


def split(number: int) -> bytes:
    return _U16.pack(Kind.SPLIT, number)


def split_members(split_number: int) -> bytes:
    return _U16.pack(Kind.SPLIT_MEMBER, split_number)


def split_member(split_number: int, document_number: int) -> bytes:
    return _U16_U64.pack(Kind.SPLIT_MEMBER, split_number, document_number)


def label_counts(split_number: int) -> bytes:
    return _U16.pack(Kind.LABEL_COUNT, split_number)


def label_count(split_number: int, label: int) -> bytes:
    """Labels are signed; the offset of 2^31 keeps -99 < -1 < 0 in byte order."""
    return _U16_U32.pack(Kind.LABEL_COUNT, split_number, label + (1 << 31))


def label_of_count(key: bytes) -> int:
    return _U16_U32.unpack(key)[2] - (1 << 31)


def space(number: int) -> bytes:
    return _U16.pack(Kind.SPACE, number)


def of_space(of: Kind, space_number: int) -> bytes:
    """The prefix of a space's keys of one kind."""
    return _U16.pack(of, space_number)


def adapter(space_number: int) -> bytes:
    return _U16.pack(Kind.ADAPTER, space_number)


def adapter_array(space_number: int, array: int, part: int) -> bytes:
    return _U16_U16_U32.pack(Kind.ADAPTER_ARRAY, space_number, array, part)


def hidden_digest(space_number: int, digest: bytes) -> bytes:
    return _U16.pack(Kind.HIDDEN_DIGEST, space_number) + digest


def hidden_row(space_number: int, row: int) -> bytes:
    return _U16_U64.pack(Kind.HIDDEN_ROW, space_number, row)


def hidden_tails(space_number: int) -> bytes:
    return _U16.pack(Kind.HIDDEN_TAIL, space_number)


def hidden_tail(space_number: int, row: int) -> bytes:
    return _U16_U64.pack(Kind.HIDDEN_TAIL, space_number, row)


def hidden_blocks(space_number: int) -> bytes:
    return _U16.pack(Kind.HIDDEN_BLOCK, space_number)


def hidden_block(space_number: int, block: int) -> bytes:
    return _U16_U32.pack(Kind.HIDDEN_BLOCK, space_number, block)


def hidden_stored(space_number: int, block: int) -> bytes:
    return _U16_U32.pack(Kind.HIDDEN_STORED, space_number, block)


def hidden_lives(space_number: int) -> bytes:
    return _U16.pack(Kind.HIDDEN_LIVE, space_number)


def hidden_live(space_number: int, block: int) -> bytes:
    return _U16_U32.pack(Kind.HIDDEN_LIVE, space_number, block)


def hidden_references(space_number: int, block: int) -> bytes:
    return _U16_U32.pack(Kind.HIDDEN_REFERENCES, space_number, block)


def block_of(key: bytes) -> int:
    """The block number of a HIDDEN_BLOCK, _STORED, _LIVE or _REFERENCES key."""
    return _U16_U32.unpack(key)[2]


def document_rows(document_number: int) -> bytes:
    return _U64.pack(Kind.DOCUMENT_ROW, document_number)


def document_row(document_number: int, space_number: int) -> bytes:
    return _U64_U16.pack(Kind.DOCUMENT_ROW, document_number, space_number)


def classifier(version: int) -> bytes:
    return _U32.pack(Kind.CLASSIFIER, version)


def classifier_arrays(version: int) -> bytes:
    return _U32.pack(Kind.CLASSIFIER_ARRAY, version)


def classifier_array(version: int, array: int, item: int, part: int) -> bytes:
    """`item` numbers the members of a tuple of arrays; part 0 is the header, the bytes follow from part 1."""
    return _ARRAY.pack(Kind.CLASSIFIER_ARRAY, version, array, item, part)


def members(version: int) -> bytes:
    return _U32.pack(Kind.MEMBER, version)


def member(version: int, number: int) -> bytes:
    """Another member of a version's ensemble, numbered from 1: the version is member 0."""
    return _MEMBER.pack(Kind.MEMBER, version, number)


def member_arrays(version: int) -> bytes:
    return _U32.pack(Kind.MEMBER_ARRAY, version)


def member_array(version: int, number: int, array: int, item: int, part: int) -> bytes:
    """As `classifier_array`."""
    return _MEMBER_ARRAY.pack(Kind.MEMBER_ARRAY, version, number, array, item, part)


def predictions(version: int) -> bytes:
    return _U32.pack(Kind.PREDICTION, version)


def prediction(version: int, document_number: int) -> bytes:
    return _U32_U64.pack(Kind.PREDICTION, version, document_number)


def prediction_indexes(version: int) -> bytes:
    return _U32.pack(Kind.PREDICTION_INDEX, version)


def prediction_index(version: int, index: Index) -> bytes:
    return _INDEX_PREFIX.pack(Kind.PREDICTION_INDEX, version, index)


def prediction_entry(version: int, index: Index, value: float, document_number: int) -> bytes:
    return _INDEX.pack(Kind.PREDICTION_INDEX, version, index, ordered(value), document_number)


def checkpoints(job_number: int) -> bytes:
    return _U64.pack(Kind.CHECKPOINT, job_number)


def checkpoint(job_number: int, slot: int) -> bytes:
    return _U64_U16.pack(Kind.CHECKPOINT, job_number, slot)


def checkpoint_arrays(job_number: int, slot: int) -> bytes:
    return _U64_U16.pack(Kind.CHECKPOINT_ARRAY, job_number, slot)


def checkpoint_array(job_number: int, slot: int, array: int, part: int) -> bytes:
    return _CHECKPOINT_ARRAY.pack(Kind.CHECKPOINT_ARRAY, job_number, slot, array, part)


def number_of(key: bytes) -> int:
    """The last eight bytes: the document, row or job number that ends a key."""
    return int.from_bytes(key[-8:], "big")


def slot_of(key: bytes) -> int:
    """The last two bytes: the slot of a CHECKPOINT key, the number of a SPLIT or SPACE key."""
    return int.from_bytes(key[-2:], "big")


def version_of(key: bytes) -> int:
    """The version that follows the kind byte of CLASSIFIER and PREDICTION keys."""
    return int.from_bytes(key[1:5], "big")


def ordered(value: float) -> int:
    """A float64's bits so arranged that unsigned order is numeric order; -0.0 is 0.0. NaN is not a value.

    Positive floats already sort as integers: set their sign bit. Negative ones sort backwards: invert them.
    """
    if value != value:
        raise ValueError("an index value must be a number, got NaN")
    bits = _BITS.unpack(_FLOAT.pack(value + 0.0))[0]
    return bits ^ _U64_MASK if bits & _SIGN else bits | _SIGN


def unordered(bits: int) -> float:
    """The inverse of `ordered`."""
    return _FLOAT.unpack(_BITS.pack(bits ^ _SIGN if bits & _SIGN else bits ^ _U64_MASK))[0]


def value_of_entry(key: bytes) -> float:
    """The indexed value of a PREDICTION_INDEX key."""
    return unordered(_INDEX.unpack(key)[3])
