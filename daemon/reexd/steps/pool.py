"""The pool of one training job: which documents, revisions and rows it works on, frozen in its checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from reexd.errors import NotEnoughData
from reexd.records import CALIBRATION, TRAIN, Project, Role
from reexd.steps import continuation, used_before
from reexd.steps.continuation import Continued
from reexd.steps.used_before import UsedBefore
from reexd.store import attributes, checkpoints, documents, hidden_states, references, spaces, splits
from reexd.store.environment import Environment, Txn
from reexd.store.references import Holder

FORM = 2  # of what is frozen, and how shuffles split it; 1, without a number, let equal documents straddle
SLOT = 0  # of the job's checkpoint; the shuffles have the slots after it
ARRAYS = ("documents", "revisions", "labels", "rows", "attributes")
READ_WITH = ("model", "pooling", "document_prefix", "prompt")  # of a project


@dataclass(frozen=True, eq=False)
class Sides:
    """Which document trains and which calibrates, fixed before the model was tuned; and how the tuning went."""

    documents: np.ndarray  # (m,) int64, numbers
    revisions: np.ndarray  # (m,) int64
    roles: np.ndarray  # (m,) uint8, Role
    report: dict

    def of(self, numbers: np.ndarray, revisions: np.ndarray) -> np.ndarray:
        """(n,) uint8: the Role of each document; 0 for one that is new, or was replaced since."""
        order = np.argsort(self.documents)
        at = order[np.minimum(np.searchsorted(self.documents[order], numbers), len(order) - 1)]
        same = (self.documents[at] == numbers) & (self.revisions[at] == revisions)
        return np.where(same, self.roles[at], 0).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Pool:
    """What one job trains on. n documents, all labelled 0..C-1, those of train before those of calibration."""

    space: int
    documents: np.ndarray  # (n,) int64, numbers
    revisions: np.ndarray  # (n,) int64
    labels: np.ndarray  # (n,) int32
    rows: np.ndarray  # (n,) int64, hidden states
    attributes: np.ndarray  # (n, attribute_count) float32
    left_out: int  # documents of train and calibration labelled -1 or -99
    continued: Continued | None = None  # what it takes over from the version it goes on from
    sides: Sides | None = None  # of these documents, when the language model was tuned on some
    before: UsedBefore = used_before.NOTHING  # what its weights and language model saw that is not in it
    form: int = FORM
    read_with: Mapping[str, str] = field(default_factory=dict)  # what the hidden states were made with

    @property
    def held(self) -> np.ndarray | None:
        """(n,) uint8, the Role that documents keep in every shuffle; None or 0 where each shuffle splits anew."""
        if self.sides is not None:
            return self.sides.roles
        return self.continued.held if self.continued is not None else None


def features(txn: Txn, space: spaces.Space, pool: Pool) -> np.ndarray:
    """(n, D) float32: hidden states of the pool with the attributes appended, not normalised."""
    return np.concatenate([hidden_states.gather(txn, space, pool.rows), pool.attributes], axis=1)


def numbers(txn: Txn, class_count: int) -> np.ndarray:
    """Numbers of the labelled documents of train, then of calibration."""
    members = [splits.members(txn, name) for name in (TRAIN, CALIBRATION)]
    return np.concatenate(
        [part.numbers[(part.labels >= 0) & (part.labels < class_count)] for part in members]
    )


def attributes_of(txn: Txn, project: Project, chosen: np.ndarray) -> np.ndarray:
    """(n, attribute_count) float32. Raises NotEnoughData when only some of the documents have attributes."""
    numbered = attributes.matrix(txn, chosen)[:, : attributes.count_of(txn, chosen)]
    if np.isnan(numbered).any():
        bare = int(np.isnan(numbered).any(axis=1).sum())
        raise NotEnoughData(
            f"{bare} documents of train and calibration have no attributes, the others have {numbered.shape[1]} each;"
            " upload those again with theirs",
            project=project.name,
        )
    return numbered


def freeze(
    txn: Txn,
    space: spaces.Space,
    project: Project,
    job: int,
    parent: int | None = None,
    sides: Sides | None = None,
) -> Pool | None:
    """Write the pool into the job's checkpoint and pin its rows; None while a document lacks its hidden state.

    `parent` is the version to continue. With `sides`, only documents that have one, and are as they were, are in it.
    Raises NotEnoughData, ClassifierNotFound.
    """
    chosen = numbers(txn, len(project.classes))
    if sides is not None:
        roles = sides.of(chosen, documents.states(txn, chosen).revisions)
        chosen, roles = chosen[roles > 0], roles[roles > 0]
    rows = references.rows(txn, space, chosen)
    if (rows < 0).any():
        return None
    states = documents.states(txn, chosen)
    numbered = attributes_of(txn, project, chosen)
    continued = None
    if parent is not None:
        continued = continuation.take(txn, parent, len(project.classes), chosen, states.revisions, rows)
    members = sum(len(splits.members(txn, name).numbers) for name in (TRAIN, CALIBRATION))
    pool = Pool(
        space=space.number,
        documents=chosen,
        revisions=states.revisions,
        labels=states.labels,
        rows=rows,
        attributes=numbered,
        left_out=members - len(chosen),
        continued=continued,
        sides=None if sides is None else Sides(chosen, states.revisions, roles, sides.report),
        before=_seen(sides, continued).apart_from(chosen, states.revisions),
        read_with={name: getattr(project, name) for name in READ_WITH},
    )
    facts: dict = {"form": FORM, "space": pool.space, "left_out": pool.left_out, "read_with": pool.read_with}
    arrays = {name: getattr(pool, name) for name in ARRAYS} | pool.before.arrays()
    if continued is not None:
        facts["continued"], more = continued.to_checkpoint()
        arrays |= more
    if pool.sides is not None:
        facts["tuning"] = pool.sides.report
        arrays["roles"] = pool.sides.roles
    checkpoints.put(txn, job, json.dumps(facts), arrays, slot=SLOT)
    references.retain(txn, space, rows, Holder.VERSION)
    return pool


def _seen(sides: Sides | None, continued: Continued | None) -> UsedBefore:
    """What the weights that it begins with, or the language model, were fitted to, in the pool or not."""
    if continued is not None:
        return continued.used
    if sides is None:
        return used_before.NOTHING
    unknown = np.full(len(sides.documents), -1, np.int64)
    whole = UsedBefore(sides.documents, sides.revisions, sides.roles, unknown)
    return whole.where(sides.roles == Role.SUPPORT)


def load(environment: Environment, job: int) -> Pool | None:
    with environment.read() as txn:
        checkpoint = checkpoints.get(txn, job, slot=SLOT)
    if checkpoint is None:
        return None
    facts, arrays = json.loads(checkpoint.state_json), checkpoint.arrays
    continued, sides = facts.get("continued"), None
    before = used_before.NOTHING
    if facts.get("form", 1) > 1:
        before = used_before.kept(lambda name: arrays[name])
    if "tuning" in facts:
        sides = Sides(arrays["documents"], arrays["revisions"], arrays["roles"], facts["tuning"])
    return Pool(
        facts["space"],
        **{name: arrays[name] for name in ARRAYS},
        left_out=facts["left_out"],
        continued=None if continued is None else Continued.from_checkpoint(continued, arrays, before),
        sides=sides,
        before=before,
        form=facts.get("form", 1),
        read_with=facts.get("read_with", {}),
    )


def forget(txn: Txn, space: spaces.Space, pool: Pool, job: int) -> None:
    """Delete the job's checkpoint and unpin its rows: a version that was written has pinned its own."""
    checkpoints.delete(txn, job)
    references.release(txn, space, pool.rows, Holder.VERSION)
