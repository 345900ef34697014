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
        if bool(ids) == bool(split) or len(ids) > IDS_MAX:
            raise InvalidInput(
                f"expected 1 to {IDS_MAX:,} ids, or a split; received {len(ids):,} ids and the split {split!r}"
            )
        environment = self._catalogue.open(project)
        with environment.read() as txn:
            found = {each: documents.find(txn, each) for each in ids if each}
            missing = tuple(each for each in dict.fromkeys(ids) if found.get(each) is None)
            known = [number for number in found.values() if number is not None]
            numbers = documents.numbers(txn, split) if split else np.array(known, np.int64)
            version = classifiers.live(txn)
            live = None if version is None else classifiers.get(txn, version)
            used = np.zeros(0) if live is None else classifiers.array(txn, live.version, "pool_documents")
        name = "" if live is None else live.name
        if validate_only:
            return Deletion(len(numbers), int(np.isin(numbers, used).sum()), name, missing)
        deleted = _delete(environment, numbers, split)
        return Deletion(len(deleted), int(np.isin(deleted, used).sum()), name, missing)


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
