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
from reexd.steps.select import members
from reexd.steps.suspects import check_limit
from reexd.store import documents, hidden_states, references
from reexd.store.catalogue import Catalogue

LIMIT_MAX = 10_000
DOCUMENTS_MAX = 50_000  # all are compared with all
SIMILARITY_LEAST = 0.5
ROWS = 512  # of one product


@dataclass(frozen=True)
class Group:
    documents: list[Document]  # the one that was uploaded first, then by their cosine with it
    cosines: np.ndarray  # (k,) of each with the first
    labels_differ: bool
    splits_differ: bool


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
        if not SIMILARITY_LEAST <= similarity_min <= 1.0:
            raise InvalidInput(
                f"a least similarity lies between {SIMILARITY_LEAST} and 1; received {similarity_min}"
            )
        record = self._catalogue.get(project)
        environment = self._catalogue.open(project)
        with environment.read() as txn:
            numbers = members(txn, wanted, ())
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
            states = documents.states(txn, numbers)
            found = [
                (at[states.revisions[at] >= 0], cosines[states.revisions[at] >= 0]) for at, cosines in found
            ]
            found = [(at, cosines) for at, cosines in found if len(at) > 1]  # some were deleted meanwhile
            labels = [len(np.setdiff1d(states.labels[at], [UNLABELLED])) > 1 for at, _ in found]
            several = [len(np.unique(states.splits[at])) > 1 for at, _ in found]
            order = sorted(
                range(len(found)), key=lambda n: (labels[n], several[n], found[n][1][1]), reverse=True
            )
            groups = [
                Group(documents.read_many(txn, numbers[found[n][0]]), found[n][1], labels[n], several[n])
                for n in order[:limit]
            ]
        return Duplicates(groups, len(numbers), len(found), sum(len(at) - 1 for at, _ in found))


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
