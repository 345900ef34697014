"""Documents: read them, list them, count them, delete them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reexd.records import Document
from reexd.steps import select
from reexd.steps.filtered import holding, predicate
from reexd.steps.filters import Filter
from reexd.steps.select import Select, Selection
from reexd.store import classifiers, documents, splits
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Environment, Txn

BATCH = 1_000  # documents deleted in one transaction: others write in between


@dataclass(frozen=True)
class Deletion:
    """What is deleted, or would be."""

    count: int
    used_count: int  # of them, those that the live version was trained or calibrated on
    classifier: str  # the live version; empty: none
    missing: tuple[str, ...]  # ids that no document has


class Documents:
    def __init__(self, catalogue: Catalogue, select: Select) -> None:
        self._catalogue = catalogue
        self._select = select

    def get(self, project: str, id: str) -> Document:
        """Raises ProjectNotFound, DocumentNotFound."""
        with self._catalogue.open(project).read() as txn:
            return documents.get(txn, id)

    def list(
        self, project: str, split: str, label: int | None, where: str, after: int, limit: int
    ) -> documents.Page:
        """In upload order, numbers above `after`; of one split, one label and a filter when given.

        Raises SplitNotFound, InvalidInput, NotTrained.
        """
        first = after < 0  # what a filter asks for is scored once, not for every page
        filter = self._select.filter(project, where, [split] if split else (), score=first)
        with self._catalogue.open(project).read() as txn:
            keep = None if filter is None else predicate(txn, filter)
            return documents.page(
                txn, split or None, label=label, after=after, limit=limit, with_text=True, keep=keep
            )

    def summary(self, project: str) -> tuple[tuple[str, ...], dict[str, dict[int, int]]]:
        """Class names, and documents by label by split, the standing splits first."""
        classes = self._catalogue.get(project).classes
        with self._catalogue.open(project).read() as txn:
            return classes, splits.summary(txn)

    def delete(self, project: str, selection: Selection, *, validate_only: bool) -> Deletion:
        """Delete documents; a version that used them is stale from then on.

        Raises ProjectNotFound, SplitNotFound, InvalidInput, and NotTrained for a filter on predictions.
        """
        select.check(selection)
        filter = self._select.filter(project, selection.where, selection.splits)
        environment = self._catalogue.open(project)
        with environment.read() as txn:
            missing, numbers = select.numbers(txn, selection, filter)
            name, used = used_by_live(txn)
        if validate_only:
            return Deletion(len(numbers), int(np.isin(numbers, used).sum()), name, missing)
        deleted = _delete(environment, numbers, selection, filter)
        return Deletion(len(deleted), int(np.isin(deleted, used).sum()), name, missing)


def used_by_live(txn: Txn) -> tuple[str, np.ndarray]:
    """The live version, empty when there is none, and the documents that it was trained or calibrated on."""
    version = classifiers.live(txn)
    if version is None:
        return "", np.zeros(0, np.int64)
    return classifiers.get(txn, version).name, classifiers.array(txn, version, "pool_documents")


def _delete(
    environment: Environment, numbers: np.ndarray, selection: Selection, filter: Filter | None
) -> list[int]:
    """Which of `numbers` were there, and selected still, and are deleted."""
    deleted: list[int] = []
    for start in range(0, len(numbers), BATCH):

        def work(txn: Txn, batch: np.ndarray = numbers[start : start + BATCH]) -> list[int]:
            states = documents.states(txn, batch)
            there = states.revisions >= 0
            if selection.split:
                there &= states.splits == splits.find(txn, selection.split)
            chosen = holding(txn, filter, batch[there])
            documents.delete(txn, chosen)
            return chosen.tolist()

        deleted += environment.write(work)
    return deleted
