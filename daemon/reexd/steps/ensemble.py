"""Ensemble: the other shuffles that a version keeps as members, and what all of them say of a row (act A.7).

Each member has its own support, hence its own split of the pool: a document may support one member and calibrate
another. What a member needs is made when the version is, and follows it through `add` and `recalibrate`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from reexd import sdm
from reexd.engine.client import Engine
from reexd.errors import InvalidSetting
from reexd.records import Classifier, ClassifierArrays, Member
from reexd.steps import used_before
from reexd.steps.live import Loaded

SETTING = "ensemble"  # of a training: not one of the fit's
MEMBERS_MIN = 2


def check(shuffles: int) -> None:
    """Raises InvalidSetting for an ensemble of one."""
    if shuffles < MEMBERS_MIN:
        raise InvalidSetting(
            f"an ensemble has at least {MEMBERS_MIN} shuffles; this training has {shuffles}; ask for more with"
            " `--shuffles`, or leave out `--ensemble`",
            name=SETTING,
        )


def member(record: Classifier, arrays: ClassifierArrays) -> Member:
    """What a version has of another shuffle, without what is the version's own: the pool, and the calibration table."""
    nothing = np.empty(0, np.int64)
    return Member(
        replace(record, training_json=""),
        replace(
            arrays,
            calibration_documents=nothing,
            calibration_table=np.empty((0, arrays.calibration_table.shape[1]), np.float32),
            calibration_labels=np.empty(0, np.int32),
            pool_documents=nothing,
            pool_revisions=nothing,
            pool_labels=np.empty(0, np.int32),
            pool_roles=np.empty(0, np.uint8),
            pool_rows=nothing,
            **used_before.NOTHING.arrays(),
        ),
    )


def agreement(
    engine: Engine,
    loaded: Loaded,
    scores: sdm.Scores,
    features: np.ndarray,
    numbers: np.ndarray | None,
    *,
    interactive: bool,
) -> sdm.Agreement | None:
    """What all members say of rows (n, D) that the version has scored; None without an ensemble.

    `numbers` (n,) int64 of the documents of the version's pool, -1 for others; None for texts that are not stored.
    A document that supports a member does not match itself there.
    """
    if not loaded.members:
        return None
    predictions, alphas = [scores.prediction], [scores.lower_region_alpha]
    for each in loaded.members:
        exclude = None if numbers is None else each.exclusions(numbers)
        matches = engine.match(each.handle, features, exclude=exclude, neighbors=0, interactive=interactive)
        own = sdm.score(matches.logits, matches.q, matches.d0, each.calibration)
        predictions.append(own.prediction)
        alphas.append(own.lower_region_alpha)
    return sdm.agreement(np.stack(predictions), np.stack(alphas))


def extended(
    members: Sequence[Member],
    extend: Callable[[ClassifierArrays, np.ndarray], ClassifierArrays],
    engine: Engine,
    loaded: Loaded,
    features: np.ndarray,
) -> tuple[Member, ...]:
    """The members with rows (n, D) in the support of each; `extend` takes arrays and the rows' predictions (n,)."""
    found = []
    for each, own in zip(members, loaded.members, strict=True):
        logits = engine.match(own.handle, features, neighbors=0).logits
        found.append(member(each.record, extend(each.arrays, logits.argmax(axis=1).astype(np.int32))))
    return tuple(found)
