"""Recalibrate: F_c, G_c and the regions of the live classifier fitted again to its present support, as a new version.

The calibration documents are those of the version that are still there as they were, under their present labels, less
those whose text and label the support has under another id. Rungs and the probability of being right are fitted anew
with them and with those of the other members of an ensemble; without one, what the other shuffles of the training said
of documents that are still there stays in its evidence: their weights are gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reexd import sdm
from reexd.engine.client import Engine, MatchHandle
from reexd.errors import NotEnoughData
from reexd.interchange.portable_regions import resolution
from reexd.records import CALIBRATION, TRAIN, Classifier, ClassifierArrays, Member
from reexd.steps.calibrate import calibration_report, calibration_table
from reexd.steps.certify import certified_together
from reexd.steps.confidence import confidence_report, with_confidence
from reexd.steps.derive import LASTING, Derive, Outdated, inherited, put
from reexd.steps.embed import Embed
from reexd.steps.live import Live
from reexd.store import attributes, classifiers, documents, hidden_states, references, spaces, splits
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Txn
from reexd.store.spaces import Space
from reexd.store.staleness import LABELS_DIFFER


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
        record, class_count = loaded.record, len(loaded.record.classes)
        environment = self._catalogue.open(project)
        with environment.read() as txn:
            parent = classifiers.arrays(txn, record.version)
            members = classifiers.members(txn, record.version)
        self._embed.for_version(project, record, _calibrating(parent, members))
        with environment.read() as txn:
            space = spaces.get(txn, record.space)
            generation = documents.generation(txn)
            sides = _sides(txn, space, parent, members, class_count)
            evidence = _evidence(txn, parent, class_count)
        for side in sides:
            _check(project, record, side)
        report = inherited(record)
        settings = report.get("settings", {})
        rules = {
            "pooled_classes_min": settings.get("pooled_classes_min", 0),
            "certified": settings.get("certified", False),
            "alphas": sdm.ladder_alphas(resolution(record)),
        }
        handles = [loaded.handle, *(each.handle for each in loaded.members)]
        calibrations = [
            self._calibration(project, record, handle, side, rules)
            for handle, side in zip(handles, sides, strict=True)
        ]
        parent = _with_evidence(parent, evidence)
        calibrations = certified_together(calibrations, [side.numbers for side in sides], evidence=parent)
        calibration, chosen = calibrations[0], sides[0].chosen
        arrays = replace(
            _recalibrated(parent, chosen, sides[0].labels, calibration),
            pool_labels=_pool_labels(parent, members, [*sides, evidence]),
        )
        measured = [
            (side.numbers, found.rows) for side, found in zip(sides[1:], calibrations[1:], strict=True)
        ]
        arrays = with_confidence(arrays, measured)
        report |= calibration_report(calibration, record.classes)
        report |= confidence_report(arrays, record.classes) | {
            "warnings": report.get(LASTING, []) + report["warnings"],
            "calibration_rows": np.bincount(sides[0].labels, minlength=class_count).tolist(),
            "calibration_rows_left_out": len(chosen) - int(chosen.sum()),
            "added_since_calibration": 0,
        }
        others = [_member(each, found) for each, found in zip(members, calibrations[1:], strict=True)]

        def work(txn: Txn) -> Classifier:
            if documents.generation(txn) != generation:
                now = [*_sides(txn, space, parent, members, class_count), _evidence(txn, parent, class_count)]
                if not all(one.same(other) for one, other in zip([*sides, evidence], now, strict=True)):
                    raise Outdated
            return put(txn, record, arrays, "recalibrate", report, others, regions=calibration.regions)

        return environment.write(work)

    def _calibration(
        self, project: str, record: Classifier, handle: MatchHandle, side: _Side, rules: dict
    ) -> sdm.Calibration:
        """F_c, G_c and regions from matching a side's documents again. Raises Outdated, Unready."""
        with self._catalogue.open(project).read() as txn:
            space = spaces.get(txn, record.space)
            rows = references.rows(txn, space, side.numbers)
            if (rows < 0).any():  # replaced or deleted meanwhile
                raise Outdated
            own = attributes.matrix(txn, side.numbers)[:, : record.attribute_count]
            vectors = np.concatenate([hidden_states.gather(txn, space, rows), own], axis=1)
        matches = self._engine.match(handle, vectors, neighbors=0)
        return sdm.calibrate(
            side.labels,
            matches.logits if side.logits is None else side.logits[side.chosen],
            matches.q,
            matches.d0,
            len(record.classes),
            **rules,
        )


@dataclass(frozen=True, eq=False)
class _Side:
    """The documents that calibrate a version, or another member of its ensemble."""

    documents: np.ndarray  # (n,) int64
    chosen: np.ndarray  # (n,) bool: can be matched again
    labels: np.ndarray  # (k,) int32, the present ones of the chosen
    logits: (
        np.ndarray | None
    )  # (n, C) float32 as they were recorded, the weights being the same; None: not recorded

    @property
    def numbers(self) -> np.ndarray:
        return self.documents[self.chosen]

    def same(self, other: _Side) -> bool:
        return np.array_equal(self.chosen, other.chosen) and np.array_equal(self.labels, other.labels)


def _calibrating(parent: ClassifierArrays, members: Sequence[Member]) -> np.ndarray:
    """(n,) int64: the documents of the project that calibrate a version or another member of its ensemble."""
    numbers = parent.pool_documents if members else parent.calibration_documents
    return numbers[numbers >= 0]


def _sides(
    txn: Txn, space: Space, parent: ClassifierArrays, members: Sequence[Member], class_count: int
) -> list[_Side]:
    """The version's own, then those of the other members: a pool document that does not support one calibrates it."""
    logits = parent.calibration_table[:, -class_count:]
    sides = [(parent, parent.calibration_documents, logits)]
    for each in members:
        own = np.setdiff1d(parent.pool_documents, each.arrays.support_documents)
        sides.append((each.arrays, own, None))
    found = []
    for arrays, numbers, known in sides:
        chosen, labels = _usable(txn, parent, numbers, class_count)
        alone = ~_supported(txn, space, arrays, numbers[chosen], labels)
        chosen[chosen] = alone
        found.append(_Side(numbers, chosen, labels[alone], known))
    return found


def _supported(
    txn: Txn, space: Space, arrays: ClassifierArrays, numbers: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """(n,) bool: which documents have a twin of their own label in a support, which `add` may have taken.

    Such a document would vouch for itself: its nearest neighbour is itself under another id.
    """
    rows = references.rows(txn, space, numbers)
    found = np.isin(rows, arrays.support_rows)
    count = arrays.support_attributes.shape[1]
    among = np.flatnonzero(np.isin(arrays.support_rows, rows[found]))
    support = zip(
        arrays.support_rows[among].tolist(),
        arrays.support_labels[among].tolist(),
        map(tuple, arrays.support_attributes[among].tolist()),
        strict=True,
    )
    known, places = set(support), np.flatnonzero(found)
    own = attributes.matrix(txn, numbers[places])[:, :count].astype(np.float32).tolist()
    for at, told in zip(places.tolist(), own, strict=True):
        found[at] = (rows[at], labels[at], tuple(told)) in known
    return found


def _evidence(txn: Txn, parent: ClassifierArrays, class_count: int) -> _Side:
    """The rows of its evidence: those of one document may be several."""
    numbers = parent.evidence_documents
    return _Side(numbers, *_usable(txn, parent, numbers, class_count), None)


def _member(member: Member, calibration: sdm.Calibration) -> Member:
    arrays = replace(
        member.arrays, distance_cdfs=calibration.distance_cdfs, q_prime_cdfs=calibration.q_prime_cdfs
    )
    return Member(replace(member.record, regions=calibration.regions), arrays)


def _usable(
    txn: Txn, parent: ClassifierArrays, numbers: np.ndarray, class_count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which documents of the pool can be matched again: (n,) bool; and the present labels of those, int32.

    A document that was replaced is another text, one moved out of train and calibration was taken away on purpose,
    and a foreign one is not here.
    """
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


def _check(project: str, record: Classifier, side: _Side) -> None:
    cure = f"train again with `reexctl train {project}`"
    if not (side.documents >= 0).any():
        raise NotEnoughData(
            f"{record.name} is an imported model, and the project holds none of the documents that calibrated it;"
            f" {cure}",
            project=project,
        )
    counts = np.bincount(side.labels, minlength=len(record.classes))
    absent = [record.classes[label] for label in np.flatnonzero(counts == 0)]
    if absent:
        raise NotEnoughData(
            f"of the documents that calibrated {record.name} none is left of {', '.join(absent[:5])}"
            f"{' and others' if len(absent) > 5 else ''}; {cure}",
            project=project,
        )


def _recalibrated(
    parent: ClassifierArrays, chosen: np.ndarray, labels: np.ndarray, calibration: sdm.Calibration
) -> ClassifierArrays:
    """The parent's arrays with another calibration.

    What was left out stays in the pool: the weights were chosen with it, so it is not unseen, and the version stale.
    """
    return replace(
        parent,
        calibration_documents=parent.calibration_documents[chosen],
        calibration_labels=labels,
        calibration_table=calibration_table(calibration),
        distance_cdfs=calibration.distance_cdfs,
        q_prime_cdfs=calibration.q_prime_cdfs,
    )


def _pool_labels(parent: ClassifierArrays, members: Sequence[Member], fitted: Sequence[_Side]) -> np.ndarray:
    """(n_pool,) int32: the label that all of the version has of each document; LABELS_DIFFER where there are two.

    What was fitted again has the present label; the support of the version, and that of each other member of its
    ensemble, keeps the one it was made with. A document may be in both, and then only a training makes it one again.
    """
    labels, again = parent.pool_labels.copy(), np.zeros(len(parent.pool_labels), bool)
    for side in fitted:
        at = np.searchsorted(parent.pool_documents, side.numbers)
        labels[at], again[at] = side.labels, True
    for arrays in (parent, *(each.arrays for each in members)):
        here = np.isin(arrays.support_documents, parent.pool_documents)  # not so where it was imported
        at = np.searchsorted(parent.pool_documents, arrays.support_documents[here])
        differ = again[at] & (labels[at] != arrays.support_labels[here])
        labels[at[differ]] = LABELS_DIFFER
    return labels


def _with_evidence(arrays: ClassifierArrays, evidence: _Side) -> ClassifierArrays:
    """Only the rows of documents that are still there, under their present labels."""
    table = arrays.evidence_table[evidence.chosen]
    table[:, 0] = evidence.labels
    return replace(arrays, evidence_documents=evidence.numbers, evidence_table=table)
