"""Derive: a version made from the live one without retraining. Owns what it inherits, and the race for `live`.

A derived version is as complete and immutable as a trained one; its record names its parent. The weights, and with
them every prediction, are the parent's.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from reexd.errors import Conflict
from reexd.records import Classifier, ClassifierArrays, Member
from reexd.store import classifiers
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Txn

ATTEMPTS_MAX = 8
OF_ITS_OWN = (
    "job",
    "durations",
    "parent",
    "origin",
    "added",
    "added_from",
)  # facts of a record that no other version inherits
LASTING = "lasting_warnings"  # in a record: those of its warnings that no new calibration answers


class Outdated(Exception):
    """What a version was being derived from has changed meanwhile."""


class Derive:
    """One derivation of a project at a time: each takes what the one before it made live."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._lock = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}

    def run(self, project: str, attempt: Callable[[], Classifier]) -> Classifier:
        """What `attempt` makes, tried again while it raises Outdated: trainings, switches and uploads go on meanwhile.

        Raises ProjectNotFound, and Conflict when that never ends.
        """
        self._catalogue.get(project)  # only projects that exist have a lock
        with self._lock:
            turn = self._turns.setdefault(project, threading.Lock())
        with turn:
            for _ in range(ATTEMPTS_MAX):
                try:
                    return attempt()
                except Outdated:
                    continue
        raise Conflict(
            "the live classifier or the documents kept changing meanwhile; try again", project=project
        )


def inherited(parent: Classifier) -> dict:
    """The part of a training record that stays true of a version with the same weights."""
    report = json.loads(parent.training_json)
    return {name: value for name, value in report.items() if name not in OF_ITS_OWN}


def put(
    txn: Txn,
    parent: Classifier,
    arrays: ClassifierArrays,
    origin: str,
    report: dict,
    members: Sequence[Member] = (),
    **changes: object,
) -> Classifier:
    """Write the next version, with the other members of its ensemble, and make it live.

    Raises Outdated when `parent` is not live any more.
    """
    if classifiers.live(txn) != parent.version:
        raise Outdated
    record = replace(
        parent,
        version=classifiers.next_version(txn),
        training_json=json.dumps({"parent": parent.name, "origin": origin, **report}),
        created_at=time.time(),
        **changes,  # type: ignore[arg-type]
    )
    others = [replace(each, record=replace(each.record, version=record.version)) for each in members]
    classifiers.put(txn, record, arrays, others)
    classifiers.set_live(txn, record.version)
    return record
