from reex.v1 import predictions_pb2 as _predictions_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Suspect(_message.Message):
    __slots__ = ("split", "prediction", "alike")
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    ALIKE_FIELD_NUMBER: _ClassVar[int]
    split: str
    prediction: _predictions_pb2.Prediction
    alike: int
    def __init__(self, split: _Optional[str] = ..., prediction: _Optional[_Union[_predictions_pb2.Prediction, _Mapping]] = ..., alike: _Optional[int] = ...) -> None: ...

class FindLabelErrorsRequest(_message.Message):
    __slots__ = ("project", "splits", "limit")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    project: str
    splits: _containers.RepeatedScalarFieldContainer[str]
    limit: int
    def __init__(self, project: _Optional[str] = ..., splits: _Optional[_Iterable[str]] = ..., limit: _Optional[int] = ...) -> None: ...

class FindLabelErrorsResponse(_message.Message):
    __slots__ = ("suspects", "examined", "contradicted")
    SUSPECTS_FIELD_NUMBER: _ClassVar[int]
    EXAMINED_FIELD_NUMBER: _ClassVar[int]
    CONTRADICTED_FIELD_NUMBER: _ClassVar[int]
    suspects: _containers.RepeatedCompositeFieldContainer[Suspect]
    examined: int
    contradicted: int
    def __init__(self, suspects: _Optional[_Iterable[_Union[Suspect, _Mapping]]] = ..., examined: _Optional[int] = ..., contradicted: _Optional[int] = ...) -> None: ...

class SuggestLabellingRequest(_message.Message):
    __slots__ = ("project", "splits", "limit")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    project: str
    splits: _containers.RepeatedScalarFieldContainer[str]
    limit: int
    def __init__(self, project: _Optional[str] = ..., splits: _Optional[_Iterable[str]] = ..., limit: _Optional[int] = ...) -> None: ...

class SuggestLabellingResponse(_message.Message):
    __slots__ = ("suggestions", "unlabelled")
    SUGGESTIONS_FIELD_NUMBER: _ClassVar[int]
    UNLABELLED_FIELD_NUMBER: _ClassVar[int]
    suggestions: _containers.RepeatedCompositeFieldContainer[Suspect]
    unlabelled: int
    def __init__(self, suggestions: _Optional[_Iterable[_Union[Suspect, _Mapping]]] = ..., unlabelled: _Optional[int] = ...) -> None: ...

class FindDuplicatesRequest(_message.Message):
    __slots__ = ("project", "splits", "similarity_min", "limit")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_MIN_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    project: str
    splits: _containers.RepeatedScalarFieldContainer[str]
    similarity_min: float
    limit: int
    def __init__(self, project: _Optional[str] = ..., splits: _Optional[_Iterable[str]] = ..., similarity_min: _Optional[float] = ..., limit: _Optional[int] = ...) -> None: ...

class Duplicate(_message.Message):
    __slots__ = ("id", "split", "label", "text", "similarity")
    ID_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    id: str
    split: str
    label: int
    text: str
    similarity: float
    def __init__(self, id: _Optional[str] = ..., split: _Optional[str] = ..., label: _Optional[int] = ..., text: _Optional[str] = ..., similarity: _Optional[float] = ...) -> None: ...

class DuplicateGroup(_message.Message):
    __slots__ = ("documents", "labels_differ", "splits_differ")
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    LABELS_DIFFER_FIELD_NUMBER: _ClassVar[int]
    SPLITS_DIFFER_FIELD_NUMBER: _ClassVar[int]
    documents: _containers.RepeatedCompositeFieldContainer[Duplicate]
    labels_differ: bool
    splits_differ: bool
    def __init__(self, documents: _Optional[_Iterable[_Union[Duplicate, _Mapping]]] = ..., labels_differ: bool = ..., splits_differ: bool = ...) -> None: ...

class FindDuplicatesResponse(_message.Message):
    __slots__ = ("groups", "compared", "group_count", "duplicate_count")
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    COMPARED_FIELD_NUMBER: _ClassVar[int]
    GROUP_COUNT_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[DuplicateGroup]
    compared: int
    group_count: int
    duplicate_count: int
    def __init__(self, groups: _Optional[_Iterable[_Union[DuplicateGroup, _Mapping]]] = ..., compared: _Optional[int] = ..., group_count: _Optional[int] = ..., duplicate_count: _Optional[int] = ...) -> None: ...
