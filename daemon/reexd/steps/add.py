"""Add: documents join the support of the live classifier, as a new version (sdm.md 10, "Updatability").

Neighbours, q and d0 follow at once; weights, F_c, G_c and regions stay, so that no prediction ever changes. A label
outside the classes of the version (-99, or a class appended since) agrees with nothing: such rows cut q.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from reexd.engine.client import Engine
from reexd.errors import Conflict, InvalidDocument, InvalidInput, InvalidLabel, Unready
from reexd.records import (
    CALIBRATION,
    OUT_OF_DISTRIBUTION,
    TRAIN,
    UNLABELLED,
    Classifier,
    ClassifierArrays,
    Document,
    Role,
)
from reexd.steps import ensemble
from reexd.steps.derive import Derive, Outdated, inherited, put
from reexd.steps.embed import Embed
from reexd.steps.live import Live, Loaded
from reexd.steps.predict import INTERACTIVE_TEXTS_MAX, features, fits
from reexd.steps.used_before import pool_rows
from reexd.store import classifiers, documents, hidden_states, references, spaces
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Txn

DOCUMENTS_MAX = 10_000
ADDED_FROM = "added_from"  # in a training record: what each of the added documents was, for `undo`


class Add:
    def __init__(
        self, catalogue: Catalogue, engine: Engine, embed: Embed, live: Live, derive: Derive
    ) -> None:
        self._catalogue = catalogue
        self._engine = engine
        self._embed = embed
        self._live = live
        self._derive = derive

    def documents(self, project: str, ids: Sequence[str], label: int | str | None) -> Classifier:
        """The new version, live. `label` is what all of them are labelled from now on; None keeps each one's own.

        Documents outside train and calibration move to train: what supports a version is training data. Raises
        NotTrained, DocumentNotFound, InvalidInput, InvalidLabel, InvalidDocument, Unready, and Conflict for a
        document that the version uses already: it cannot vouch twice, nor for its own calibration.
        """
        wanted = list(dict.fromkeys(ids))
        if not 1 <= len(wanted) <= DOCUMENTS_MAX:
            raise InvalidInput(
                f"1 to {DOCUMENTS_MAX:,} documents can be added at once; received {len(wanted):,}"
            )
        number = self._label(project, label)
        return self._derive.run(project, lambda: self._attempt(project, wanted, number))

    def _label(self, project: str, label: int | str | None) -> int | None:
        classes = self._catalogue.get(project).classes
        if isinstance(label, str) and label in classes:
            return classes.index(label)
        if (
            label is None
            or label == OUT_OF_DISTRIBUTION
            or (isinstance(label, int) and 0 <= label < len(classes))
        ):
            return label
        known = ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")
        raise InvalidLabel(
            f"expected one of the classes {known}, 0 to {len(classes) - 1}, or {OUT_OF_DISTRIBUTION} (belongs to no"
            f" class); received {label!r}"
        )

    def _attempt(self, project: str, ids: list[str], label: int | None) -> Classifier:
        loaded = self._live.get(project)
        environment = self._catalogue.open(project)
        with environment.read() as txn:
            found = [documents.get(txn, id) for id in ids]
        for document in found:
            _check(loaded, document, label)
        numbers = np.array([document.number for document in found], np.int64)
        self._embed.for_version(project, loaded.record, numbers)
        with environment.read() as txn:
            space = spaces.get(txn, loaded.record.space)
            rows = references.rows(txn, space, numbers)
            if (rows < 0).any():
                _check_vectors(loaded, found, rows)
                raise Outdated  # replaced or deleted while it was embedded
            vectors = features(hidden_states.gather(txn, space, rows), found, loaded.record.attribute_count)
            parent = classifiers.arrays(txn, loaded.record.version)
            members = classifiers.members(txn, loaded.record.version)
        matches = self._engine.match(
            loaded.handle, vectors, neighbors=0, interactive=len(found) <= INTERACTIVE_TEXTS_MAX
        )
        labels = np.array([each.label if label is None else label for each in found], np.int32)
        predictions = matches.logits.argmax(axis=1).astype(np.int32)
        arrays = _extended(parent, found, rows, labels, predictions)
        report = _report(loaded.record, arrays, ids)
        others = ensemble.extended(
            members,
            lambda own, predicted: _extended(own, found, rows, labels, predicted),
            self._engine,
            loaded,
            vectors,
        )

        def work(txn: Txn) -> Classifier:
            now = documents.states(txn, numbers)
            if (now.revisions != [each.revision for each in found]).any() or (
                now.labels != [each.label for each in found]
            ).any():
                raise Outdated
            before = _settle(txn, numbers, labels)
            return put(txn, loaded.record, arrays, "add", {**report, ADDED_FROM: before}, others)

        return environment.write(work)


def _check(loaded: Loaded, document: Document, label: int | None) -> None:
    at = int(np.searchsorted(loaded.pool_documents, document.number))
    if at < len(loaded.pool_documents) and loaded.pool_documents[at] == document.number:
        name, id = loaded.record.name, document.id
        if loaded.pool_roles[at] == Role.CALIBRATION:
            raise Conflict(
                f"document {id!r} calibrates {name}: in the support it would vouch for itself; add another one",
                id=id,
            )
        raise Conflict(
            f"document {id!r} is in the support of {name} already; a new label or text takes effect with the next"
            " training",
            id=id,
        )
    if label is None and document.label == UNLABELLED:
        raise InvalidLabel(
            f"document {document.id!r} has no label; say which with `--label`: a class, or {OUT_OF_DISTRIBUTION} when"
            " it belongs to none",
            id=document.id,
        )
    if not fits(loaded, document):
        raise InvalidDocument(
            f"classifier {loaded.record.name} was trained with {loaded.record.attribute_count} attributes per document;"
            f" document {document.id!r} has {len(document.attributes)}",
            field="attributes",
        )


def _check_vectors(loaded: Loaded, found: list[Document], rows: np.ndarray) -> None:
    """A version that reads vectors of no model here can take a document only with the vector that it brought."""
    if not loaded.record.model:
        bare = found[int(np.argmin(rows))].id
        raise Unready(
            f"classifier {loaded.record.name} reads vectors of {loaded.record.fingerprint!r}, and document {bare!r} has"
            " none; upload it with its vector, as a .sdmdataset",
            id=bare,
        )


def _extended(
    parent: ClassifierArrays,
    found: list[Document],
    rows: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
) -> ClassifierArrays:
    """The parent's arrays with the documents in support and pool; weights and calibration are the same."""
    numbers = np.array([document.number for document in found], np.int64)
    revisions = np.array([document.revision for document in found], np.int64)
    count = parent.support_attributes.shape[1]
    own = np.array([document.attributes[:count] for document in found], np.float32).reshape(len(found), count)
    pool = np.concatenate([parent.pool_documents, numbers])
    order = np.argsort(pool)  # ascending, so that a document's role is found by bisection
    return replace(
        parent,
        support_rows=np.concatenate([parent.support_rows, rows]),
        support_documents=np.concatenate([parent.support_documents, numbers]),
        support_labels=np.concatenate([parent.support_labels, labels]),
        support_predictions=np.concatenate([parent.support_predictions, predictions]),
        support_attributes=np.concatenate([parent.support_attributes, own]),
        pool_documents=pool[order],
        pool_rows=np.concatenate([pool_rows(partial(getattr, parent)), rows])[order],
        pool_revisions=np.concatenate([parent.pool_revisions, revisions])[order],
        pool_labels=np.concatenate([parent.pool_labels, labels])[order],
        pool_roles=np.concatenate([parent.pool_roles, np.full(len(found), Role.SUPPORT, np.uint8)])[order],
    )


def _report(parent: Classifier, arrays: ClassifierArrays, ids: list[str]) -> dict:
    report = inherited(parent)
    known = arrays.support_labels[
        (arrays.support_labels >= 0) & (arrays.support_labels < len(parent.classes))
    ]
    return {
        **report,
        "documents": len(arrays.pool_documents),
        "support_rows": np.bincount(known, minlength=len(parent.classes)).tolist(),
        "support_rows_of_no_class": len(arrays.support_labels) - len(known),
        "added": ids,
        "added_since_calibration": report.get("added_since_calibration", 0) + len(ids),
    }


def _settle(txn: Txn, numbers: np.ndarray, labels: np.ndarray) -> list[dict]:
    """Labels by a person's hand, and the split train for what is outside the pool's two; what each was before."""
    before = []
    for number, label in zip(numbers.tolist(), labels.tolist(), strict=True):
        was = documents.read(txn, number)
        before.append({"label": was.label, "by_person": was.labelled_by_person, "split": was.split})
        if was.label != label:
            documents.relabel(txn, number, label)
        if was.split not in (TRAIN, CALIBRATION):
            documents.edit(txn, number, {"split": TRAIN})
    return before
