"""Classifier versions: immutable once put, with `live` a pointer to one of them. A version pins the hidden
states of its support. Knows nothing of how a version is fitted or used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from enum import IntEnum
from functools import partial

import lmdb
import numpy as np

from reexd.errors import ClassifierNotFound, Conflict, NotTrained
from reexd.records import Classifier, ClassifierArrays, Member
from reexd.store import adapters, keys, meta, predictions, ranges, references, spaces
from reexd.store import arrays as parts
from reexd.store.codecs.classifier import decode_classifier, encode_classifier
from reexd.store.references import Holder


class ArrayField(IntEnum):
    """The number in keys of each field of ClassifierArrays. Changing a number breaks every store."""

    projection_weight = 1
    projection_bias = 2
    classifier_weight = 3
    classifier_bias = 4
    support_rows = 5
    support_documents = 6
    support_labels = 7
    support_predictions = 8
    support_attributes = 9
    calibration_documents = 10
    calibration_table = 11
    calibration_labels = 12
    distance_cdfs = 13
    q_prime_cdfs = 14
    pool_documents = 15
    pool_revisions = 16
    pool_labels = 17
    pool_roles = 18
    pool_rows = 19
    before_documents = 20
    before_revisions = 21
    before_roles = 22
    before_rows = 23
    evidence_documents = 30
    evidence_table = 31
    probability_coefficients = 32
    probability_knots = 33
    foreign_text = 40
    foreign_ends = 41


_PER_CLASS = (ArrayField.distance_cdfs, ArrayField.q_prime_cdfs)  # tuples, one array for each class
_OPTIONAL = (  # written where a version has any
    ArrayField.pool_rows,
    ArrayField.before_documents,
    ArrayField.before_revisions,
    ArrayField.before_roles,
    ArrayField.before_rows,
    ArrayField.evidence_documents,
    ArrayField.evidence_table,
    ArrayField.probability_coefficients,
    ArrayField.probability_knots,
    ArrayField.foreign_text,
    ArrayField.foreign_ends,
)
_NONE = {each.name: each.default_factory for each in fields(ClassifierArrays)}


def next_version(txn: lmdb.Transaction) -> int:
    """Takes a version number, from 1; never given again."""
    return meta.take(txn, keys.Meta.NEXT_VERSION, first=1)


def put(
    txn: lmdb.Transaction, classifier: Classifier, arrays: ClassifierArrays, members: Sequence[Member] = ()
) -> None:
    """Stores a version, with the other members of its ensemble, and pins the support rows of all.

    Raises Conflict when the version exists.
    """
    version = classifier.version
    if txn.get(keys.classifier(version)) is not None:
        raise Conflict(
            f"classifier {classifier.name} exists and is immutable; take a new number with next_version",
            version=version,
        )
    txn.put(keys.classifier(version), encode_classifier(classifier))
    _put_arrays(txn, partial(keys.classifier_array, version), arrays)
    space = spaces.get(txn, classifier.space)
    references.retain(txn, space, arrays.support_rows, Holder.VERSION)
    for number, member in enumerate(members, start=1):
        txn.put(keys.member(version, number), encode_classifier(member.record))
        _put_arrays(txn, partial(keys.member_array, version, number), member.arrays)
        references.retain(txn, space, member.arrays.support_rows, Holder.VERSION)


def get(txn: lmdb.Transaction, version: int) -> Classifier:
    """Raises ClassifierNotFound."""
    value = txn.get(keys.classifier(version))
    if value is None:
        known = ", ".join(classifier.name for classifier in listed(txn)) or "none"
        raise ClassifierNotFound(
            f"there is no classifier v{version}; this project has {known}", version=version
        )
    return decode_classifier(value)


def arrays(txn: lmdb.Transaction, version: int) -> ClassifierArrays:
    """Owned copies of every array of a version. Raises ClassifierNotFound."""
    class_count = len(get(txn, version).classes)
    return _arrays(txn, partial(keys.classifier_array, version), class_count, f"classifier v{version}")


def members(txn: lmdb.Transaction, version: int) -> tuple[Member, ...]:
    """The other members of a version's ensemble, in order; empty when it has none."""
    found = []
    for number, (_, value) in enumerate(ranges.walk(txn, keys.members(version)), start=1):
        record = decode_classifier(value)
        what = f"classifier v{version}, member {number}"
        key = partial(keys.member_array, version, number)
        found.append(Member(record, _arrays(txn, key, len(record.classes), what)))
    return tuple(found)


def array(txn: lmdb.Transaction, version: int, name: str) -> np.ndarray:
    """One array of a version, for readers that need no more. Not for the per-class tuples."""
    get(txn, version)
    field = ArrayField[name]
    key = partial(keys.classifier_array, version, field, 0)
    if field in _OPTIONAL and txn.get(key(0)) is None:
        return _NONE[name]()  # type: ignore[operator, misc]
    return parts.get(txn, key, f"classifier v{version}, {field.name}")


def listed(txn: lmdb.Transaction) -> list[Classifier]:
    """All versions, oldest first."""
    return [decode_classifier(value) for _, value in ranges.walk(txn, keys.kind(keys.Kind.CLASSIFIER))]


def live(txn: lmdb.Transaction) -> int | None:
    """The version that answers, or None before the first training."""
    return meta.get(txn, keys.Meta.LIVE_VERSION) or None


def live_classifier(txn: lmdb.Transaction, project: str) -> Classifier:
    """Raises NotTrained, which names the project."""
    version = live(txn)
    if version is None:
        raise not_trained(project)
    return get(txn, version)


def not_trained(project: str) -> NotTrained:
    return NotTrained(
        f"project {project!r} has no classifier yet; upload labelled documents to the splits train and"
        f" calibration, then run `reexctl train {project}`",
        project=project,
    )


def set_live(txn: lmdb.Transaction, version: int) -> None:
    """Switches what answers; a rollback is the same. Raises ClassifierNotFound."""
    get(txn, version)
    meta.put(txn, keys.Meta.LIVE_VERSION, version)


def delete(txn: lmdb.Transaction, version: int) -> None:
    """Deletes a version with its predictions and unpins its rows. Raises ClassifierNotFound, and Conflict for
    the live one.
    """
    classifier = get(txn, version)
    if live(txn) == version:
        raise Conflict(
            f"classifier {classifier.name} is live; make another version live before deleting it",
            version=version,
        )
    support_rows = array(txn, version, ArrayField.support_rows.name)
    space = spaces.get(txn, classifier.space)
    references.release(txn, space, support_rows, Holder.VERSION)
    for member in members(txn, version):
        references.release(txn, space, member.arrays.support_rows, Holder.VERSION)
    adapters.release(txn, space)
    predictions.delete_version(txn, version)
    ranges.delete(txn, keys.member_arrays(version))
    ranges.delete(txn, keys.members(version))
    ranges.delete(txn, keys.classifier_arrays(version))
    txn.delete(keys.classifier(version))


KeyOfArray = Callable[[int, int, int], bytes]  # array, item, part


def _put_arrays(txn: lmdb.Transaction, key: KeyOfArray, arrays: ClassifierArrays) -> None:
    for array in ArrayField:
        value = getattr(arrays, array.name)
        if array in _OPTIONAL and not len(value):
            continue
        for item, each in enumerate(value if array in _PER_CLASS else (value,)):
            parts.put(txn, partial(key, array, item), each)


def _arrays(txn: lmdb.Transaction, key: KeyOfArray, class_count: int, what: str) -> ClassifierArrays:
    found: dict[str, np.ndarray | tuple[np.ndarray, ...]] = {}
    for array in ArrayField:
        if array in _OPTIONAL and txn.get(key(array, 0, 0)) is None:
            continue
        items = range(class_count if array in _PER_CLASS else 1)
        each = tuple(parts.get(txn, partial(key, array, item), f"{what}, {array.name}") for item in items)
        found[array.name] = each if array in _PER_CLASS else each[0]
    return ClassifierArrays(**found)  # type: ignore[arg-type]
