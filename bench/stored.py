"""What a stopped daemon left in its store: hidden states, labels, and the part each document played.

So the peers of a bench read the very numbers that the daemon computed. Needs a home that no daemon holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from reexd.store import classifiers, hidden_states, references, spaces, splits
from reexd.store.catalogue import Catalogue

from bench.daemon import BenchFailed


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Documents of one project, by the order of their upload."""

    vectors: np.ndarray  # (n, D) float32
    labels: np.ndarray  # (n,)
    support: np.ndarray  # (n,) bool: supports the live version

    def where(self, chosen: np.ndarray) -> Rows:
        return Rows(self.vectors[chosen], self.labels[chosen], self.support[chosen])

    def with_rows(self, other: Rows) -> Rows:
        pairs = ((getattr(self, name), getattr(other, name)) for name in self.__slots__)
        return Rows(*(np.concatenate(pair) for pair in pairs))


def read(home: Path, project: str) -> dict[str, Rows]:
    """The rows of each split."""
    catalogue = Catalogue(home / "store")
    try:
        with catalogue.open(project).read() as txn:
            (space,) = spaces.listed(txn)
            version = classifiers.live(txn)
            assert version is not None
            support = classifiers.arrays(txn, version).support_documents
            found = {}
            for name in splits.summary(txn):
                members = splits.members(txn, name)
                rows = references.rows(txn, space, members.numbers)
                if (rows < 0).any():
                    raise BenchFailed(f"{(rows < 0).sum()} documents of split {name} have no hidden state")
                found[name] = Rows(
                    np.array(hidden_states.gather(txn, space, rows)),
                    np.array(members.labels),
                    np.isin(members.numbers, support),
                )
            return found
    finally:
        catalogue.close()
