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


State = tuple[float, int]  # of a project: when it was created, and the generation of its documents


class Staleness:
    """Answers from memory until a document of the project changes: a query must not read the whole pool."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._lock = threading.Lock()
        self._known: dict[str, tuple[State, dict[int, StalenessReport]]] = {}  # reports by version

    def report(self, project: str, version: int) -> StalenessReport:
        """What changed since `version` was trained. Raises ProjectNotFound, ClassifierNotFound."""
        created_at = self._catalogue.get(project).created_at
        with self._catalogue.open(project).read() as txn:
            state = (created_at, documents.generation(txn))
            with self._lock:
                known = self._reports(project, state).get(version)
            if known is not None:
                return known
            counts = staleness.of(txn, version)
        report = StalenessReport(_words(counts), counts.unused)
        with self._lock:
            self._reports(project, state)[version] = report
        return report

    def _reports(self, project: str, state: State) -> dict[int, StalenessReport]:
        """Reports by version as of `state`; under the lock. Those of another state are forgotten."""
        if project not in self._known or self._known[project][0] != state:
            self._known[project] = (state, {})
        return self._known[project][1]


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
