import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Text(_message.Message):
    __slots__ = ("id", "text", "attributes", "prompt", "label")
    ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    id: str
    text: str
    attributes: _containers.RepeatedScalarFieldContainer[float]
    prompt: str
    label: int
    def __init__(self, id: _Optional[str] = ..., text: _Optional[str] = ..., attributes: _Optional[_Iterable[float]] = ..., prompt: _Optional[str] = ..., label: _Optional[int] = ...) -> None: ...

class Neighbor(_message.Message):
    __slots__ = ("id", "label", "prediction", "distance", "text")
    ID_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    id: str
    label: int
    prediction: int
    distance: float
    text: str
    def __init__(self, id: _Optional[str] = ..., label: _Optional[int] = ..., prediction: _Optional[int] = ..., distance: _Optional[float] = ..., text: _Optional[str] = ...) -> None: ...

class Ensemble(_message.Message):
    __slots__ = ("size", "agreed", "region_alpha")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    AGREED_FIELD_NUMBER: _ClassVar[int]
    REGION_ALPHA_FIELD_NUMBER: _ClassVar[int]
    size: int
    agreed: int
    region_alpha: float
    def __init__(self, size: _Optional[int] = ..., agreed: _Optional[int] = ..., region_alpha: _Optional[float] = ...) -> None: ...

class Prediction(_message.Message):
    __slots__ = ("id", "label", "prediction", "prediction_name", "probabilities", "logits", "sdm", "q", "d0", "d", "q_prime", "region_alpha", "lower_region_alpha", "lower_d", "lower_q_prime", "effective_sample_sizes", "reliability", "reason", "neighbors", "classifier", "stale", "windows", "role", "text", "probability", "probability_lower", "probability_upper", "probability_documents", "prediction_set", "ensemble", "prediction_set_uncalibrated", "coverage")
    ID_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_NAME_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    LOGITS_FIELD_NUMBER: _ClassVar[int]
    SDM_FIELD_NUMBER: _ClassVar[int]
    Q_FIELD_NUMBER: _ClassVar[int]
    D0_FIELD_NUMBER: _ClassVar[int]
    D_FIELD_NUMBER: _ClassVar[int]
    Q_PRIME_FIELD_NUMBER: _ClassVar[int]
    REGION_ALPHA_FIELD_NUMBER: _ClassVar[int]
    LOWER_REGION_ALPHA_FIELD_NUMBER: _ClassVar[int]
    LOWER_D_FIELD_NUMBER: _ClassVar[int]
    LOWER_Q_PRIME_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_SAMPLE_SIZES_FIELD_NUMBER: _ClassVar[int]
    RELIABILITY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    NEIGHBORS_FIELD_NUMBER: _ClassVar[int]
    CLASSIFIER_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_LOWER_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_UPPER_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_SET_FIELD_NUMBER: _ClassVar[int]
    ENSEMBLE_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_SET_UNCALIBRATED_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    id: str
    label: int
    prediction: int
    prediction_name: str
    probabilities: _containers.RepeatedScalarFieldContainer[float]
    logits: _containers.RepeatedScalarFieldContainer[float]
    sdm: _containers.RepeatedScalarFieldContainer[float]
    q: int
    d0: float
    d: float
    q_prime: float
    region_alpha: float
    lower_region_alpha: float
    lower_d: float
    lower_q_prime: float
    effective_sample_sizes: _containers.RepeatedScalarFieldContainer[int]
    reliability: str
    reason: str
    neighbors: _containers.RepeatedCompositeFieldContainer[Neighbor]
    classifier: str
    stale: str
    windows: int
    role: str
    text: str
    probability: float
    probability_lower: float
    probability_upper: float
    probability_documents: int
    prediction_set: _containers.RepeatedScalarFieldContainer[int]
    ensemble: Ensemble
    prediction_set_uncalibrated: _containers.RepeatedScalarFieldContainer[int]
    coverage: float
    def __init__(self, id: _Optional[str] = ..., label: _Optional[int] = ..., prediction: _Optional[int] = ..., prediction_name: _Optional[str] = ..., probabilities: _Optional[_Iterable[float]] = ..., logits: _Optional[_Iterable[float]] = ..., sdm: _Optional[_Iterable[float]] = ..., q: _Optional[int] = ..., d0: _Optional[float] = ..., d: _Optional[float] = ..., q_prime: _Optional[float] = ..., region_alpha: _Optional[float] = ..., lower_region_alpha: _Optional[float] = ..., lower_d: _Optional[float] = ..., lower_q_prime: _Optional[float] = ..., effective_sample_sizes: _Optional[_Iterable[int]] = ..., reliability: _Optional[str] = ..., reason: _Optional[str] = ..., neighbors: _Optional[_Iterable[_Union[Neighbor, _Mapping]]] = ..., classifier: _Optional[str] = ..., stale: _Optional[str] = ..., windows: _Optional[int] = ..., role: _Optional[str] = ..., text: _Optional[str] = ..., probability: _Optional[float] = ..., probability_lower: _Optional[float] = ..., probability_upper: _Optional[float] = ..., probability_documents: _Optional[int] = ..., prediction_set: _Optional[_Iterable[int]] = ..., ensemble: _Optional[_Union[Ensemble, _Mapping]] = ..., prediction_set_uncalibrated: _Optional[_Iterable[int]] = ..., coverage: _Optional[float] = ...) -> None: ...

class QueryRequest(_message.Message):
    __slots__ = ("project", "texts", "neighbors", "coverage")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    NEIGHBORS_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    project: str
    texts: _containers.RepeatedCompositeFieldContainer[Text]
    neighbors: int
    coverage: float
    def __init__(self, project: _Optional[str] = ..., texts: _Optional[_Iterable[_Union[Text, _Mapping]]] = ..., neighbors: _Optional[int] = ..., coverage: _Optional[float] = ...) -> None: ...

class QueryResponse(_message.Message):
    __slots__ = ("predictions",)
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    predictions: _containers.RepeatedCompositeFieldContainer[Prediction]
    def __init__(self, predictions: _Optional[_Iterable[_Union[Prediction, _Mapping]]] = ...) -> None: ...

class PredictSplitRequest(_message.Message):
    __slots__ = ("project", "split", "neighbors", "coverage", "since", "where", "order_by")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    NEIGHBORS_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    project: str
    split: str
    neighbors: int
    coverage: float
    since: _timestamp_pb2.Timestamp
    where: str
    order_by: str
    def __init__(self, project: _Optional[str] = ..., split: _Optional[str] = ..., neighbors: _Optional[int] = ..., coverage: _Optional[float] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., where: _Optional[str] = ..., order_by: _Optional[str] = ...) -> None: ...

class PredictSplitResponse(_message.Message):
    __slots__ = ("predictions",)
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    predictions: _containers.RepeatedCompositeFieldContainer[Prediction]
    def __init__(self, predictions: _Optional[_Iterable[_Union[Prediction, _Mapping]]] = ...) -> None: ...

class PredictRequest(_message.Message):
    __slots__ = ("project", "texts", "neighbors", "coverage")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    NEIGHBORS_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    project: str
    texts: _containers.RepeatedCompositeFieldContainer[Text]
    neighbors: int
    coverage: float
    def __init__(self, project: _Optional[str] = ..., texts: _Optional[_Iterable[_Union[Text, _Mapping]]] = ..., neighbors: _Optional[int] = ..., coverage: _Optional[float] = ...) -> None: ...

class TextRejection(_message.Message):
    __slots__ = ("index", "id", "field", "reason")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    index: int
    id: str
    field: str
    reason: str
    def __init__(self, index: _Optional[int] = ..., id: _Optional[str] = ..., field: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class PredictResponse(_message.Message):
    __slots__ = ("predictions", "rejections")
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    predictions: _containers.RepeatedCompositeFieldContainer[Prediction]
    rejections: _containers.RepeatedCompositeFieldContainer[TextRejection]
    def __init__(self, predictions: _Optional[_Iterable[_Union[Prediction, _Mapping]]] = ..., rejections: _Optional[_Iterable[_Union[TextRejection, _Mapping]]] = ...) -> None: ...
