"""Continuation: what a training that goes on from a saved version takes over from it (sdm.md 7), and when it may.

Owns: the weights it begins with, and which documents stay on which side. What the parent trained on must not calibrate
its child: to these weights such a document is no unseen one. Must not know epochs, jobs, or how a pool is split.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from reexd.errors import InvalidSetting, Unready
from reexd.records import Classifier, ClassifierArrays, ModelFacts, Project, Role
from reexd.sdm import AdaptorWeights, Normalization
from reexd.steps import used_before
from reexd.steps.used_before import UsedBefore
from reexd.store import attributes, classifiers
from reexd.store.environment import Txn

ORIGIN = "continue"
PREFIX = "start_"  # of the weights among the arrays of a job's checkpoint


@dataclass(frozen=True, eq=False)
class Continued:
    """The parent as it was when the pool was frozen: it may be deleted before the job has ended."""

    parent: str
    weights: AdaptorWeights
    normalization: Normalization
    held: np.ndarray  # (n,) uint8: the Role that a document of the pool keeps; 0 is split with the rest
    known: bool  # False: the parent was imported, and nobody here knows what trained it
    used: UsedBefore  # all that the parent and those that it goes on from used

    @property
    def start(self) -> tuple[AdaptorWeights, Normalization]:
        return self.weights, self.normalization

    def seen(self, calibration: np.ndarray) -> int:
        """How many of the rows that calibrate, (n,) int64, the parent is known to have trained on."""
        return int(np.count_nonzero(self.held[calibration] == Role.SUPPORT))

    def report(self, calibration: np.ndarray, *, kept: bool) -> dict:
        """The part of a training record that tells of it; `kept`: documents stayed on their sides, as they should."""
        held = self.held if kept else np.zeros_like(self.held)
        return {
            "origin": ORIGIN,
            "parent": self.parent,
            "continuation": {
                "kept_training": int((held == Role.SUPPORT).sum()),
                "kept_calibration": int((held[calibration] == Role.CALIBRATION).sum()),
                "split_anew": int((held == 0).sum()),
                "calibration_rows_seen": self.seen(calibration),
            },
        }

    def warnings(self, calibration: np.ndarray) -> list[str]:
        """What makes the calibration of the child look better than it is."""
        if not self.known:
            return [
                f"{self.parent} was imported, and which documents trained it is not known here: some of them may"
                " calibrate this version, which then looks better than it is; evaluate it on documents that are new"
            ]
        if seen := self.seen(calibration):
            return [
                f"{seen:,} of {len(calibration):,} calibration documents trained {self.parent}, whose weights this"
                " version began with: its calibration looks better than it is; train without --official to keep them"
                " apart"
            ]
        return []

    def to_checkpoint(self) -> tuple[dict, dict[str, np.ndarray]]:
        """JSON-able facts, and arrays; `from_checkpoint` is the inverse."""
        arrays = {PREFIX + name: array for name, array in asdict(self.weights).items()}
        facts = {"parent": self.parent, "known": self.known, "normalization": asdict(self.normalization)}
        return facts, {**arrays, "held": self.held}

    @classmethod
    def from_checkpoint(cls, facts: Mapping, arrays: Mapping[str, np.ndarray], used: UsedBefore) -> Continued:
        weights = {name.removeprefix(PREFIX): arrays[name] for name in arrays if name.startswith(PREFIX)}
        normalization = Normalization(**facts["normalization"])
        return cls(
            facts["parent"], AdaptorWeights(**weights), normalization, arrays["held"], facts["known"], used
        )


def check(
    txn: Txn, project: Project, record: Classifier, numbers: np.ndarray, exemplar_size: int | None
) -> None:
    """Refuse, before anything is embedded, what cannot go on from a version. Raises Unready, InvalidSetting.

    `numbers` are the documents to train on.
    """
    if exemplar_size not in (None, record.exemplar_size):
        raise InvalidSetting(
            f"exemplar_size of a continued training is that of {record.name}, {record.exemplar_size};"
            f" received {exemplar_size}; leave it out, or train without --continue",
            name="exemplar_size",
        )
    count = attributes.count_of(txn, numbers)
    if count != record.attribute_count:
        raise _mismatch(project, record, f"{record.attribute_count} attributes per document", f"{count}")
    if project.model != record.model:
        made_by = f"model {record.model!r}" if record.model else "vectors that were imported"
        raise _mismatch(project, record, made_by, f"model {project.model!r}")


def check_representation(project: Project, record: Classifier, facts: ModelFacts) -> None:
    """Weights mean something over the hidden states that they were fitted on, and over no others. Raises Unready."""
    if facts.fingerprint != record.fingerprint:
        made_by = f"{record.hidden_size} hidden-state components of fingerprint {record.fingerprint}"
        raise _mismatch(project, record, made_by, f"{facts.hidden_size} of {facts.fingerprint}")
    if facts.reads_prompts and project.prompt != record.prompt:
        raise _mismatch(project, record, f"the prompt {record.prompt!r}", f"{project.prompt!r}")


def _mismatch(project: Project, record: Classifier, fitted_on: str, received: str) -> Unready:
    return Unready(
        f"{record.name} was fitted on {fitted_on}; the project now has {received}, so its weights cannot be continued;"
        f" train anew with `reexctl train {project.name}`",
        project=project.name,
        version=record.name,
    )


def take(
    txn: Txn, version: int, class_count: int, numbers: np.ndarray, revisions: np.ndarray, rows: np.ndarray
) -> Continued:
    """What a pool takes over from a version: numbers, revisions and rows of its documents, (n,) int64 each.

    A document that was replaced since is another text, and free. A text that trained under another id trains here,
    too, and so does what trained a version that this one continues, even where this one was calibrated on it. Raises
    ClassifierNotFound.
    """
    record, arrays = classifiers.get(txn, version), classifiers.arrays(txn, version)
    lineage = _lineage(txn, record)
    used = used_before.joined(
        [used_before.everything(partial(classifiers.array, txn, each)) for each in lineage]
    )
    trained = used.where(used.roles == Role.SUPPORT)
    support = [classifiers.array(txn, each, "support_rows") for each in lineage]
    held = _roles(arrays, numbers, revisions)
    held[(held == 0) & np.isin(rows, np.concatenate([*support, trained.rows]))] = Role.SUPPORT
    held[trained.holds(numbers, revisions, rows)] = Role.SUPPORT
    return Continued(
        parent=record.name,
        weights=extended(arrays, class_count),
        normalization=Normalization(record.mean, record.standard_deviation),
        held=held,
        known=bool((arrays.support_documents >= 0).all()),
        used=used,
    )


def extended(arrays: ClassifierArrays, class_count: int) -> AdaptorWeights:
    """The weights for at least as many classes: one that was appended since begins with the logit 0."""
    more = class_count - len(arrays.classifier_bias)
    return AdaptorWeights(
        arrays.projection_weight,
        arrays.projection_bias,
        np.pad(arrays.classifier_weight, ((0, more), (0, 0))),
        np.pad(arrays.classifier_bias, (0, more)),
    )


def _roles(arrays: ClassifierArrays, numbers: np.ndarray, revisions: np.ndarray) -> np.ndarray:
    """(n,) uint8: the Role of each document in the version; 0 where it had none, or was replaced since."""
    roles = np.zeros(len(numbers), np.uint8)
    places = {number: place for place, number in enumerate(arrays.pool_documents.tolist())}
    for at, number in enumerate(numbers.tolist()):
        place = places.get(number, -1)
        if place >= 0 and arrays.pool_revisions[place] == revisions[at]:
            roles[at] = arrays.pool_roles[place]
    return roles


def _lineage(txn: Txn, record: Classifier) -> list[int]:
    """A version and those it came from, as far as they are kept: what others used is in `used_before` of these."""
    by_name = {each.name: each for each in classifiers.listed(txn)}
    found = []
    ancestor: Classifier | None = record
    while ancestor is not None and ancestor.space == record.space:
        found.append(ancestor.version)
        ancestor = by_name.get(json.loads(ancestor.training_json or "{}").get("parent", ""))
    return found
