from reex.v1 import predictions_pb2 as _predictions_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExplainRequest(_message.Message):
    __slots__ = ("project", "text", "label", "neighbors")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    NEIGHBORS_FIELD_NUMBER: _ClassVar[int]
    project: str
    text: _predictions_pb2.Text
    label: int
    neighbors: int
    def __init__(self, project: _Optional[str] = ..., text: _Optional[_Union[_predictions_pb2.Text, _Mapping]] = ..., label: _Optional[int] = ..., neighbors: _Optional[int] = ...) -> None: ...

class Contribution(_message.Message):
    __slots__ = ("start", "end", "contribution")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    start: int
    end: int
    contribution: float
    def __init__(self, start: _Optional[int] = ..., end: _Optional[int] = ..., contribution: _Optional[float] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("prediction", "label", "label_name", "baseline", "other", "tokens", "sentences")
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    LABEL_NAME_FIELD_NUMBER: _ClassVar[int]
    BASELINE_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    SENTENCES_FIELD_NUMBER: _ClassVar[int]
    prediction: _predictions_pb2.Prediction
    label: int
    label_name: str
    baseline: float
    other: float
    tokens: _containers.RepeatedCompositeFieldContainer[Contribution]
    sentences: _containers.RepeatedCompositeFieldContainer[Contribution]
    def __init__(self, prediction: _Optional[_Union[_predictions_pb2.Prediction, _Mapping]] = ..., label: _Optional[int] = ..., label_name: _Optional[str] = ..., baseline: _Optional[float] = ..., other: _Optional[float] = ..., tokens: _Optional[_Iterable[_Union[Contribution, _Mapping]]] = ..., sentences: _Optional[_Iterable[_Union[Contribution, _Mapping]]] = ...) -> None: ...
