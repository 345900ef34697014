from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DriftVerdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DRIFT_VERDICT_UNSPECIFIED: _ClassVar[DriftVerdict]
    DRIFT_VERDICT_TOO_FEW: _ClassVar[DriftVerdict]
    DRIFT_VERDICT_NONE: _ClassVar[DriftVerdict]
    DRIFT_VERDICT_SLIGHT: _ClassVar[DriftVerdict]
    DRIFT_VERDICT_DRIFT: _ClassVar[DriftVerdict]
    DRIFT_VERDICT_RECALIBRATE_FIRST: _ClassVar[DriftVerdict]
DRIFT_VERDICT_UNSPECIFIED: DriftVerdict
DRIFT_VERDICT_TOO_FEW: DriftVerdict
DRIFT_VERDICT_NONE: DriftVerdict
DRIFT_VERDICT_SLIGHT: DriftVerdict
DRIFT_VERDICT_DRIFT: DriftVerdict
DRIFT_VERDICT_RECALIBRATE_FIRST: DriftVerdict

class EvaluateRequest(_message.Message):
    __slots__ = ("project", "split")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    project: str
    split: str
    def __init__(self, project: _Optional[str] = ..., split: _Optional[str] = ...) -> None: ...

class Interval(_message.Message):
    __slots__ = ("lower", "upper")
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    lower: float
    upper: float
    def __init__(self, lower: _Optional[float] = ..., upper: _Optional[float] = ...) -> None: ...

class ClassEvaluation(_message.Message):
    __slots__ = ("label", "name", "support", "recall", "predicted", "precision", "recall_interval", "precision_interval")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_FIELD_NUMBER: _ClassVar[int]
    RECALL_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    RECALL_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    PRECISION_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    label: int
    name: str
    support: int
    recall: float
    predicted: int
    precision: float
    recall_interval: Interval
    precision_interval: Interval
    def __init__(self, label: _Optional[int] = ..., name: _Optional[str] = ..., support: _Optional[int] = ..., recall: _Optional[float] = ..., predicted: _Optional[int] = ..., precision: _Optional[float] = ..., recall_interval: _Optional[_Union[Interval, _Mapping]] = ..., precision_interval: _Optional[_Union[Interval, _Mapping]] = ...) -> None: ...

class Accuracy(_message.Message):
    __slots__ = ("n", "correct", "accuracy", "interval")
    N_FIELD_NUMBER: _ClassVar[int]
    CORRECT_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    n: int
    correct: int
    accuracy: float
    interval: Interval
    def __init__(self, n: _Optional[int] = ..., correct: _Optional[int] = ..., accuracy: _Optional[float] = ..., interval: _Optional[_Union[Interval, _Mapping]] = ...) -> None: ...

class RegionEvaluation(_message.Message):
    __slots__ = ("alpha", "admitted", "admitted_share", "correct", "accuracy", "interval", "share_interval", "by_label", "by_prediction")
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    ADMITTED_FIELD_NUMBER: _ClassVar[int]
    ADMITTED_SHARE_FIELD_NUMBER: _ClassVar[int]
    CORRECT_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    SHARE_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    BY_LABEL_FIELD_NUMBER: _ClassVar[int]
    BY_PREDICTION_FIELD_NUMBER: _ClassVar[int]
    alpha: float
    admitted: int
    admitted_share: float
    correct: int
    accuracy: float
    interval: Interval
    share_interval: Interval
    by_label: _containers.RepeatedCompositeFieldContainer[Accuracy]
    by_prediction: _containers.RepeatedCompositeFieldContainer[Accuracy]
    def __init__(self, alpha: _Optional[float] = ..., admitted: _Optional[int] = ..., admitted_share: _Optional[float] = ..., correct: _Optional[int] = ..., accuracy: _Optional[float] = ..., interval: _Optional[_Union[Interval, _Mapping]] = ..., share_interval: _Optional[_Union[Interval, _Mapping]] = ..., by_label: _Optional[_Iterable[_Union[Accuracy, _Mapping]]] = ..., by_prediction: _Optional[_Iterable[_Union[Accuracy, _Mapping]]] = ...) -> None: ...

class PartEvaluation(_message.Message):
    __slots__ = ("accuracy", "balanced_accuracy", "regions", "balanced_interval")
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    BALANCED_ACCURACY_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    BALANCED_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    accuracy: Accuracy
    balanced_accuracy: float
    regions: _containers.RepeatedCompositeFieldContainer[RegionEvaluation]
    balanced_interval: Interval
    def __init__(self, accuracy: _Optional[_Union[Accuracy, _Mapping]] = ..., balanced_accuracy: _Optional[float] = ..., regions: _Optional[_Iterable[_Union[RegionEvaluation, _Mapping]]] = ..., balanced_interval: _Optional[_Union[Interval, _Mapping]] = ...) -> None: ...

class ProbabilityEvaluation(_message.Message):
    __slots__ = ("kind", "n", "calibration_error", "brier", "bins")
    KIND_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_ERROR_FIELD_NUMBER: _ClassVar[int]
    BRIER_FIELD_NUMBER: _ClassVar[int]
    BINS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    n: int
    calibration_error: float
    brier: float
    bins: _containers.RepeatedCompositeFieldContainer[ProbabilityBin]
    def __init__(self, kind: _Optional[str] = ..., n: _Optional[int] = ..., calibration_error: _Optional[float] = ..., brier: _Optional[float] = ..., bins: _Optional[_Iterable[_Union[ProbabilityBin, _Mapping]]] = ...) -> None: ...

class ProbabilityBin(_message.Message):
    __slots__ = ("lower", "upper", "mean_probability", "accuracy")
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    MEAN_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    lower: float
    upper: float
    mean_probability: float
    accuracy: Accuracy
    def __init__(self, lower: _Optional[float] = ..., upper: _Optional[float] = ..., mean_probability: _Optional[float] = ..., accuracy: _Optional[_Union[Accuracy, _Mapping]] = ...) -> None: ...

class PredictionSetEvaluation(_message.Message):
    __slots__ = ("promised", "coverage", "by_label", "mean_size", "single_count", "full_count")
    PROMISED_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    BY_LABEL_FIELD_NUMBER: _ClassVar[int]
    MEAN_SIZE_FIELD_NUMBER: _ClassVar[int]
    SINGLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    FULL_COUNT_FIELD_NUMBER: _ClassVar[int]
    promised: float
    coverage: Accuracy
    by_label: _containers.RepeatedCompositeFieldContainer[Accuracy]
    mean_size: float
    single_count: int
    full_count: int
    def __init__(self, promised: _Optional[float] = ..., coverage: _Optional[_Union[Accuracy, _Mapping]] = ..., by_label: _Optional[_Iterable[_Union[Accuracy, _Mapping]]] = ..., mean_size: _Optional[float] = ..., single_count: _Optional[int] = ..., full_count: _Optional[int] = ...) -> None: ...

class RejectionEvaluation(_message.Message):
    __slots__ = ("reason", "accuracy")
    REASON_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    reason: str
    accuracy: Accuracy
    def __init__(self, reason: _Optional[str] = ..., accuracy: _Optional[_Union[Accuracy, _Mapping]] = ...) -> None: ...

class ConfusionRow(_message.Message):
    __slots__ = ("counts",)
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    counts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, counts: _Optional[_Iterable[int]] = ...) -> None: ...

class EvaluateResponse(_message.Message):
    __slots__ = ("split", "classifier", "n", "correct", "accuracy", "interval", "balanced_accuracy", "confusion", "classes", "regions", "support_count", "calibration_count", "unseen_count", "unlabelled_count", "out_of_distribution_count", "out_of_distribution_admitted", "duplicate_count", "accuracy_without_duplicates", "stale", "not_scored_count", "support", "calibration", "without_duplicates", "probability", "prediction_sets", "ensemble_size", "ensemble_regions", "out_of_distribution_interval", "balanced_interval", "rejections", "used_before_count", "used_before")
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    CLASSIFIER_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    CORRECT_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    BALANCED_ACCURACY_FIELD_NUMBER: _ClassVar[int]
    CONFUSION_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_COUNT_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNSEEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNLABELLED_COUNT_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_DISTRIBUTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_DISTRIBUTION_ADMITTED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_WITHOUT_DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    NOT_SCORED_COUNT_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_SETS_FIELD_NUMBER: _ClassVar[int]
    ENSEMBLE_SIZE_FIELD_NUMBER: _ClassVar[int]
    ENSEMBLE_REGIONS_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_DISTRIBUTION_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    BALANCED_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    USED_BEFORE_COUNT_FIELD_NUMBER: _ClassVar[int]
    USED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    split: str
    classifier: str
    n: int
    correct: int
    accuracy: float
    interval: Interval
    balanced_accuracy: float
    confusion: _containers.RepeatedCompositeFieldContainer[ConfusionRow]
    classes: _containers.RepeatedCompositeFieldContainer[ClassEvaluation]
    regions: _containers.RepeatedCompositeFieldContainer[RegionEvaluation]
    support_count: int
    calibration_count: int
    unseen_count: int
    unlabelled_count: int
    out_of_distribution_count: int
    out_of_distribution_admitted: int
    duplicate_count: int
    accuracy_without_duplicates: float
    stale: str
    not_scored_count: int
    support: PartEvaluation
    calibration: PartEvaluation
    without_duplicates: PartEvaluation
    probability: ProbabilityEvaluation
    prediction_sets: PredictionSetEvaluation
    ensemble_size: int
    ensemble_regions: _containers.RepeatedCompositeFieldContainer[RegionEvaluation]
    out_of_distribution_interval: Interval
    balanced_interval: Interval
    rejections: _containers.RepeatedCompositeFieldContainer[RejectionEvaluation]
    used_before_count: int
    used_before: PartEvaluation
    def __init__(self, split: _Optional[str] = ..., classifier: _Optional[str] = ..., n: _Optional[int] = ..., correct: _Optional[int] = ..., accuracy: _Optional[float] = ..., interval: _Optional[_Union[Interval, _Mapping]] = ..., balanced_accuracy: _Optional[float] = ..., confusion: _Optional[_Iterable[_Union[ConfusionRow, _Mapping]]] = ..., classes: _Optional[_Iterable[_Union[ClassEvaluation, _Mapping]]] = ..., regions: _Optional[_Iterable[_Union[RegionEvaluation, _Mapping]]] = ..., support_count: _Optional[int] = ..., calibration_count: _Optional[int] = ..., unseen_count: _Optional[int] = ..., unlabelled_count: _Optional[int] = ..., out_of_distribution_count: _Optional[int] = ..., out_of_distribution_admitted: _Optional[int] = ..., duplicate_count: _Optional[int] = ..., accuracy_without_duplicates: _Optional[float] = ..., stale: _Optional[str] = ..., not_scored_count: _Optional[int] = ..., support: _Optional[_Union[PartEvaluation, _Mapping]] = ..., calibration: _Optional[_Union[PartEvaluation, _Mapping]] = ..., without_duplicates: _Optional[_Union[PartEvaluation, _Mapping]] = ..., probability: _Optional[_Union[ProbabilityEvaluation, _Mapping]] = ..., prediction_sets: _Optional[_Union[PredictionSetEvaluation, _Mapping]] = ..., ensemble_size: _Optional[int] = ..., ensemble_regions: _Optional[_Iterable[_Union[RegionEvaluation, _Mapping]]] = ..., out_of_distribution_interval: _Optional[_Union[Interval, _Mapping]] = ..., balanced_interval: _Optional[_Union[Interval, _Mapping]] = ..., rejections: _Optional[_Iterable[_Union[RejectionEvaluation, _Mapping]]] = ..., used_before_count: _Optional[int] = ..., used_before: _Optional[_Union[PartEvaluation, _Mapping]] = ...) -> None: ...

class MeasureDriftRequest(_message.Message):
    __slots__ = ("project", "split", "last")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    project: str
    split: str
    last: int
    def __init__(self, project: _Optional[str] = ..., split: _Optional[str] = ..., last: _Optional[int] = ...) -> None: ...

class DriftQuantity(_message.Message):
    __slots__ = ("name", "calibration_median", "median", "difference", "difference_at", "p_value", "p_value_adjusted", "effect")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_MEDIAN_FIELD_NUMBER: _ClassVar[int]
    MEDIAN_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_AT_FIELD_NUMBER: _ClassVar[int]
    P_VALUE_FIELD_NUMBER: _ClassVar[int]
    P_VALUE_ADJUSTED_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    name: str
    calibration_median: float
    median: float
    difference: float
    difference_at: float
    p_value: float
    p_value_adjusted: float
    effect: float
    def __init__(self, name: _Optional[str] = ..., calibration_median: _Optional[float] = ..., median: _Optional[float] = ..., difference: _Optional[float] = ..., difference_at: _Optional[float] = ..., p_value: _Optional[float] = ..., p_value_adjusted: _Optional[float] = ..., effect: _Optional[float] = ...) -> None: ...

class Share(_message.Message):
    __slots__ = ("n", "count", "share", "interval")
    N_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    n: int
    count: int
    share: float
    interval: Interval
    def __init__(self, n: _Optional[int] = ..., count: _Optional[int] = ..., share: _Optional[float] = ..., interval: _Optional[_Union[Interval, _Mapping]] = ...) -> None: ...

class DriftAdmission(_message.Message):
    __slots__ = ("alpha", "calibration", "arriving")
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    ARRIVING_FIELD_NUMBER: _ClassVar[int]
    alpha: float
    calibration: Share
    arriving: Share
    def __init__(self, alpha: _Optional[float] = ..., calibration: _Optional[_Union[Share, _Mapping]] = ..., arriving: _Optional[_Union[Share, _Mapping]] = ...) -> None: ...

class MeasureDriftResponse(_message.Message):
    __slots__ = ("split", "classifier", "n", "calibration_count", "verdict", "summary", "advice", "quantities", "difference_detectable", "admission", "calibration_zero_similarity", "zero_similarity", "calibration_class_shares", "class_shares", "added_since_calibration", "stale", "not_scored_count")
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    CLASSIFIER_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_COUNT_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    ADVICE_FIELD_NUMBER: _ClassVar[int]
    QUANTITIES_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_DETECTABLE_FIELD_NUMBER: _ClassVar[int]
    ADMISSION_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_ZERO_SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    ZERO_SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_CLASS_SHARES_FIELD_NUMBER: _ClassVar[int]
    CLASS_SHARES_FIELD_NUMBER: _ClassVar[int]
    ADDED_SINCE_CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    NOT_SCORED_COUNT_FIELD_NUMBER: _ClassVar[int]
    split: str
    classifier: str
    n: int
    calibration_count: int
    verdict: DriftVerdict
    summary: str
    advice: str
    quantities: _containers.RepeatedCompositeFieldContainer[DriftQuantity]
    difference_detectable: float
    admission: _containers.RepeatedCompositeFieldContainer[DriftAdmission]
    calibration_zero_similarity: Share
    zero_similarity: Share
    calibration_class_shares: _containers.RepeatedScalarFieldContainer[float]
    class_shares: _containers.RepeatedScalarFieldContainer[float]
    added_since_calibration: int
    stale: str
    not_scored_count: int
    def __init__(self, split: _Optional[str] = ..., classifier: _Optional[str] = ..., n: _Optional[int] = ..., calibration_count: _Optional[int] = ..., verdict: _Optional[_Union[DriftVerdict, str]] = ..., summary: _Optional[str] = ..., advice: _Optional[str] = ..., quantities: _Optional[_Iterable[_Union[DriftQuantity, _Mapping]]] = ..., difference_detectable: _Optional[float] = ..., admission: _Optional[_Iterable[_Union[DriftAdmission, _Mapping]]] = ..., calibration_zero_similarity: _Optional[_Union[Share, _Mapping]] = ..., zero_similarity: _Optional[_Union[Share, _Mapping]] = ..., calibration_class_shares: _Optional[_Iterable[float]] = ..., class_shares: _Optional[_Iterable[float]] = ..., added_since_calibration: _Optional[int] = ..., stale: _Optional[str] = ..., not_scored_count: _Optional[int] = ...) -> None: ...
