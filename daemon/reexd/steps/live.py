"""Live: the trained version that answers, loaded once and kept while it is the one pointed at.

A switch of the pointer is seen by the next call; a call that holds a version keeps it to its end: no reply mixes two.
"""

from __future__ import annotations

import shutil
import threading
import uuid
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from reexd import sdm
from reexd.engine.client import MatchHandle, write_classifier
from reexd.errors import ClassifierNotFound
from reexd.records import Classifier, ClassifierArrays, Member, Neighbor, Role
from reexd.steps.confidence import Confidence
from reexd.steps.used_before import UsedBefore, kept, pool_rows
from reexd.store import classifiers, hidden_states, spaces
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Environment, Txn
from reexd.store.foreign import Foreign

KEPT_MAX = 8  # loaded versions over all projects
SWITCHES_MAX = 4  # of the live version while it is loaded, each with the one before deleted

Key = tuple[str, float, int]  # project, when it was created, version


@dataclass(frozen=True, eq=False)
class LoadedMember:
    """Another member of a version's ensemble, ready to score with."""

    calibration: sdm.Calibration
    handle: MatchHandle
    support_documents: np.ndarray  # (N,) int64
    support_order: np.ndarray  # (N,) int64, argsort of support_documents

    def exclusions(self, numbers: np.ndarray) -> np.ndarray:
        """The support row each document, by number (n,), is itself: (n,) int64, -1 when it is none."""
        return _places(self.support_documents, self.support_order, numbers)


@dataclass(frozen=True, eq=False)
class Loaded:
    """One version, ready to score with."""

    record: Classifier
    calibration: sdm.Calibration
    confidence: Confidence
    handle: MatchHandle
    support_documents: np.ndarray  # (N,) int64
    support_rows: np.ndarray  # (N,) int64
    support_labels: np.ndarray  # (N,) int32
    support_predictions: np.ndarray  # (N,) int32
    pool_documents: np.ndarray  # (n,) int64, ascending
    pool_revisions: np.ndarray  # (n,) int64
    pool_roles: np.ndarray  # (n,) uint8
    pool_rows: np.ndarray  # (n,) int64, -1 where not known
    before: UsedBefore
    used_rows: np.ndarray  # (k,) int64: hidden states of all that it used, or those before it
    support_order: np.ndarray  # (N,) int64, argsort of support_documents
    foreign: Foreign  # support documents that the project does not hold
    members: tuple[LoadedMember, ...] = ()  # the others of its ensemble

    def roles(self, numbers: np.ndarray, revisions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """What this version used each document for: (n,) uint8, Role; 0 when unseen or replaced since.

        One whose hidden state, `rows` (n,), is the one that was used is the same document, whatever its revision: a
        prompt that the model does not read, or attributes, changed beside the same text.
        """
        roles = np.where(self.before.holds(numbers, revisions, rows), Role.USED_BEFORE, 0).astype(np.uint8)
        if not len(self.pool_documents):  # of an imported version: nobody knows
            return roles
        at = np.minimum(np.searchsorted(self.pool_documents, numbers), len(self.pool_documents) - 1)
        unchanged = (self.pool_revisions[at] == revisions) | ((rows >= 0) & (self.pool_rows[at] == rows))
        return np.where((self.pool_documents[at] == numbers) & unchanged, self.pool_roles[at], roles)

    def named(self, neighbors: Sequence[Neighbor]) -> tuple[Neighbor, ...]:
        """The same with ids and texts for those that the project does not hold; the store has named the others."""
        if not len(self.foreign):
            return tuple(neighbors)
        return tuple(
            replace(
                each,
                document_id=self.foreign.id(each.document),
                text=self.foreign.text(each.document) or "",
            )
            if each.document < 0
            else each
            for each in neighbors
        )

    def exclusions(self, numbers: np.ndarray, roles: np.ndarray) -> np.ndarray:
        """The support row each document is itself: (n,) int64, -1 when it is none."""
        found = _places(self.support_documents, self.support_order, numbers)
        return np.where(roles == Role.SUPPORT, found, -1)


def _places(documents: np.ndarray, order: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Where each of `numbers` stands in `documents`, whose argsort is `order`: (n,) int64, -1 when it is not there."""
    ordered = documents[order]
    at = np.minimum(np.searchsorted(ordered, numbers), len(ordered) - 1)
    return np.where(ordered[at] == numbers, order[at], -1)


class Live:
    def __init__(self, catalogue: Catalogue, scratch: Path) -> None:
        self._catalogue = catalogue
        self._scratch = scratch
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, Loaded] = OrderedDict()
        self._loading: dict[Key, threading.Lock] = {}

    def at_hand(self, project: str) -> Loaded | None:
        """The live version, if it is loaded: a look into memory, safe on an event loop. Raises ProjectNotFound."""
        record, environment = self._catalogue.get(project), self._catalogue.at_hand(project)
        if environment is None:  # opening it reads the disk, and all of it where its file is short
            return None
        with environment.read() as txn:
            version = classifiers.live(txn)
        return None if version is None else self._find((project, record.created_at, version))

    def get(self, project: str, version: int | None = None) -> Loaded:
        """The live version of a project, or another one. Raises ProjectNotFound, NotTrained, ClassifierNotFound."""
        for _ in range(SWITCHES_MAX):
            try:
                return self._get(project, version)
            except ClassifierNotFound:  # another one is live by now, and the one that was is deleted
                if version is not None:
                    raise
        return self._get(project, version)

    def _get(self, project: str, version: int | None) -> Loaded:
        record = self._catalogue.get(project)
        environment = self._catalogue.open(project)
        with environment.read() as txn:
            version = classifiers.live(txn) if version is None else classifiers.get(txn, version).version
        if version is None:
            raise classifiers.not_trained(project)
        key = (project, record.created_at, version)
        if loaded := self._find(key):
            return loaded
        with self._lock:
            loading = self._loading.setdefault(key, threading.Lock())
        with loading:  # one caller loads, the others of the same version wait; other projects go on
            return self._find(key) or self._keep(key, self._load(environment, version))

    def _find(self, key: Key) -> Loaded | None:
        with self._lock:
            loaded = self._kept.get(key)
            if loaded is not None:
                self._kept.move_to_end(key)
            return loaded

    def _keep(self, key: Key, loaded: Loaded) -> Loaded:
        with self._lock:
            self._kept[key] = loaded
            self._loading.pop(key, None)
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        return loaded

    def _load(self, environment: Environment, version: int) -> Loaded:
        with environment.read() as txn:
            record = classifiers.get(txn, version)
            arrays = classifiers.arrays(txn, version)
            vectors = support_vectors(txn, record, arrays)
            before, rows = kept(partial(getattr, arrays)), pool_rows(partial(getattr, arrays))
            members = [
                (each, support_vectors(txn, each.record, each.arrays))
                for each in classifiers.members(txn, version)
            ]
        folder = self._scratch / "classifiers" / uuid.uuid4().hex
        loaded = Loaded(
            record=record,
            calibration=calibration_of(record, arrays),
            confidence=Confidence(arrays),
            handle=write_classifier(folder, record, arrays, vectors),
            support_documents=arrays.support_documents,
            support_rows=arrays.support_rows,
            support_labels=arrays.support_labels,
            support_predictions=arrays.support_predictions,
            pool_documents=arrays.pool_documents,
            pool_revisions=arrays.pool_revisions,
            pool_roles=arrays.pool_roles,
            pool_rows=rows,
            before=before,
            used_rows=np.setdiff1d(np.concatenate([arrays.support_rows, rows, before.rows]), [-1]),
            support_order=np.argsort(arrays.support_documents),
            foreign=Foreign(arrays.foreign_text, arrays.foreign_ends),
            members=tuple(
                _loaded_member(folder / f"member-{number}", *each)
                for number, each in enumerate(members, start=1)
            ),
        )
        # The files live as long as any call still scores with them, however long ago the version was dropped here.
        weakref.finalize(loaded, shutil.rmtree, folder, ignore_errors=True)
        return loaded


def _loaded_member(folder: Path, member: Member, vectors: np.ndarray) -> LoadedMember:
    return LoadedMember(
        calibration=calibration_of(member.record, member.arrays),
        handle=write_classifier(folder, member.record, member.arrays, vectors),
        support_documents=member.arrays.support_documents,
        support_order=np.argsort(member.arrays.support_documents),
    )


def support_vectors(txn: Txn, record: Classifier, arrays: ClassifierArrays) -> np.ndarray:
    """Hidden states of the support with their attributes appended: (N, D) float32, not normalised."""
    hidden = hidden_states.gather(txn, spaces.get(txn, record.space), arrays.support_rows)
    return np.concatenate([hidden, arrays.support_attributes], axis=1)


def calibration_of(record: Classifier, arrays: ClassifierArrays) -> sdm.Calibration:
    """The part of a version that scores are calibrated with."""
    return sdm.Calibration(
        distance_cdfs=arrays.distance_cdfs,
        q_prime_cdfs=arrays.q_prime_cdfs,
        regions=record.regions,
    )
