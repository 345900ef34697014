"""What of the stored documents a filter (steps.filters) holds for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reexd.errors import DocumentNotFound, NotTrained
from reexd.steps.filters import Filter, Subject
from reexd.store import classifiers, documents, predictions
from reexd.store.environment import Txn


def holding(txn: Txn, filter: Filter | None, numbers: np.ndarray, version: int | None = None) -> np.ndarray:
    """Those of the documents that it holds for, (n,) int64; see `predicate`."""
    if filter is None:
        return numbers
    holds = predicate(txn, filter, version)
    return numbers[np.fromiter(map(holds, numbers.tolist()), bool, len(numbers))]


def predicate(txn: Txn, filter: Filter, version: int | None = None) -> Callable[[int], bool]:
    """Whether a filter holds for the document of a number, by a version or the live one.

    Never for a document that is gone, nor, where it is about predictions, for one that the version has not answered.
    Raises NotTrained.
    """
    if filter.needs_prediction and version is None:
        version = classifiers.live(txn)
        if version is None:
            raise NotTrained("a filter on predictions needs a classifier; train one: reexctl train NAME")

    def holds(number: int) -> bool:
        try:
            document = documents.read(txn, number, with_text=filter.needs_text)
        except DocumentNotFound:
            return False
        if not filter.needs_prediction:
            return filter.holds(Subject(document, None))
        answer = next(predictions.scan(txn, version, [number]), None)
        return answer is not None and filter.holds(Subject(document, answer))

    return holds
