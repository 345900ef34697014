"""The records of what is measured: an evaluation and its parts, and a drift report.

A figure over no documents is NaN in Python and null in JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reex.types import Record


@dataclass(frozen=True, slots=True)
class Interval(Record):
    """Clopper-Pearson, 95 %."""

    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class ClassEvaluation(Record):
    label: int
    name: str
    support: int
    recall: float
    predicted: int
    precision: float


@dataclass(frozen=True, slots=True)
class RegionEvaluation(Record):
    """Cumulative: documents in the region of this alpha or a higher one."""

    alpha: float
    admitted: int
    admitted_share: float
    correct: int
    accuracy: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Evaluation(Record):
    """Figures over the labelled documents that the version did not use; `n` of them."""

    split: str
    classifier: str
    n: int
    correct: int
    accuracy: float
    interval: Interval
    balanced_accuracy: float
    confusion: tuple[tuple[int, ...], ...]  # rows: true class; columns: predicted class
    classes: tuple[ClassEvaluation, ...]
    regions: tuple[RegionEvaluation, ...]  # highest alpha first
    support_count: int
    calibration_count: int
    unseen_count: int
    unlabelled_count: int
    out_of_distribution_count: int
    out_of_distribution_admitted: int  # to a region of alpha >= 0.9
    duplicate_count: int
    accuracy_without_duplicates: float
    not_scored_count: int
    stale: str


class DriftVerdict(StrEnum):
    TOO_FEW = "too-few"  # documents on one side, to tell
    NONE = "none"  # no difference that chance does not explain
    SLIGHT = "slight"  # beyond chance, too small to matter
    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class Share(Record):
    """`count` of `n` documents."""

    n: int
    count: int
    share: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class DriftQuantity(Record):
    """One quantity among the calibration documents and among those that arrive."""

    name: str  # q | d0 | q_prime
    calibration_median: float
    median: float
    difference: float  # Kolmogorov-Smirnov: the largest difference of the cumulative shares
    difference_at: float  # the value at which it is reached
    p_value: float  # by permutation
    p_value_adjusted: float  # for testing several quantities (Holm)
    effect: float  # rank-biserial correlation, -1..1; above 0: arriving documents have larger values


@dataclass(frozen=True, slots=True)
class DriftAdmission(Record):
    """Admitted to a region of alpha or higher."""

    alpha: float
    calibration: Share
    arriving: Share


@dataclass(frozen=True, slots=True)
class DriftReport(Record):
    """How the documents of a split that the version never used differ from its calibration documents."""

    split: str
    classifier: str
    n: int
    calibration_count: int
    verdict: DriftVerdict
    summary: str  # the verdict in a sentence
    advice: str  # what to do next
    quantities: tuple[DriftQuantity, ...]  # empty when there are too few documents
    difference_detectable: float  # a larger one, of any quantity, is told from chance
    admission: tuple[DriftAdmission, ...]  # highest alpha first
    calibration_zero_similarity: Share  # q = 0
    zero_similarity: Share
    calibration_class_shares: tuple[float, ...]  # by predicted class
    class_shares: tuple[float, ...]
    added_since_calibration: int  # support documents that the calibration documents did not meet
    stale: str
