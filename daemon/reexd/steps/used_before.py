"""Used before: what the versions that a version goes on from used, beside its own pool.

Its weights began with theirs, and a tuned language model with what it was tuned on: such a document is not unseen,
though the pool does not hold it. Kept with the version, so that it outlives them. Must not know how a pool is split.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reexd.records import Role

PREFIX = "before_"  # of the names of a version's arrays

Arrays = Callable[[str], np.ndarray]  # one array of a version, by its name among ClassifierArrays


@dataclass(frozen=True, eq=False)
class UsedBefore:
    """Documents as they were when they were used, each once for each revision."""

    documents: np.ndarray  # (k,) int64, numbers
    revisions: np.ndarray  # (k,) int64
    roles: np.ndarray  # (k,) uint8, Role
    rows: np.ndarray  # (k,) int64, hidden states; -1 where not known

    def __len__(self) -> int:
        return len(self.documents)

    def where(self, chosen: np.ndarray) -> UsedBefore:
        return UsedBefore(
            self.documents[chosen], self.revisions[chosen], self.roles[chosen], self.rows[chosen]
        )

    def apart_from(self, numbers: np.ndarray, revisions: np.ndarray) -> UsedBefore:
        """Those that are not documents of a pool, as they are in it."""
        own = set(zip(numbers.tolist(), revisions.tolist(), strict=True))
        mine = zip(self.documents.tolist(), self.revisions.tolist(), strict=True)
        return self.where(np.array([pair not in own for pair in mine], bool))

    def holds(self, numbers: np.ndarray, revisions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(n,) bool: which documents are among them: of the same revision, or of the same hidden state still."""
        by_revision, by_row = self._known
        asked = zip(numbers.tolist(), revisions.tolist(), rows.tolist(), strict=True)
        return np.array([(n, v) in by_revision or (n, r) in by_row for n, v, r in asked], bool)

    @cached_property
    def _known(self) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
        """Pairs of number and revision, and of number and row."""
        rows = self.where(self.rows >= 0)
        return (
            set(zip(self.documents.tolist(), self.revisions.tolist(), strict=True)),
            set(zip(rows.documents.tolist(), rows.rows.tolist(), strict=True)),
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """By the names that a version keeps them under; `kept` is the inverse."""
        return {
            PREFIX + "documents": self.documents,
            PREFIX + "revisions": self.revisions,
            PREFIX + "roles": self.roles,
            PREFIX + "rows": self.rows,
        }


NOTHING = UsedBefore(
    np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0, np.int64)
)


def kept(arrays: Arrays) -> UsedBefore:
    """What a version keeps of its ancestors."""
    return UsedBefore(*(arrays(name) for name in NOTHING.arrays()))


def everything(arrays: Arrays) -> UsedBefore:
    """What a version used itself, and what it keeps of its ancestors."""
    own = UsedBefore(
        arrays("pool_documents"), arrays("pool_revisions"), arrays("pool_roles"), pool_rows(arrays)
    )
    return joined([own, kept(arrays)])


def joined(parts: Sequence[UsedBefore]) -> UsedBefore:
    """All of them; what trained one and calibrated another has trained."""
    columns = [
        np.concatenate(column) for column in zip(*(each.arrays().values() for each in parts), strict=True)
    ]
    whole = UsedBefore(*columns)
    order = np.lexsort((-whole.rows, whole.roles, whole.revisions, whole.documents))
    whole = whole.where(order)
    same = (np.diff(whole.documents) == 0) & (np.diff(whole.revisions) == 0)
    return whole.where(np.concatenate([np.ones(min(len(whole), 1), bool), ~same]))


def pool_rows(arrays: Arrays) -> np.ndarray:
    """(n_pool,) int64: the hidden state of each document of a version's pool; -1 where it is not known.

    A version that was made before they were recorded knows those of its support.
    """
    recorded, pool = arrays("pool_rows"), arrays("pool_documents")
    if len(recorded) or not len(pool):
        return recorded
    found = np.full(len(pool), -1, np.int64)
    numbers, rows = arrays("support_documents"), arrays("support_rows")
    at = np.minimum(np.searchsorted(pool, numbers), len(pool) - 1)
    there = (pool[at] == numbers) & (arrays("pool_roles")[at] == Role.SUPPORT)
    found[at[there]] = rows[there]
    return found
