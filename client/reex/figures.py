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
class Accuracy(Record):
    """`correct` of `n` documents."""

    n: int
    correct: int
    accuracy: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class ClassEvaluation(Record):
    label: int
    name: str
    support: int
    recall: float
    predicted: int
    precision: float
    recall_interval: Interval
    precision_interval: Interval


@dataclass(frozen=True, slots=True)
class RegionEvaluation(Record):
    """Cumulative: documents in the region of this alpha or a higher one."""

    alpha: float
    admitted: int
    admitted_share: float
    correct: int
    accuracy: float
    interval: Interval
    share_interval: Interval
    # One per class; empty for support, calibration, and the figures without duplicates. What a region at alpha aims at:
    by_label: tuple[Accuracy, ...]  # the admitted of this true class
    by_prediction: tuple[Accuracy, ...]  # the admitted that were predicted as this class


@dataclass(frozen=True, slots=True)
class PartEvaluation(Record):
    """The figures of some of a split's labelled documents."""

    accuracy: Accuracy
    balanced_accuracy: float
    balanced_interval: Interval
    regions: tuple[RegionEvaluation, ...]


@dataclass(frozen=True, slots=True)
class ProbabilityBin(Record):
    """Documents whose probability of being right lies in [lower, upper)."""

    lower: float
    upper: float
    mean_probability: float
    accuracy: Accuracy


@dataclass(frozen=True, slots=True)
class ProbabilityEvaluation(Record):
    """How well the probability of being right fits."""

    kind: str  # calibrated | softmax, for versions that have no calibrated one
    n: int
    calibration_error: float  # expected calibration error over the bins
    brier: float  # mean of (probability - right)^2
    bins: tuple[ProbabilityBin, ...]  # those that hold documents, ascending


@dataclass(frozen=True, slots=True)
class PredictionSetEvaluation(Record):
    """Whether prediction sets hold the true class as often as they aim at."""

    promised: float  # for each class: the share of its documents whose set is to hold it, approximately
    coverage: Accuracy  # `correct`: the set holds the true class
    by_label: tuple[Accuracy, ...]
    mean_size: float
    single_count: int  # sets of one class
    full_count: int  # sets of all classes: nothing is known


@dataclass(frozen=True, slots=True)
class RejectionEvaluation(Record):
    """Documents that no region admits, for one reason."""

    reason: str  # as in `Prediction.reason`
    accuracy: Accuracy  # of them right all the same


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
    balanced_interval: Interval  # the classes' combined
    confusion: tuple[tuple[int, ...], ...]  # rows: true class; columns: predicted class
    classes: tuple[ClassEvaluation, ...]
    regions: tuple[RegionEvaluation, ...]  # highest alpha first
    rejections: tuple[
        RejectionEvaluation, ...
    ]  # the others of `n` by why, in the order in which reasons are tried
    probability: ProbabilityEvaluation | None  # None when n is 0
    prediction_sets: PredictionSetEvaluation | None  # None for versions without
    ensemble_size: int  # members, the version itself included; 0 when it has no ensemble
    ensemble_regions: tuple[RegionEvaluation, ...]  # admitted by all of them
    support_count: int
    calibration_count: int
    unseen_count: int
    unlabelled_count: int
    out_of_distribution_count: int
    out_of_distribution_admitted: int  # to a region of alpha >= 0.9
    out_of_distribution_interval: Interval
    duplicate_count: int  # unseen documents whose text is that of one that was used
    accuracy_without_duplicates: float
    support: PartEvaluation  # optimistic: the version was made from these
    calibration: PartEvaluation
    without_duplicates: PartEvaluation  # the headline without `duplicate_count`
    used_before_count: int  # by versions that this one goes on from, not by itself; not unseen
    used_before: PartEvaluation
    not_scored_count: int
    stale: str


class DriftVerdict(StrEnum):
    TOO_FEW = "too-few"  # documents on one side, to tell
    RECALIBRATE_FIRST = "recalibrate-first"  # withheld: support was added since calibration
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
    quantities: tuple[
        DriftQuantity, ...
    ]  # empty where nothing was tested: too few documents, or recalibrate-first
    difference_detectable: float  # a larger one, of any quantity, is told from chance
    admission: tuple[DriftAdmission, ...]  # highest alpha first
    calibration_zero_similarity: Share  # q = 0
    zero_similarity: Share
    calibration_class_shares: tuple[float, ...]  # by predicted class
    class_shares: tuple[float, ...]
    added_since_calibration: int  # support documents that the calibration documents did not meet
    not_scored_count: int  # attributes that do not fit the version; in no figure above
    stale: str
