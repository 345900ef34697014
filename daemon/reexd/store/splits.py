"""Splits: their names, their members in document order, and counts by label kept in step with every change.

An index by (split, number) means that selecting one split never walks the others. Knows nothing of documents'
contents. The three standing splits exist in every project, also while empty.
"""

from __future__ import annotations

from typing import NamedTuple

import lmdb
import numpy as np

from reexd.errors import Conflict, InvalidInput, SplitNotFound, StoreCorrupt
from reexd.records import CALIBRATION, TEST, TRAIN
from reexd.store import keys, ranges
from reexd.store.codecs.document import decode_members, encode_member
from reexd.store.codecs.fields import decode_u64, encode_u64, text, utf8

_STANDING = (TRAIN, CALIBRATION, TEST)  # numbers 0, 1, 2; never written
_NUMBER_MAX = 0xFFFF


class Members(NamedTuple):
    """The documents of a split, ascending by number."""

    numbers: np.ndarray  # (n,) int64
    labels: np.ndarray  # (n,) int32
    revisions: np.ndarray  # (n,) int64


def names(txn: lmdb.Transaction) -> dict[int, str]:
    """Split number -> name, the standing ones first."""
    found = dict(enumerate(_STANDING))
    for key, value in ranges.walk(txn, keys.kind(keys.Kind.SPLIT)):
        found[keys.slot_of(key)] = text(value, "split")
    return found


def find(txn: lmdb.Transaction, name: str) -> int:
    """The number of a split. Raises SplitNotFound."""
    known = names(txn)
    for number, candidate in known.items():
        if candidate == name:
            return number
    raise SplitNotFound(
        f"there is no split {name!r}; this project has {', '.join(known.values())}", split=name
    )


def find_or_create(txn: lmdb.Transaction, name: str) -> int:
    known = names(txn)
    for number, candidate in known.items():
        if candidate == name:
            return number
    number = max(known) + 1
    if number > _NUMBER_MAX:
        raise StoreCorrupt(
            f"a project holds at most {_NUMBER_MAX + 1} splits; use an existing one for {name!r}"
        )
    txn.put(keys.split(number), utf8(name))
    return number


def rename(txn: lmdb.Transaction, name: str, new: str) -> None:
    """Raises SplitNotFound, InvalidInput for one that every project has, Conflict where another one has the name."""
    number = find(txn, name)
    if name in _STANDING:
        raise InvalidInput(f"train, calibration and test keep their names; received {name!r}")
    other = next((each for each, known in names(txn).items() if known == new and each != number), None)
    if other is not None and other >= len(_STANDING) and not counts(txn, other):
        txn.delete(keys.split(other))  # what was in it is gone, and with it the name
    elif other is not None:
        raise Conflict(f"there is a split {new!r} already; move the documents of {name!r} into it", split=new)
    txn.put(keys.split(number), utf8(new))


def place(txn: lmdb.Transaction, split: int, document: int, label: int, revision: int) -> None:
    """Writes the member entry; counts are the caller's, who knows what was there before."""
    txn.put(keys.split_member(split, document), encode_member(label, revision))


def displace(txn: lmdb.Transaction, split: int, document: int) -> None:
    txn.delete(keys.split_member(split, document))


def count(txn: lmdb.Transaction, split: int, label: int, change: int) -> None:
    """Adds to a counter; a counter at zero has no key."""
    if change == 0:
        return
    key = keys.label_count(split, label)
    value = txn.get(key)
    total = (0 if value is None else decode_u64(value, "label count")) + change
    if total < 0:
        raise StoreCorrupt(
            f"the count of label {label} in split {split} would fall to {total}; restore a backup"
        )
    if total == 0:
        txn.delete(key)
    else:
        txn.put(key, encode_u64(total))


def counts(txn: lmdb.Transaction, split: int) -> dict[int, int]:
    """Label -> documents, from the counters."""
    return {
        keys.label_of_count(key): decode_u64(value, "label count")
        for key, value in ranges.walk(txn, keys.label_counts(split))
    }


def summary(txn: lmdb.Transaction) -> dict[str, dict[int, int]]:
    """Split name -> label -> documents, for the standing splits and those that hold any; costs the number of counters,
    not of documents."""
    found = {number: counts(txn, number) for number in names(txn)}
    return {
        name: found[number] for number, name in names(txn).items() if found[number] or number < len(_STANDING)
    }


def members(txn: lmdb.Transaction, name: str) -> Members:
    """All documents of one split. Raises SplitNotFound."""
    found: list[bytes] = []
    values: list[bytes] = []
    for key, value in ranges.walk(txn, keys.split_members(find(txn, name))):
        found.append(key[-8:])
        values.append(bytes(value))
    entries = decode_members(b"".join(values), len(values))
    return Members(
        numbers=np.frombuffer(b"".join(found), ">u8").astype(np.int64),
        labels=entries["label"].astype(np.int32),
        revisions=entries["revision"].astype(np.int64),
    )
