"""Whether a version still describes its documents. Owns the comparison of what a version recorded with what
the store holds now; changes nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import lmdb
import numpy as np

from reexd.records import CALIBRATION, TRAIN, UNLABELLED
from reexd.store import classifiers, documents, splits

# In pool_labels: parts of a version have different labels of the document, and no label is that of all.
LABELS_DIFFER = -(2**31)


class Staleness(NamedTuple):
    """How many pool documents changed since, each counted once, under the first heading that fits."""

    deleted: int
    replaced: int  # text, prompt or attributes changed
    relabelled: int
    left: int  # now in a split other than train and calibration
    unused: int  # labelled documents of train and calibration that the version has not seen; not staleness

    @property
    def stale(self) -> bool:
        return bool(self.deleted or self.replaced or self.relabelled or self.left)


def of(txn: lmdb.Transaction, version: int) -> Staleness:
    """Moving between train and calibration is not staleness. Raises ClassifierNotFound."""
    numbers = classifiers.array(txn, version, "pool_documents")
    revisions = classifiers.array(txn, version, "pool_revisions")
    labels = classifiers.array(txn, version, "pool_labels")
    now = documents.states(txn, numbers)
    pool = [splits.find(txn, name) for name in (TRAIN, CALIBRATION)]
    deleted = now.revisions < 0
    replaced = ~deleted & (now.revisions != revisions)
    relabelled = ~deleted & ~replaced & (now.labels != labels)
    left = ~deleted & ~replaced & ~relabelled & ~np.isin(now.splits, pool)
    unused = 0
    for name in (TRAIN, CALIBRATION):
        members = splits.members(txn, name)
        labelled = members.numbers[members.labels > UNLABELLED]
        unused += int((~np.isin(labelled, numbers)).sum())
    return Staleness(*(int(group.sum()) for group in (deleted, replaced, relabelled, left)), unused)
