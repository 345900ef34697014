"""Predictions of stored documents by (version, document), with the index keys that selections need.

Written once and read by evaluate, selections and reports. A document's current label and id are joined on
reading. When a document's content changes or it is deleted its predictions go in the same transaction, so
what is here is current for its version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import lmdb
import numpy as np

from reexd.errors import InvalidInput
from reexd.records import UNLABELLED, Neighbor, Prediction
from reexd.store import keys, ranges, splits
from reexd.store.codecs.document import decode_document_header, decode_document_id
from reexd.store.codecs.fields import text
from reexd.store.codecs.prediction import decode_prediction, encode_prediction, reliability_rank
from reexd.store.keys import Index

Range = tuple[float, float]  # both ends included

DELETED = "(deleted)"  # in place of the text of a neighbour that is gone
NEIGHBORS_ALL = 1 << 16


def put_many(txn: lmdb.Transaction, predictions: Iterable[Prediction]) -> int:
    """Stores predictions of stored documents, replacing earlier ones of the same version; how many.

    A document deleted since it was scored is passed over, and not counted. `label`, `document_id` and the
    neighbours' ids and texts are not stored.
    """
    stored = 0
    for prediction in predictions:
        if prediction.document < 0:
            raise InvalidInput(
                "only predictions of stored documents are kept; this one has no document number"
            )
        if txn.get(keys.document(prediction.document)) is None:
            continue
        _remove(txn, prediction.version, prediction.document)
        txn.put(keys.prediction(prediction.version, prediction.document), encode_prediction(prediction))
        for key in _entries(prediction):
            txn.put(key, b"")
        stored += 1
    return stored


def get(txn: lmdb.Transaction, version: int, number: int) -> Prediction | None:
    """One prediction with all its neighbours, or None."""
    return next(scan(txn, version, [number], neighbors=NEIGHBORS_ALL), None)


def scan(
    txn: lmdb.Transaction, version: int, numbers: Iterable[int] | None = None, *, neighbors: int = 0
) -> Iterator[Prediction]:
    """All predictions of a version by document number, or those of `numbers` in that order, each with its
    first `neighbors`. Documents that have none are passed over.
    """
    if numbers is None:
        for key, value in ranges.walk(txn, keys.predictions(version)):
            yield _with_neighbors(txn, version, keys.number_of(key), value, neighbors)
        return
    for number in map(int, numbers):
        value = txn.get(keys.prediction(version, number))
        if value is not None:
            yield _with_neighbors(txn, version, number, value, neighbors)


def named(txn: lmdb.Transaction, neighbors: Sequence[Neighbor]) -> tuple[Neighbor, ...]:
    """The same with ids and texts; `DELETED` stands for the text of one that was deleted since.

    A foreign one (see store.foreign) is left as it is: its version knows its name.
    """
    return tuple(_named(txn, neighbor) for neighbor in neighbors)


def scored(txn: lmdb.Transaction, version: int, split: str | None = None) -> np.ndarray:
    """(n,) int64, ascending: the documents with a prediction, of a split or all. Raises SplitNotFound."""
    found = _numbers(ranges.keys(txn, keys.predictions(version)))
    if split is None:
        return found
    return np.intersect1d(found, splits.members(txn, split).numbers, assume_unique=True)


def missing(txn: lmdb.Transaction, version: int, split: str) -> np.ndarray:
    """(n,) int64, ascending: the documents of a split that still need a prediction. Raises SplitNotFound."""
    wanted = splits.members(txn, split).numbers
    return wanted[[txn.get(keys.prediction(version, int(number))) is None for number in wanted]]


def select(
    txn: lmdb.Transaction,
    version: int,
    *,
    split: str | None = None,
    within: Mapping[Index, Range] | None = None,
    order_by: Index | None = None,
    descending: bool = False,
) -> np.ndarray:
    """(n,) int64 document numbers, from index keys alone: no record is read.

    `within` holds inclusive bounds by index; RELIABILITY is 0 (out-of-distribution) to 4 (highest), ROLE is
    0 for unseen documents. Order is by the index's value, then number; without `order_by`, by number.
    """
    if order_by is None:
        chosen = scored(txn, version, split)
        order = chosen[::-1] if descending else chosen
    else:
        order = _indexed(txn, version, order_by, (within or {}).get(order_by))
        order = order[::-1] if descending else order
        if split is not None:
            order = order[np.isin(order, splits.members(txn, split).numbers)]
    for index, bounds in (within or {}).items():
        if index is not order_by:
            order = order[np.isin(order, _indexed(txn, version, index, bounds))]
    return order


def versions(txn: lmdb.Transaction) -> list[int]:
    """The versions that have predictions, found by skipping from one to the next."""
    found: list[int] = []
    start = keys.predictions(0)
    while True:
        key = next(ranges.keys(txn, keys.kind(keys.Kind.PREDICTION), start=start), None)
        if key is None:
            return found
        found.append(keys.version_of(key))
        start = keys.predictions(found[-1] + 1)


def delete_version(txn: lmdb.Transaction, version: int) -> int:
    """Deletes all predictions of a version; how many there were."""
    ranges.delete(txn, keys.prediction_indexes(version))
    return ranges.delete(txn, keys.predictions(version))


def delete_document(txn: lmdb.Transaction, number: int) -> None:
    """Deletes what every version said of a document."""
    for version in versions(txn):
        _remove(txn, version, number)


def _remove(txn: lmdb.Transaction, version: int, number: int) -> None:
    value = txn.get(keys.prediction(version, number))
    if value is None:
        return
    for key in _entries(decode_prediction(value, version, number, "", UNLABELLED, neighbors=False)):
        txn.delete(key)
    txn.delete(keys.prediction(version, number))


def _entries(prediction: Prediction) -> list[bytes]:
    values = {
        Index.PREDICTION: prediction.prediction,
        Index.REGION_ALPHA: prediction.region_alpha,
        Index.RELIABILITY: reliability_rank(prediction.reliability),
        Index.Q: prediction.q,
        Index.D: prediction.d,
        Index.PROBABILITY: probability(prediction),
        Index.ROLE: prediction.role,
    }
    return [
        keys.prediction_entry(prediction.version, index, value, prediction.document)
        for index, value in values.items()
    ]


def probability(prediction: Prediction) -> float:
    """Of being right, as far as the version knows."""
    known = prediction.probability
    return prediction.sdm[prediction.prediction] if known is None else known


def _indexed(txn: lmdb.Transaction, version: int, index: Index, bounds: Range | None) -> np.ndarray:
    """(n,) int64 document numbers in the order of an index, within bounds."""
    prefix = keys.prediction_index(version, index)
    if bounds is None:
        return _numbers(ranges.keys(txn, prefix))
    low, high = bounds
    start = keys.prediction_entry(version, index, low, 0)
    end = keys.prediction_entry(version, index, high, (1 << 64) - 1)
    found: list[bytes] = []
    for key in ranges.keys(txn, prefix, start=start):
        if key > end:
            break
        found.append(key)
    return _numbers(found)


def _numbers(found: Iterable[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(key[-8:] for key in found), ">u8").astype(np.int64)


def _joined(
    txn: lmdb.Transaction, version: int, number: int, value: memoryview, *, neighbors: bool
) -> Prediction:
    record = txn.get(keys.document(number))
    label = UNLABELLED if record is None else decode_document_header(record).label
    identity = "" if record is None else decode_document_id(record)
    return decode_prediction(value, version, number, identity, label, neighbors=neighbors)


def _with_neighbors(
    txn: lmdb.Transaction, version: int, number: int, value: memoryview, count: int
) -> Prediction:
    prediction = _joined(txn, version, number, value, neighbors=count > 0)
    return replace(prediction, neighbors=named(txn, prediction.neighbors[:count])) if count else prediction


def _named(txn: lmdb.Transaction, neighbor: Neighbor) -> Neighbor:
    if neighbor.document < 0:
        return neighbor
    record = txn.get(keys.document(neighbor.document))
    if record is None:
        return replace(neighbor, document_id="", text=DELETED)
    written = text(txn.get(keys.document_text(neighbor.document), b""), "document text")
    return replace(neighbor, document_id=decode_document_id(record), text=written)
