"""Recalibrate: F_c, G_c and the regions of the live classifier fitted again to its present support, as a new version.

The calibration documents are those of the version that are still there as they were, under their present labels.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reexd import sdm
from reexd.engine.client import Engine
from reexd.errors import NotEnoughData
from reexd.records import CALIBRATION, TRAIN, Classifier, ClassifierArrays
from reexd.steps.calibrate import calibration_report, calibration_table
from reexd.steps.derive import Derive, Outdated, inherited, put
from reexd.steps.embed import Embed
from reexd.steps.live import Live
from reexd.store import attributes, classifiers, documents, hidden_states, references, spaces, splits
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Txn


class Recalibrate:
    def __init__(
        self, catalogue: Catalogue, engine: Engine, embed: Embed, live: Live, derive: Derive
    ) -> None:
        self._catalogue = catalogue
        self._engine = engine
        self._embed = embed
        self._live = live
        self._derive = derive

    def live(self, project: str) -> Classifier:
        """The new version, live. Raises NotTrained, Unready, NotEnoughData."""
        return self._derive.run(project, lambda: self._attempt(project))

    def _attempt(self, project: str) -> Classifier:
        loaded = self._live.get(project)
        record = loaded.record
        environment = self._catalogue.open(project)
        with environment.read() as txn:
            parent = classifiers.arrays(txn, record.version)
            generation = documents.generation(txn)
            chosen, labels = _usable(txn, parent, len(record.classes))
        _check(project, record, labels)
        numbers = parent.calibration_documents[chosen]
        self._embed.for_version(project, record, numbers)
        with environment.read() as txn:
            space = spaces.get(txn, record.space)
            rows = references.rows(txn, space, numbers)
            if (rows < 0).any():  # replaced or deleted meanwhile
                raise Outdated
            own = attributes.matrix(txn, numbers)[:, : record.attribute_count]
            vectors = np.concatenate([hidden_states.gather(txn, space, rows), own], axis=1)
        matches = self._engine.match(loaded.handle, vectors, neighbors=0)
        report = inherited(record)
        calibration = sdm.calibrate(
            labels,
            parent.calibration_table[chosen, -len(record.classes) :],  # logits: the weights are the same
            matches.q,
            matches.d0,
            len(record.classes),
            pooled_classes_min=report.get("settings", {}).get("pooled_classes_min", 0),
        )
        arrays = _recalibrated(parent, chosen, labels, calibration)
        report |= calibration_report(calibration, record.classes) | {
            "calibration_rows": np.bincount(labels, minlength=len(record.classes)).tolist(),
            "calibration_rows_left_out": len(chosen) - int(chosen.sum()),
            "added_since_calibration": 0,
        }

        def work(txn: Txn) -> Classifier:
            if documents.generation(txn) != generation:
                now, now_labels = _usable(txn, parent, len(record.classes))
                if not np.array_equal(now, chosen) or not np.array_equal(now_labels, labels):
                    raise Outdated
            return put(txn, record, arrays, "recalibrate", report, regions=calibration.regions)

        return environment.write(work)


def _usable(txn: Txn, parent: ClassifierArrays, class_count: int) -> tuple[np.ndarray, np.ndarray]:
    """Which calibration rows can be matched again: (n,) bool; and the present labels of those, int32.

    A document that was replaced is another text, one moved out of train and calibration was taken away on purpose,
    and a foreign one is not here.
    """
    numbers = parent.calibration_documents
    chosen, labels = np.zeros(len(numbers), bool), np.empty(0, np.int32)
    if (numbers >= 0).any():
        chosen[numbers >= 0], labels = _usable_here(txn, parent, numbers[numbers >= 0], class_count)
    return chosen, labels


def _usable_here(
    txn: Txn, parent: ClassifierArrays, numbers: np.ndarray, class_count: int
) -> tuple[np.ndarray, np.ndarray]:
    now = documents.states(txn, numbers)
    recorded = parent.pool_revisions[np.searchsorted(parent.pool_documents, numbers)]
    inside = np.isin(now.splits, [splits.find(txn, name) for name in (TRAIN, CALIBRATION)])
    labelled = (now.labels >= 0) & (now.labels < class_count)
    chosen = (now.revisions == recorded) & inside & labelled
    return chosen, now.labels[chosen]


def _check(project: str, record: Classifier, labels: np.ndarray) -> None:
    counts = np.bincount(labels, minlength=len(record.classes))
    absent = [record.classes[label] for label in np.flatnonzero(counts == 0)]
    if absent:
        raise NotEnoughData(
            f"of the documents that calibrated {record.name} none is left of {', '.join(absent[:5])}"
            f"{' and others' if len(absent) > 5 else ''}; train again with `reexctl train {project}`",
            project=project,
        )


def _recalibrated(
    parent: ClassifierArrays, chosen: np.ndarray, labels: np.ndarray, calibration: sdm.Calibration
) -> ClassifierArrays:
    """The parent's arrays with another calibration, and the present labels of what was matched again.

    What was left out stays in the pool: the weights were chosen with it, so it is not unseen, and the version stale.
    """
    at = np.searchsorted(parent.pool_documents, parent.calibration_documents[chosen])
    pool_labels = parent.pool_labels.copy()
    pool_labels[at] = labels
    return replace(
        parent,
        calibration_documents=parent.calibration_documents[chosen],
        calibration_labels=labels,
        calibration_table=calibration_table(calibration),
        distance_cdfs=calibration.distance_cdfs,
        q_prime_cdfs=calibration.q_prime_cdfs,
        pool_labels=pool_labels,
    )
