"""Embedded: what the language model has read, on its way into the store."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reexd.errors import ClassifierNotFound
from reexd.records import Document
from reexd.store import documents, hidden_states, references, spaces
from reexd.store.environment import Environment, Txn
from reexd.store.spaces import Space

COMMIT_ROWS = 256  # hidden states per transaction: a crash costs seconds of work, not minutes


@dataclass(frozen=True)
class Batch:
    """Embedded and not yet committed: (digest, its documents), and their vectors and windows in parts."""

    groups: list[tuple[bytes, list[Document]]]
    vectors: list[np.ndarray]
    windows: list[np.ndarray]

    def commit(self, environment: Environment, space: Space) -> int:
        """Store the rows and link the documents, in one transaction; how many documents."""

        def work(txn: Txn) -> None:
            _check(txn, space)
            rows = hidden_states.append(
                txn,
                space,
                [digest for digest, _ in self.groups],
                np.concatenate(self.vectors),
                np.concatenate(self.windows),
            )
            linked = [
                (document, row) for (_, same), row in zip(self.groups, rows, strict=True) for document in same
            ]
            _link(txn, space, [document for document, _ in linked], np.array([row for _, row in linked]))

        environment.write(work)
        return sum(len(same) for _, same in self.groups)


def link_stored(txn: Txn, space: Space, found: list[Document], digests: list[bytes]) -> np.ndarray:
    """Link documents to the hidden states that the store has of them: (n,) bool, of which it has.

    Looked up where they are linked: between two transactions what nothing refers to yet may be freed.
    """
    _check(txn, space)
    rows = hidden_states.lookup(txn, space, digests)
    stored = rows >= 0
    _link(txn, space, [document for document, one in zip(found, stored, strict=True) if one], rows[stored])
    return stored


def _check(txn: Txn, space: Space) -> None:
    if not spaces.there(txn, space.number):
        raise deleted_meanwhile()


def deleted_meanwhile() -> ClassifierNotFound:
    return ClassifierNotFound(
        "the classifier version was deleted while documents were read for it, and its tuned language model with it;"
        " `reexctl classifiers list` shows those there are"
    )


def _link(txn: Txn, space: Space, found: list[Document], rows: np.ndarray) -> None:
    """Link what was read to its row, unless the document was replaced or deleted since."""
    numbers = np.array([document.number for document in found], np.int64)
    revisions = np.array([document.revision for document in found], np.int64)
    same = documents.states(txn, numbers).revisions == revisions
    references.link(txn, space, numbers[same], rows[same])
