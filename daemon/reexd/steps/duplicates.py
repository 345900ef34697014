"""Duplicates: groups of documents that read nearly the same, by the hidden states of the project's language model.

A group is a document and those within reach of it, not a chain: two of one group may be a little farther apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reexd.errors import InvalidInput
from reexd.records import UNLABELLED, Document
from reexd.steps.embed import Embed
from reexd.steps.label_errors import check_limit
from reexd.store import documents, hidden_states, references, splits
from reexd.store.catalogue import Catalogue

LIMIT_MAX = 10_000
DOCUMENTS_MAX = 50_000  # all are compared with all
ROWS = 512  # of one product


@dataclass(frozen=True)
class Group:
    documents: list[tuple[Document, float]]  # with the cosine to the first; by it, the first one first

    @property
    def labels_differ(self) -> bool:
        return len({document.label for document, _ in self.documents} - {UNLABELLED}) > 1

    @property
    def splits_differ(self) -> bool:
        return len({document.split for document, _ in self.documents}) > 1


@dataclass(frozen=True)
class Duplicates:
    groups: list[Group]
    compared_count: int
    group_count: int
    duplicate_count: int


class FindDuplicates:
    def __init__(self, catalogue: Catalogue, embed: Embed) -> None:
        self._catalogue = catalogue
        self._embed = embed

    def run(self, project: str, wanted: Sequence[str], similarity_min: float, limit: int) -> Duplicates:
        """Of the splits, none for all. Embeds what is not embedded yet.

        Raises SplitNotFound, ModelMissing, InvalidInput.
        """
        check_limit(limit, LIMIT_MAX)
        if not 0.5 <= similarity_min <= 1.0:
            raise InvalidInput(f"a least similarity lies between 0.5 and 1; received {similarity_min}")
        record = self._catalogue.get(project)
        environment = self._catalogue.open(project)
        with environment.read() as txn:
            names = list(dict.fromkeys(wanted)) or list(splits.names(txn).values())
            numbers = np.sort(np.concatenate([documents.numbers(txn, name) for name in names]))
        if len(numbers) > DOCUMENTS_MAX:
            raise InvalidInput(
                f"all are compared with all, of at most {DOCUMENTS_MAX:,} documents; received {len(numbers):,}:"
                " name fewer splits"
            )
        space = self._embed.space(record)
        self._embed.documents(record, numbers)
        with environment.read() as txn:
            rows = references.rows(txn, space, numbers)
            numbers, rows = numbers[rows >= 0], rows[rows >= 0]
            places, positions = np.unique(rows, return_inverse=True)  # equal texts share a row
            vectors = hidden_states.gather(txn, space, places)[positions.reshape(-1)]
        found = grouped(vectors, similarity_min)
        with environment.read() as txn:
            groups = [
                _group(documents.read_many(txn, numbers[at]), numbers[at], cosines) for at, cosines in found
            ]
        groups = [group for group in groups if len(group.documents) > 1]
        groups.sort(
            key=lambda each: (each.labels_differ, each.splits_differ, each.documents[1][1]), reverse=True
        )
        duplicates = sum(len(group.documents) - 1 for group in groups)
        return Duplicates(groups[:limit], len(numbers), len(groups), duplicates)


def _group(found: list[Document], numbers: np.ndarray, cosines: np.ndarray) -> Group:
    """Without those that were deleted meanwhile."""
    by_number = dict(zip(numbers.tolist(), cosines.tolist(), strict=True))
    return Group([(document, by_number[document.number]) for document in found])


def grouped(vectors: np.ndarray, similarity_min: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """(n, D) -> for each group its places, the first one and then by cosine with it, and these cosines.

    The first document that is in no group yet takes all of the later ones within reach that are in none.
    """
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    least = similarity_min - 1e-6  # of equal texts the product may fall short of 1
    taken = np.zeros(len(unit), bool)
    groups: list[tuple[np.ndarray, np.ndarray]] = []
    for start in range(0, len(unit), ROWS):
        cosines = unit[start : start + ROWS] @ unit[start:].T  # (rows, n - start)
        near = cosines >= least
        for row in np.flatnonzero(near.sum(axis=1) > 1):
            place = start + int(row)
            if taken[place]:
                continue
            others = np.flatnonzero(near[row, row + 1 :]) + place + 1
            others = others[~taken[others]]
            if not len(others):
                continue
            alike = np.minimum(cosines[row, others - start], 1.0)
            order = np.argsort(-alike, kind="stable")
            taken[others] = True
            groups.append((np.array([place, *others[order]]), np.array([1.0, *alike[order]])))
    return groups
