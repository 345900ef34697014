"""Select: stored documents by id, by split and label, or by a filter (steps.filters)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reexd.errors import InvalidInput
from reexd.steps import filters
from reexd.steps.filtered import holding
from reexd.steps.filters import Filter
from reexd.steps.predict import Predict
from reexd.store import documents, splits
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Txn

IDS_MAX = 1_000


@dataclass(frozen=True)
class Selection:
    """Documents by id; or all of a split, of those that have a label, of those that a filter holds for."""

    ids: Sequence[str] = ()
    split: str = ""
    label: int | None = None
    where: str = ""

    @property
    def splits(self) -> tuple[str, ...]:
        """That are named; none for all."""
        return (self.split,) if self.split else ()


class Select:
    """What a filter asks for is there before it is used: documents are scored first where it is about predictions."""

    def __init__(self, catalogue: Catalogue, predict: Predict) -> None:
        self._catalogue = catalogue
        self._predict = predict

    def filter(
        self, project: str, where: str, wanted: Sequence[str] = (), *, score: bool = True
    ) -> Filter | None:
        """None for an empty one. Scores what the live version has not answered yet in the splits, none for all.

        Raises InvalidInput, SplitNotFound, NotTrained.
        """
        if not where:
            return None
        parsed = filters.parse(where, self._catalogue.get(project).classes)
        if parsed.needs_prediction and score:
            with self._catalogue.open(project).read() as txn:
                names = list(wanted) or [name for name, counts in splits.summary(txn).items() if counts]
            for name in names:
                self._predict.score(project, name)
        return parsed


def check(selection: Selection) -> None:
    """Raises InvalidInput unless there are some ids, not too many, or else a split or a filter."""
    chosen = bool(selection.split or selection.where)
    if bool(selection.ids) == chosen or len(selection.ids) > IDS_MAX:
        raise InvalidInput(
            f"expected 1 to {IDS_MAX:,} ids, or a split or a filter; received {len(selection.ids):,} ids, the split"
            f" {selection.split!r} and the filter {selection.where!r:.80}"
        )


def numbers(txn: Txn, selection: Selection, filter: Filter | None) -> tuple[tuple[str, ...], np.ndarray]:
    """Ids that no document has, and the documents' numbers, (n,) int64. Raises SplitNotFound, NotTrained."""
    if selection.ids:
        found = {each: documents.find(txn, each) if each else None for each in selection.ids}
        known = [number for number in found.values() if number is not None]
        return tuple(each for each, number in found.items() if number is None), np.array(known, np.int64)
    labels = () if selection.label is None else (selection.label,)
    return (), holding(txn, filter, members(txn, selection.splits, labels))


def members(txn: Txn, wanted: Sequence[str], labels: Sequence[int]) -> np.ndarray:
    """(n,) int64, ascending: documents of any of the splits and any of the labels, none for all.

    Raises SplitNotFound.
    """
    names = list(wanted) or list(splits.names(txn).values())
    parts = [splits.members(txn, name) for name in dict.fromkeys(names)]
    numbers = np.concatenate([part.numbers for part in parts])
    if labels:
        numbers = numbers[np.isin(np.concatenate([part.labels for part in parts]), labels)]
    return np.sort(numbers)
