"""Evaluate: counts over a split's predictions. The headline is over documents that the live version did not use.

Support and calibration documents are counted beside it, each by themselves, and those that the versions used which it
goes on from: what made a version is no witness for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from reexd import sdm
from reexd.errors import SplitNotFound
from reexd.records import OUT_OF_DISTRIBUTION, Prediction, Role
from reexd.sdm import Admission, Cell, ConditionalAccuracy, ProbabilityFit, SetCoverage
from reexd.steps.answers import Answers
from reexd.steps.predict import Predict
from reexd.store.catalogue import Catalogue

ALPHA_RELIABLE = 0.9  # the rung that counts as an admission in the out-of-distribution figure


@dataclass(frozen=True)
class Part:
    """The figures of some labelled documents."""

    accuracy: ConditionalAccuracy
    regions: tuple[Admission, ...]  # highest alpha first

    @property
    def balanced_accuracy(self) -> float:
        return self.accuracy.balanced() or 0.0


@dataclass(frozen=True)
class Evaluation:
    split: str
    version: int
    classes: tuple[str, ...]
    headline: Part  # labelled documents that the version did not use; every figure not said to be of others
    confusion: list[list[int]]  # [true][predicted]
    rejections: tuple[
        tuple[str, Cell], ...
    ]  # what no region admits: why, how many, how many are right all the same
    probability_kind: str
    probability: ProbabilityFit | None  # None when the headline is over no documents
    promised: float  # coverage of the prediction sets, for each class
    prediction_sets: (
        SetCoverage | None
    )  # None when the headline is over no documents, or the version has none
    ensemble_size: int  # members, the version itself included; 0 without an ensemble
    ensemble_regions: tuple[Admission, ...]  # admitted by all members
    support: Part
    calibration: Part
    used_before: Part
    without_duplicates: Part  # the headline without `duplicate_count`
    support_count: int
    calibration_count: int
    used_before_count: int  # by versions that it goes on from, not by itself
    unseen_count: int
    unlabelled_count: int
    out_of_distribution: Cell  # unseen documents of no class, and how many of them ALPHA_RELIABLE admits
    duplicate_count: int  # unseen documents whose text is that of one that was used
    not_scored_count: int
    stale: str


@dataclass(frozen=True)
class Columns:
    """What a version answered, one entry per document that it scored: a split may hold many, each with many classes."""

    documents: np.ndarray  # (n,) int64
    labels: np.ndarray  # (n,) int64
    predictions: np.ndarray  # (n,) int64
    region_alphas: np.ndarray  # (n,) float64
    reasons: np.ndarray  # (n,) str, empty where a region admits
    roles: np.ndarray  # (n,) int64
    probabilities: np.ndarray  # (n,) float64, of being right
    calibrated: np.ndarray  # (n,) bool: the probability is calibrated
    coverages: np.ndarray  # (n,) float64, promised by the prediction set; 0.0 when there is none
    set_sizes: np.ndarray  # (n,) int64
    held: np.ndarray  # (n,) bool: the set holds the label
    ensemble_sizes: np.ndarray  # (n,) int64
    ensemble_alphas: np.ndarray  # (n,) float64

    @classmethod
    def joined(cls, batches: Iterable[Iterable[Prediction]]) -> Columns:
        """Of the answers of a split as they come: no more than one batch of them is kept."""
        parts = [_columns(batch) for batch in batches] or [_columns([])]
        return cls(*map(np.concatenate, zip(*parts, strict=True)))

    def where(self, chosen: np.ndarray) -> Columns:
        """Those marked or numbered by `chosen`."""
        return Columns(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @property
    def right(self) -> np.ndarray:
        return self.labels == self.predictions


def _columns(batch: Iterable[Prediction]) -> list[np.ndarray]:
    rows = [
        (
            each.document,
            each.label,
            each.prediction,
            each.region_alpha,
            each.reason,
            each.role,
            _probability(each),
            each.probability is not None,
            each.coverage,
            len(each.prediction_set),
            each.label in each.prediction_set,
            each.ensemble_size,
            each.ensemble_region_alpha,
        )
        for each in batch
    ]
    whole, real, flag, word = np.int64, np.float64, np.bool_, np.str_
    kinds = (whole, whole, whole, real, word, whole, real, flag, real, whole, flag, whole, real)
    columns = zip(*rows, strict=True) if rows else [()] * len(kinds)
    return [np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]


class _Read:
    """The predictions of each batch of answers, and what is kept of the answers beside them."""

    def __init__(self, batches: Iterable[Answers]) -> None:
        self._batches = batches
        self.last: Answers | None = None
        self.duplicates: list[bool] = []
        self.passed_over = 0

    def __iter__(self) -> Iterator[list[Prediction]]:
        for answers in self._batches:
            self.last = answers
            self.duplicates += answers.duplicates
            self.passed_over += answers.passed_over
            yield answers.predictions


class Evaluate:
    def __init__(self, catalogue: Catalogue, predict: Predict) -> None:
        self._catalogue = catalogue
        self._predict = predict

    def split(self, project: str, split: str) -> Evaluation:
        """Score what is not scored yet, then count. Raises NotTrained, SplitNotFound when the split is empty."""
        read = _Read(self._predict.split(project, split, neighbors=0))
        columns = Columns.joined(read)
        last = read.last
        if last is None:
            raise SplitNotFound(
                f"split {split!r} of project {project!r} holds no documents;"
                f" upload some with `reexctl upload {project} FILE --split {split}`",
                project=project,
                split=split,
            )
        record = last.loaded.record
        # A class that was added after this version was trained has documents, hence a row, and no predictions.
        classes = record.classes + self._catalogue.get(project).classes[len(record.classes) :]
        duplicates = np.array(read.duplicates, bool)
        alphas = sorted({region.alpha for region in record.regions}, reverse=True)

        def part(chosen: np.ndarray) -> Part:
            return part_of(columns.where(chosen & (columns.labels >= 0)), alphas, len(classes))

        unseen = columns.roles == 0
        known = columns.where(unseen & (columns.labels >= 0))
        ensemble = int(columns.ensemble_sizes.max(initial=0))
        return Evaluation(
            split=split,
            version=record.version,
            classes=classes,
            headline=part(unseen),
            confusion=_confusion(known, len(classes)),
            rejections=_rejections(known),
            probability_kind="calibrated" if known.calibrated.all() else "softmax",
            probability=sdm.probability_fit(known.probabilities, known.right),
            promised=float(columns.coverages.max(initial=0.0)),
            prediction_sets=_sets(known, len(record.classes)),
            ensemble_size=ensemble,
            ensemble_regions=_ensemble_regions(known, len(classes)) if ensemble else (),
            support=part(columns.roles == Role.SUPPORT),
            calibration=part(columns.roles == Role.CALIBRATION),
            used_before=part(columns.roles == Role.USED_BEFORE),
            without_duplicates=part(unseen & ~duplicates),
            support_count=int(np.count_nonzero(columns.roles == Role.SUPPORT)),
            calibration_count=int(np.count_nonzero(columns.roles == Role.CALIBRATION)),
            used_before_count=int(np.count_nonzero(columns.roles == Role.USED_BEFORE)),
            unseen_count=int(np.count_nonzero(unseen)),
            unlabelled_count=int(np.count_nonzero(unseen & (columns.labels == -1))),
            out_of_distribution=admitted_outside(columns.where(unseen)),
            duplicate_count=int(np.count_nonzero(duplicates & unseen)),
            not_scored_count=read.passed_over,
            stale=last.stale,
        )


def part_of(columns: Columns, alphas: Sequence[float], class_count: int) -> Part:
    """The figures of labelled documents, cumulative at each of `alphas`."""
    everything = np.ones(len(columns.labels), bool)
    return Part(
        sdm.conditional_accuracy(columns.predictions, columns.labels, everything, class_count),
        sdm.admission(columns.predictions, columns.labels, columns.region_alphas, alphas, class_count),
    )


def admitted_outside(columns: Columns) -> Cell:
    """Documents labelled as belonging to no class, and how many of them a reliable region admits all the same."""
    outside = columns.labels == OUT_OF_DISTRIBUTION
    admitted = outside & (columns.region_alphas >= ALPHA_RELIABLE)
    return Cell(int(np.count_nonzero(outside)), int(np.count_nonzero(admitted)))


def _probability(record: Prediction) -> float:
    """Of being right: the calibrated one, or the softmax of a version without it."""
    if record.probability is not None:
        return record.probability
    top = record.logits[record.prediction]
    return 1.0 / math.fsum(math.exp(logit - top) for logit in record.logits)


def _sets(columns: Columns, class_count: int) -> SetCoverage | None:
    some = columns.where(columns.coverages > 0)
    return sdm.set_coverage(some.held, some.set_sizes, some.labels, class_count)


def _confusion(columns: Columns, class_count: int) -> list[list[int]]:
    confusion = np.zeros((class_count, class_count), np.int64)
    np.add.at(confusion, (columns.labels, columns.predictions), 1)
    return confusion.tolist()


def _rejections(columns: Columns) -> tuple[tuple[str, Cell], ...]:
    """In the order in which reasons are tried."""
    counted = []
    for reason in (each for each in sdm.Reason if each.word):
        chosen = columns.reasons == reason.word
        if count := int(np.count_nonzero(chosen)):
            counted.append((reason.word, Cell(count, int(np.count_nonzero(columns.right & chosen)))))
    return tuple(counted)


def _ensemble_regions(columns: Columns, class_count: int) -> tuple[Admission, ...]:
    """At each alpha that the ensemble gave: members may have rungs that the version itself lacks."""
    alphas = sorted({alpha for alpha in columns.ensemble_alphas.tolist() if alpha > 0}, reverse=True)
    return sdm.admission(columns.predictions, columns.labels, columns.ensemble_alphas, alphas, class_count)
