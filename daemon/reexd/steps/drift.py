"""Drift: whether the documents of a split are like those that the live version was calibrated on, and what to do.

Calibration documents are exchangeable with new ones from the same source: both are matched with a support that does
not hold them. Support documents, and the calibration documents themselves, are left out of what arrives. After `add`
the two have met different supports, no test of theirs holds, and the verdict is withheld until `recalibrate`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from enum import StrEnum

import numpy as np

from reexd import sdm
from reexd.errors import InvalidInput, SplitNotFound
from reexd.records import Prediction
from reexd.sdm import Cell
from reexd.steps.live import Loaded
from reexd.steps.predict import Predict, Wanted
from reexd.store import classifiers
from reexd.store.catalogue import Catalogue

LEVEL = 0.05  # chance of finding drift, in any quantity, where there is none
DIFFERENCE_MIN = 0.1  # of cumulative shares: below it a difference beyond chance is slight
EFFECT_MIN = 0.1  # rank-biserial correlation from which a direction is named
DOCUMENTS_MIN = 20  # on each side
QUANTITIES = ("q", "d0", "q_prime")
WORDS = {"q": "similarity q", "d0": "distance d0", "q_prime": "rescaled similarity q'"}


class Verdict(StrEnum):
    TOO_FEW = "too-few"
    NONE = "none"
    SLIGHT = "slight"
    DRIFT = "drift"
    RECALIBRATE_FIRST = "recalibrate-first"


@dataclass(frozen=True)
class Quantity:
    name: str  # one of QUANTITIES
    calibration_median: float
    median: float
    test: sdm.TwoSampleTest
    p_value_adjusted: float  # Holm, over QUANTITIES


@dataclass(frozen=True)
class AdmissionRow:
    """Admitted to a region of alpha or higher; `correct` of a Cell counts the admitted."""

    alpha: float
    calibration: Cell
    arriving: Cell


@dataclass(frozen=True)
class DriftReport:
    split: str
    version: int
    n: int
    calibration_count: int
    verdict: Verdict
    summary: str
    advice: str
    quantities: list[Quantity]
    difference_detectable: float
    admission: list[AdmissionRow]
    calibration_zero_similarity: Cell
    zero_similarity: Cell
    calibration_class_shares: list[float]
    class_shares: list[float]
    added_since_calibration: int
    not_scored_count: int
    stale: str


@dataclass(frozen=True)
class _Side:
    """One entry per document, for the calibration documents or for those that arrive."""

    q: np.ndarray  # (n,) int
    d0: np.ndarray  # (n,) float
    q_prime: np.ndarray  # (n,) float
    predictions: np.ndarray  # (n,) int
    region_alphas: np.ndarray  # (n,) float

    def __len__(self) -> int:
        return len(self.q)

    def admitted(self, alpha: float) -> Cell:
        return Cell(len(self), int(np.count_nonzero(self.region_alphas >= alpha)))

    def zero_similarity(self) -> Cell:
        return Cell(len(self), int(np.count_nonzero(self.q == 0)))

    def class_shares(self, class_count: int) -> list[float]:
        return (np.bincount(self.predictions, minlength=class_count) / max(len(self), 1)).tolist()


class Drift:
    def __init__(self, catalogue: Catalogue, predict: Predict) -> None:
        self._catalogue = catalogue
        self._predict = predict

    def split(self, project: str, split: str, last: int) -> DriftReport:
        """Score what is not scored yet, then compare; the `last` documents of the split by upload, 0 for all.

        Raises NotTrained, InvalidInput, SplitNotFound when the split is empty.
        """
        if last < 0:
            raise InvalidInput(f"`last` is a number of documents, 0 for all; received {last}")
        answers, passed_over = None, 0
        sides = [_arriving([])]  # a batch each: a split may hold many documents
        for answers in self._predict.split(project, split, 0, Wanted(last=last)):
            passed_over += answers.passed_over
            sides.append(_arriving(record for record in answers.predictions if not record.role))
        if answers is None:
            raise SplitNotFound(
                f"split {split!r} of project {project!r} holds no documents;"
                f" upload some with `reexctl upload {project} FILE --split {split}`",
                project=project,
                split=split,
            )
        loaded = answers.loaded
        calibration, arriving = self._calibration(project, loaded), _joined(sides)
        added = _report(loaded).get("added_since_calibration", 0)
        enough = min(len(calibration), len(arriving)) >= DOCUMENTS_MIN
        quantities = _quantities(calibration, arriving) if enough and not added else []
        alphas = sorted({region.alpha for region in loaded.record.regions}, reverse=True)
        class_count = len(loaded.record.classes)
        verdict = Verdict.RECALIBRATE_FIRST if added else _verdict(quantities)
        counts = len(calibration), len(arriving), added
        return DriftReport(
            split=split,
            version=loaded.record.version,
            n=len(arriving),
            calibration_count=len(calibration),
            verdict=verdict,
            summary=_summary(verdict, quantities, split, loaded.record.name, counts),
            advice=advice(verdict, quantities, project, split),
            quantities=quantities,
            difference_detectable=_detectable(quantities),
            admission=[
                AdmissionRow(alpha, calibration.admitted(alpha), arriving.admitted(alpha)) for alpha in alphas
            ],
            calibration_zero_similarity=calibration.zero_similarity(),
            zero_similarity=arriving.zero_similarity(),
            calibration_class_shares=calibration.class_shares(class_count),
            class_shares=arriving.class_shares(class_count),
            added_since_calibration=added,
            not_scored_count=passed_over,
            stale=answers.stale,
        )

    def _calibration(self, project: str, loaded: Loaded) -> _Side:
        """The version's calibration documents as new ones would be scored (see `sdm.held_out_q_prime`)."""
        version, class_count = loaded.record.version, len(loaded.record.classes)
        with self._catalogue.open(project).read() as txn:
            table = classifiers.array(txn, version, "calibration_table")
            labels = classifiers.array(txn, version, "calibration_labels")
        predictions, q, d0, _, q_prime = table[:, :5].T
        activation, logits = table[:, 5 : 5 + class_count], table[:, 5 + class_count :]
        predictions, q = predictions.astype(np.int64), q.astype(np.int64)
        regions, names = loaded.record.regions, _report(loaded).get("pooled_classes", ())
        pooled = tuple(label for label, name in enumerate(loaded.record.classes) if name in names)
        calibration = replace(loaded.calibration, pooled_classes=pooled)
        return _Side(
            q=q,
            d0=d0,
            q_prime=sdm.held_out_q_prime(labels, logits, q, d0, calibration),
            predictions=predictions,
            region_alphas=sdm.region_alphas(q_prime, activation, predictions, regions),
        )


def _report(loaded: Loaded) -> dict:
    """The training record; empty for a version that came without."""
    return json.loads(loaded.record.training_json or "{}")


def _arriving(found: Iterable[Prediction]) -> _Side:
    rows = [(each.q, each.d0, each.q_prime, each.prediction, each.region_alpha) for each in found]
    columns = list(zip(*rows, strict=True)) if rows else [()] * 5
    # Single precision, as the calibration table keeps them: the same value must tie.
    kinds = (np.int64, np.float32, np.float32, np.int64, np.float64)
    return _Side(*(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)))


def _joined(sides: list[_Side]) -> _Side:
    names = [field.name for field in fields(_Side)]
    return _Side(*(np.concatenate([getattr(side, name) for side in sides]) for name in names))


def _quantities(calibration: _Side, arriving: _Side) -> list[Quantity]:
    pairs = [(getattr(calibration, name), getattr(arriving, name)) for name in QUANTITIES]
    # Holm's first step: what one of the quantities alone must reach.
    tests = [sdm.two_sample_test(one, other, level=LEVEL / len(QUANTITIES)) for one, other in pairs]
    adjusted = sdm.holm([test.p_value for test in tests])
    return [
        Quantity(name, float(np.median(one)), float(np.median(other)), test, p_value)
        for name, (one, other), test, p_value in zip(QUANTITIES, pairs, tests, adjusted, strict=True)
    ]


def _found(quantities: list[Quantity]) -> list[Quantity]:
    """Those that differ beyond chance, the largest difference first."""
    beyond = [each for each in quantities if each.p_value_adjusted <= LEVEL]
    return sorted(beyond, key=lambda each: -each.test.difference)


def _detectable(quantities: list[Quantity]) -> float:
    return max((each.test.difference_critical for each in quantities), default=1.0)


def _verdict(quantities: list[Quantity]) -> Verdict:
    if not quantities:
        return Verdict.TOO_FEW
    found = _found(quantities)
    if not found:
        return Verdict.NONE
    return Verdict.DRIFT if found[0].test.difference >= DIFFERENCE_MIN else Verdict.SLIGHT


def _less_alike(quantity: Quantity) -> float:
    """The effect, positive when what arrives is less like the support: farther, or with fewer that agree."""
    return quantity.test.effect if quantity.name == "d0" else -quantity.test.effect


def _summary(
    verdict: Verdict, quantities: list[Quantity], split: str, version: str, counts: tuple[int, int, int]
) -> str:
    """`counts` are the calibration documents, those that arrive, and those added to the support since calibration."""
    calibrated, arriving, added = counts
    if verdict is Verdict.RECALIBRATE_FIRST:
        return (
            f"not tested: {added:,} document{'s' * (added != 1)} joined the support of {version} since its calibration,"
            f" whose documents did not meet {'them' if added != 1 else 'it'}; those of {split} did, so a difference"
            " between the two would say nothing"
        )
    if verdict is Verdict.TOO_FEW:
        return (
            f"too few documents to tell: {arriving:,} of {split} that {version} never used, against"
            f" {calibrated:,} calibration documents; {DOCUMENTS_MIN} on each side are needed"
        )
    if verdict is Verdict.NONE:
        return (
            f"no drift found: {split} is like what {version} was calibrated on, as far as {arriving:,} documents tell;"
            f" a difference of more than {_detectable(quantities):.0%} of documents would have been noticed"
        )
    worst = _found(quantities)[0]
    told = (
        f"{WORDS[worst.name]} differs by {worst.test.difference:.0%} of documents (median {worst.median:.4g}, in"
        f" calibration {worst.calibration_median:.4g}; p {worst.p_value_adjusted:.2g})"
    )
    if verdict is Verdict.SLIGHT:
        return f"slight drift: {split} differs from what {version} was calibrated on, but little: {told}"
    strength = _less_alike(worst)
    how = "differently spread in likeness to"
    if abs(strength) >= EFFECT_MIN:
        how = "less like" if strength > 0 else "more like"
    return f"drift: {split} is {how} the training documents than what {version} was calibrated on: {told}"


def advice(verdict: Verdict, quantities: list[Quantity], project: str, split: str) -> str:
    """What to do next, with the command that does it; `quantities` as they were measured."""
    if verdict is Verdict.RECALIBRATE_FIRST:
        return f"run `reexctl recalibrate {project}` and measure again"
    if verdict is Verdict.TOO_FEW:
        return f"upload more to {split}, or measure a larger split"
    if verdict is Verdict.NONE:
        return "nothing to do; measure again as more arrives"
    if verdict is Verdict.SLIGHT:
        return (
            "go on, and measure again as more arrives;"
            f" `reexctl evaluate {project} --split {split}` tells, of labelled ones"
        )
    strength = _less_alike(_found(quantities)[0])
    if strength >= EFFECT_MIN:
        return (
            f"rely on admitted answers only; label some of {split}, the rejected ones first, upload them to"
            f" train and run `reexctl train {project}`"
        )
    if strength <= -EFFECT_MIN:
        return (
            f"look for copies of training documents (`reexctl evaluate {project} --split {split}` counts them)"
            " and at the mix of classes; if both are as they should be, nothing is at risk"
        )
    return (
        f"look at the mix of classes, label a sample of {split} and run `reexctl evaluate {project}"
        f" --split {split}`: the regions were calibrated on another mix of easy and hard documents"
    )
