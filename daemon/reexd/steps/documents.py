"""Documents: read them, list them, count them, delete them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reexd.errors import InvalidInput
from reexd.records import Document
from reexd.store import classifiers, documents, splits
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Environment, Txn

IDS_MAX = 1_000
BATCH = 1_000  # documents deleted in one transaction: others write in between


@dataclass(frozen=True)
class Deletion:
    """What is deleted, or would be."""

    count: int
    used_count: int  # of them, those that the live version was trained or calibrated on
    classifier: str  # the live version; empty: none
    missing: tuple[str, ...]  # ids that no document has


class Documents:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def get(self, project: str, id: str) -> Document:
        """Raises ProjectNotFound, DocumentNotFound."""
        with self._catalogue.open(project).read() as txn:
            return documents.get(txn, id)

    def list(self, project: str, split: str, label: int | None, after: int, limit: int) -> documents.Page:
        """In upload order, numbers above `after`; of one split and one label when given. Raises SplitNotFound."""
        with self._catalogue.open(project).read() as txn:
            return documents.page(txn, split or None, label=label, after=after, limit=limit, with_text=True)

    def summary(self, project: str) -> tuple[tuple[str, ...], dict[str, dict[int, int]]]:
        """Class names, and documents by label by split, the standing splits first."""
        classes = self._catalogue.get(project).classes
        with self._catalogue.open(project).read() as txn:
            return classes, splits.summary(txn)

    def delete(self, project: str, ids: Sequence[str], split: str, *, validate_only: bool) -> Deletion:
        """Delete documents by id, or all of a split; a version that used them is stale from then on.

        Raises ProjectNotFound, SplitNotFound, and InvalidInput unless exactly one of both is given.
        """
        check_selection(ids, split)
        environment = self._catalogue.open(project)
        with environment.read() as txn:
            missing, known = by_id(txn, ids)
            numbers = documents.numbers(txn, split) if split else known
            name, used = used_by_live(txn)
        if validate_only:
            return Deletion(len(numbers), int(np.isin(numbers, used).sum()), name, missing)
        deleted = _delete(environment, numbers, split)
        return Deletion(len(deleted), int(np.isin(deleted, used).sum()), name, missing)


def check_selection(ids: Sequence[str], split: str) -> None:
    """Raises InvalidInput unless there are some ids, not too many, or a split."""
    if bool(ids) == bool(split) or len(ids) > IDS_MAX:
        raise InvalidInput(
            f"expected 1 to {IDS_MAX:,} ids, or a split; received {len(ids):,} ids and the split {split!r}"
        )


def by_id(txn: Txn, ids: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """The ids that no document has, and the numbers of the documents, (n,) int64."""
    found = {each: documents.find(txn, each) if each else None for each in ids}
    known = [number for number in found.values() if number is not None]
    return tuple(each for each, number in found.items() if number is None), np.array(known, np.int64)


def used_by_live(txn: Txn) -> tuple[str, np.ndarray]:
    """The live version, empty when there is none, and the documents that it was trained or calibrated on."""
    version = classifiers.live(txn)
    if version is None:
        return "", np.zeros(0, np.int64)
    return classifiers.get(txn, version).name, classifiers.array(txn, version, "pool_documents")


def _delete(environment: Environment, numbers: np.ndarray, split: str) -> list[int]:
    """Which of `numbers` were there, and in the split where one is named, and are deleted."""
    deleted: list[int] = []
    for start in range(0, len(numbers), BATCH):

        def work(txn: Txn, batch: np.ndarray = numbers[start : start + BATCH]) -> list[int]:
            states = documents.states(txn, batch)
            there = states.revisions >= 0
            if split:
                there &= states.splits == splits.find(txn, split)
            documents.delete(txn, batch[there])
            return batch[there].tolist()

        deleted += environment.write(work)
    return deleted
