"""Undo: the `add` that made the live version, taken back. The version before it answers again, and the documents that
it added have their labels and splits again, but for those that somebody edited since.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reexd.errors import DocumentNotFound, Unready
from reexd.records import CALIBRATION, TRAIN, Classifier, Document
from reexd.steps.add import ADDED_FROM
from reexd.steps.classifiers import number_of, origin_of
from reexd.store import classifiers, documents
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Txn


@dataclass(frozen=True)
class Undone:
    record: Classifier  # live again
    restored_count: int  # documents that have their label or split back
    kept_ids: list[str]  # edited since, and left as they are


@dataclass(frozen=True)
class _State:
    """What `add` may change of a document."""

    label: int
    by_person: bool
    split: str

    @classmethod
    def of(cls, document: Document) -> _State:
        return cls(document.label, document.labelled_by_person, document.split)

    def added(self, label: int) -> _State:
        """As `add` left it."""
        split = self.split if self.split in (TRAIN, CALIBRATION) else TRAIN
        return _State(label, self.by_person or label != self.label, split)


class Undo:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def add(self, project: str) -> Undone:
        """One transaction. Raises NotTrained, Unready for a live version that no `add` made, ClassifierNotFound when
        the one before it was deleted.
        """
        return self._catalogue.open(project).write(lambda txn: _undo(txn, project))


def _undo(txn: Txn, project: str) -> Undone:
    made = classifiers.live_classifier(txn, project)
    report = json.loads(made.training_json or "{}")
    parent = _parent(project, made, report)
    classifiers.set_live(txn, number_of(parent))
    restored, kept = 0, []
    for number, revision, label, was in _added(txn, made, report):
        try:
            document = documents.read(txn, number)
        except DocumentNotFound:  # deleted since: nothing to give back to
            continue
        now, before = _State.of(document), _State(**was)
        if document.revision != revision or now != before.added(label):
            kept.append(document.id)
        elif now != before:
            _restore(txn, document, before)
            restored += 1
    return Undone(classifiers.live_classifier(txn, project), restored, kept)


def _parent(project: str, made: Classifier, report: Mapping) -> str:
    """The name of the version that the live one added to. Raises Unready."""
    origin = origin_of(report)
    if origin.made_by != "add":
        raise Unready(
            f"only an `add` is undone, and the live version {made.name} was made by {origin.made_by}; if it was derived"
            f" from one that `add` made, make that one live first: `reexctl classifiers use {project} VERSION`",
            project=project,
        )
    if ADDED_FROM not in report:
        raise Unready(
            f"{made.name} was made before labels and splits were kept for an undo;"
            f" `reexctl classifiers use {project} {origin.parent}` goes back, and its documents stay as they are",
            project=project,
        )
    return origin.parent


def _added(txn: Txn, made: Classifier, report: Mapping) -> list[tuple[int, int, int, dict]]:
    """Number, revision, label and former state of each document that the version added: the last of its support."""
    former = report[ADDED_FROM]
    numbers = classifiers.array(txn, made.version, "support_documents")[-len(former) :]
    labels = classifiers.array(txn, made.version, "support_labels")[-len(former) :]
    pool = classifiers.array(txn, made.version, "pool_documents")
    revisions = classifiers.array(txn, made.version, "pool_revisions")[np.searchsorted(pool, numbers)]
    return list(zip(numbers.tolist(), revisions.tolist(), labels.tolist(), former, strict=True))


def _restore(txn: Txn, document: Document, before: _State) -> None:
    documents.relabel(txn, document.number, before.label, by_person=before.by_person)
    if document.split != before.split:
        documents.edit(txn, document.number, {"split": before.split})
