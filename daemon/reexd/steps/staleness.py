"""Staleness: whether a version still describes its documents, in words, kept until a document changes."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from reexd.store import documents, staleness
from reexd.store.catalogue import Catalogue


@dataclass(frozen=True)
class StalenessReport:
    reason: str  # empty when current
    unused_count: int  # labelled documents of train and calibration that the version has not seen


class Staleness:
    """Answers from memory until a document of the project changes: a query must not read the whole pool."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._lock = threading.Lock()
        self._known: dict[str, tuple[tuple[float, int, int], StalenessReport]] = {}

    def report(self, project: str, version: int) -> StalenessReport:
        """What changed since `version` was trained. Raises ProjectNotFound, ClassifierNotFound."""
        created_at = self._catalogue.get(project).created_at
        with self._catalogue.open(project).read() as txn:
            key = (created_at, documents.generation(txn), version)
            with self._lock:
                known = self._known.get(project)
            if known is not None and known[0] == key:
                return known[1]
            counts = staleness.of(txn, version)
        report = StalenessReport(_words(counts), counts.unused)
        with self._lock:
            self._known[project] = (key, report)
        return report


def _words(counts: staleness.Staleness) -> str:
    parts = [
        f"{count:,} {what}"
        for count, what in (
            (counts.deleted, "deleted"),
            (counts.replaced, "replaced"),
            (counts.relabelled, "relabelled"),
            (counts.left, "moved out of train and calibration"),
        )
        if count
    ]
    return f"of its training documents: {', '.join(parts)}" if parts else ""
