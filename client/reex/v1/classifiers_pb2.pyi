import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from reex.v1 import evaluation_pb2 as _evaluation_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RegionSummary(_message.Message):
    __slots__ = ("alpha", "q_prime_min", "thresholds")
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    Q_PRIME_MIN_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    alpha: float
    q_prime_min: float
    thresholds: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, alpha: _Optional[float] = ..., q_prime_min: _Optional[float] = ..., thresholds: _Optional[_Iterable[float]] = ...) -> None: ...

class ClassifierSummary(_message.Message):
    __slots__ = ("name", "create_time", "model", "support_count", "calibration_count", "regions", "stale", "unused_count", "warnings", "training_json", "live", "origin", "parent", "added_since_calibration", "pooling", "ensemble_size", "document_prefix", "attribute_count", "tuned", "official")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_COUNT_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_COUNT_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    UNUSED_COUNT_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    TRAINING_JSON_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    ADDED_SINCE_CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    POOLING_FIELD_NUMBER: _ClassVar[int]
    ENSEMBLE_SIZE_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_PREFIX_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTE_COUNT_FIELD_NUMBER: _ClassVar[int]
    TUNED_FIELD_NUMBER: _ClassVar[int]
    OFFICIAL_FIELD_NUMBER: _ClassVar[int]
    name: str
    create_time: _timestamp_pb2.Timestamp
    model: str
    support_count: int
    calibration_count: int
    regions: _containers.RepeatedCompositeFieldContainer[RegionSummary]
    stale: str
    unused_count: int
    warnings: _containers.RepeatedScalarFieldContainer[str]
    training_json: str
    live: bool
    origin: str
    parent: str
    added_since_calibration: int
    pooling: str
    ensemble_size: int
    document_prefix: str
    attribute_count: int
    tuned: bool
    official: bool
    def __init__(self, name: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., model: _Optional[str] = ..., support_count: _Optional[int] = ..., calibration_count: _Optional[int] = ..., regions: _Optional[_Iterable[_Union[RegionSummary, _Mapping]]] = ..., stale: _Optional[str] = ..., unused_count: _Optional[int] = ..., warnings: _Optional[_Iterable[str]] = ..., training_json: _Optional[str] = ..., live: bool = ..., origin: _Optional[str] = ..., parent: _Optional[str] = ..., added_since_calibration: _Optional[int] = ..., pooling: _Optional[str] = ..., ensemble_size: _Optional[int] = ..., document_prefix: _Optional[str] = ..., attribute_count: _Optional[int] = ..., tuned: bool = ..., official: bool = ...) -> None: ...

class ListClassifiersRequest(_message.Message):
    __slots__ = ("project", "page_size", "page_token")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    project: str
    page_size: int
    page_token: str
    def __init__(self, project: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListClassifiersResponse(_message.Message):
    __slots__ = ("classifiers", "next_page_token")
    CLASSIFIERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    classifiers: _containers.RepeatedCompositeFieldContainer[ClassifierSummary]
    next_page_token: str
    def __init__(self, classifiers: _Optional[_Iterable[_Union[ClassifierSummary, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetClassifierRequest(_message.Message):
    __slots__ = ("project", "name")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    project: str
    name: str
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class GetClassifierResponse(_message.Message):
    __slots__ = ("classifier",)
    CLASSIFIER_FIELD_NUMBER: _ClassVar[int]
    classifier: ClassifierSummary
    def __init__(self, classifier: _Optional[_Union[ClassifierSummary, _Mapping]] = ...) -> None: ...

class CompareClassifiersRequest(_message.Message):
    __slots__ = ("project", "first", "second", "split")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    SECOND_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    project: str
    first: str
    second: str
    split: str
    def __init__(self, project: _Optional[str] = ..., first: _Optional[str] = ..., second: _Optional[str] = ..., split: _Optional[str] = ...) -> None: ...

class ComparedClassifier(_message.Message):
    __slots__ = ("name", "correct", "accuracy", "interval", "balanced_accuracy", "regions", "out_of_distribution_admitted", "origin", "parent")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CORRECT_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    BALANCED_ACCURACY_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_DISTRIBUTION_ADMITTED_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    correct: int
    accuracy: float
    interval: _evaluation_pb2.Interval
    balanced_accuracy: float
    regions: _containers.RepeatedCompositeFieldContainer[_evaluation_pb2.RegionEvaluation]
    out_of_distribution_admitted: int
    origin: str
    parent: str
    def __init__(self, name: _Optional[str] = ..., correct: _Optional[int] = ..., accuracy: _Optional[float] = ..., interval: _Optional[_Union[_evaluation_pb2.Interval, _Mapping]] = ..., balanced_accuracy: _Optional[float] = ..., regions: _Optional[_Iterable[_Union[_evaluation_pb2.RegionEvaluation, _Mapping]]] = ..., out_of_distribution_admitted: _Optional[int] = ..., origin: _Optional[str] = ..., parent: _Optional[str] = ...) -> None: ...

class CompareClassifiersResponse(_message.Message):
    __slots__ = ("split", "n", "first", "second", "agreed", "only_first_correct", "only_second_correct", "out_of_distribution_count", "left_out_count")
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    SECOND_FIELD_NUMBER: _ClassVar[int]
    AGREED_FIELD_NUMBER: _ClassVar[int]
    ONLY_FIRST_CORRECT_FIELD_NUMBER: _ClassVar[int]
    ONLY_SECOND_CORRECT_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_DISTRIBUTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_COUNT_FIELD_NUMBER: _ClassVar[int]
    split: str
    n: int
    first: ComparedClassifier
    second: ComparedClassifier
    agreed: int
    only_first_correct: int
    only_second_correct: int
    out_of_distribution_count: int
    left_out_count: int
    def __init__(self, split: _Optional[str] = ..., n: _Optional[int] = ..., first: _Optional[_Union[ComparedClassifier, _Mapping]] = ..., second: _Optional[_Union[ComparedClassifier, _Mapping]] = ..., agreed: _Optional[int] = ..., only_first_correct: _Optional[int] = ..., only_second_correct: _Optional[int] = ..., out_of_distribution_count: _Optional[int] = ..., left_out_count: _Optional[int] = ...) -> None: ...

class UseClassifierRequest(_message.Message):
    __slots__ = ("project", "name")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    project: str
    name: str
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class UseClassifierResponse(_message.Message):
    __slots__ = ("classifier",)
    CLASSIFIER_FIELD_NUMBER: _ClassVar[int]
    classifier: ClassifierSummary
    def __init__(self, classifier: _Optional[_Union[ClassifierSummary, _Mapping]] = ...) -> None: ...

class DeleteClassifierRequest(_message.Message):
    __slots__ = ("project", "name")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    project: str
    name: str
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class DeleteClassifierResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AddToSupportRequest(_message.Message):
    __slots__ = ("project", "ids", "label", "label_name")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    LABEL_NAME_FIELD_NUMBER: _ClassVar[int]
    project: str
    ids: _containers.RepeatedScalarFieldContainer[str]
    label: int
    label_name: str
    def __init__(self, project: _Optional[str] = ..., ids: _Optional[_Iterable[str]] = ..., label: _Optional[int] = ..., label_name: _Optional[str] = ...) -> None: ...

class AddToSupportResponse(_message.Message):
    __slots__ = ("classifier",)
    CLASSIFIER_FIELD_NUMBER: _ClassVar[int]
    classifier: ClassifierSummary
    def __init__(self, classifier: _Optional[_Union[ClassifierSummary, _Mapping]] = ...) -> None: ...

class UndoAddToSupportRequest(_message.Message):
    __slots__ = ("project",)
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    project: str
    def __init__(self, project: _Optional[str] = ...) -> None: ...

class UndoAddToSupportResponse(_message.Message):
    __slots__ = ("classifier", "restored_count", "kept_ids")
    CLASSIFIER_FIELD_NUMBER: _ClassVar[int]
    RESTORED_COUNT_FIELD_NUMBER: _ClassVar[int]
    KEPT_IDS_FIELD_NUMBER: _ClassVar[int]
    classifier: ClassifierSummary
    restored_count: int
    kept_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, classifier: _Optional[_Union[ClassifierSummary, _Mapping]] = ..., restored_count: _Optional[int] = ..., kept_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class RecalibrateRequest(_message.Message):
    __slots__ = ("project",)
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    project: str
    def __init__(self, project: _Optional[str] = ...) -> None: ...

class RecalibrateResponse(_message.Message):
    __slots__ = ("classifier",)
    CLASSIFIER_FIELD_NUMBER: _ClassVar[int]
    classifier: ClassifierSummary
    def __init__(self, classifier: _Optional[_Union[ClassifierSummary, _Mapping]] = ...) -> None: ...
