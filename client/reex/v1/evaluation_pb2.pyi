from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

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
    __slots__ = ("label", "name", "support", "recall", "predicted", "precision")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_FIELD_NUMBER: _ClassVar[int]
    RECALL_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    label: int
    name: str
    support: int
    recall: float
    predicted: int
    precision: float
    def __init__(self, label: _Optional[int] = ..., name: _Optional[str] = ..., support: _Optional[int] = ..., recall: _Optional[float] = ..., predicted: _Optional[int] = ..., precision: _Optional[float] = ...) -> None: ...

class RegionEvaluation(_message.Message):
    __slots__ = ("alpha", "admitted", "admitted_share", "correct", "accuracy", "interval")
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    ADMITTED_FIELD_NUMBER: _ClassVar[int]
    ADMITTED_SHARE_FIELD_NUMBER: _ClassVar[int]
    CORRECT_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    alpha: float
    admitted: int
    admitted_share: float
    correct: int
    accuracy: float
    interval: Interval
    def __init__(self, alpha: _Optional[float] = ..., admitted: _Optional[int] = ..., admitted_share: _Optional[float] = ..., correct: _Optional[int] = ..., accuracy: _Optional[float] = ..., interval: _Optional[_Union[Interval, _Mapping]] = ...) -> None: ...

class ConfusionRow(_message.Message):
    __slots__ = ("counts",)
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    counts: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, counts: _Optional[_Iterable[int]] = ...) -> None: ...

class EvaluateResponse(_message.Message):
    __slots__ = ("split", "classifier", "n", "correct", "accuracy", "interval", "balanced_accuracy", "confusion", "classes", "regions", "support_count", "calibration_count", "unseen_count", "unlabelled_count", "out_of_distribution_count", "out_of_distribution_admitted", "duplicate_count", "accuracy_without_duplicates", "stale", "not_scored_count")
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
    def __init__(self, split: _Optional[str] = ..., classifier: _Optional[str] = ..., n: _Optional[int] = ..., correct: _Optional[int] = ..., accuracy: _Optional[float] = ..., interval: _Optional[_Union[Interval, _Mapping]] = ..., balanced_accuracy: _Optional[float] = ..., confusion: _Optional[_Iterable[_Union[ConfusionRow, _Mapping]]] = ..., classes: _Optional[_Iterable[_Union[ClassEvaluation, _Mapping]]] = ..., regions: _Optional[_Iterable[_Union[RegionEvaluation, _Mapping]]] = ..., support_count: _Optional[int] = ..., calibration_count: _Optional[int] = ..., unseen_count: _Optional[int] = ..., unlabelled_count: _Optional[int] = ..., out_of_distribution_count: _Optional[int] = ..., out_of_distribution_admitted: _Optional[int] = ..., duplicate_count: _Optional[int] = ..., accuracy_without_duplicates: _Optional[float] = ..., stale: _Optional[str] = ..., not_scored_count: _Optional[int] = ...) -> None: ...
