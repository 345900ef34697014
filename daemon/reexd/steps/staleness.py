"""Staleness: whether a version still describes its documents, in words, kept until a document changes."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from reexd.errors import ClassifierNotFound
from reexd.store import documents, staleness
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Txn

DELETED = "the version was deleted while it answered"


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
        with self._catalogue.open(project).read() as txn:
            if known := self._known_in(txn, project, version):
                return known
            state = self._state(txn, project)
            counts = staleness.of(txn, version)
        report = StalenessReport(_words(counts), counts.unused)
        with self._lock:
            self._reports(project, state)[version] = report
        return report

    def of_held(self, project: str, version: int) -> StalenessReport:
        """The same of a version that the caller answers with: one that was deleted meanwhile is stale, and no error."""
        try:
            return self.report(project, version)
        except ClassifierNotFound:
            return StalenessReport(DELETED, 0)

    def at_hand(self, project: str, version: int) -> StalenessReport | None:
        """The same if no document changed since it was last asked for; safe on an event loop."""
        with self._catalogue.open(project).read() as txn:
            return self._known_in(txn, project, version)

    def _known_in(self, txn: Txn, project: str, version: int) -> StalenessReport | None:
        state = self._state(txn, project)
        with self._lock:
            return self._reports(project, state).get(version)

    def _state(self, txn: Txn, project: str) -> State:
        return self._catalogue.get(project).created_at, documents.generation(txn)

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
