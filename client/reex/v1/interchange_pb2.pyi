from reex.v1 import classifiers_pb2 as _classifiers_pb2
from reex.v1 import documents_pb2 as _documents_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FilePart(_message.Message):
    __slots__ = ("name", "data")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    name: str
    data: bytes
    def __init__(self, name: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class ExportClassifierRequest(_message.Message):
    __slots__ = ("project", "name", "with_documents")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    WITH_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    project: str
    name: str
    with_documents: bool
    def __init__(self, project: _Optional[str] = ..., name: _Optional[str] = ..., with_documents: bool = ...) -> None: ...

class ExportClassifierResponse(_message.Message):
    __slots__ = ("part",)
    PART_FIELD_NUMBER: _ClassVar[int]
    part: FilePart
    def __init__(self, part: _Optional[_Union[FilePart, _Mapping]] = ...) -> None: ...

class ImportClassifierRequest(_message.Message):
    __slots__ = ("project", "assume_model", "part", "complete")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    ASSUME_MODEL_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    project: str
    assume_model: bool
    part: FilePart
    complete: bool
    def __init__(self, project: _Optional[str] = ..., assume_model: bool = ..., part: _Optional[_Union[FilePart, _Mapping]] = ..., complete: bool = ...) -> None: ...

class ImportClassifierResponse(_message.Message):
    __slots__ = ("classifier",)
    CLASSIFIER_FIELD_NUMBER: _ClassVar[int]
    classifier: _classifiers_pb2.ClassifierSummary
    def __init__(self, classifier: _Optional[_Union[_classifiers_pb2.ClassifierSummary, _Mapping]] = ...) -> None: ...

class ExportDocumentsRequest(_message.Message):
    __slots__ = ("project", "split", "without_vectors")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_VECTORS_FIELD_NUMBER: _ClassVar[int]
    project: str
    split: str
    without_vectors: bool
    def __init__(self, project: _Optional[str] = ..., split: _Optional[str] = ..., without_vectors: bool = ...) -> None: ...

class ExportDocumentsResponse(_message.Message):
    __slots__ = ("part",)
    PART_FIELD_NUMBER: _ClassVar[int]
    part: FilePart
    def __init__(self, part: _Optional[_Union[FilePart, _Mapping]] = ...) -> None: ...

class ImportDocumentsRequest(_message.Message):
    __slots__ = ("project", "split", "validate_only", "part", "complete", "overwrite_labels")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    OVERWRITE_LABELS_FIELD_NUMBER: _ClassVar[int]
    project: str
    split: str
    validate_only: bool
    part: FilePart
    complete: bool
    overwrite_labels: bool
    def __init__(self, project: _Optional[str] = ..., split: _Optional[str] = ..., validate_only: bool = ..., part: _Optional[_Union[FilePart, _Mapping]] = ..., complete: bool = ..., overwrite_labels: bool = ...) -> None: ...

class ImportDocumentsResponse(_message.Message):
    __slots__ = ("added", "replaced", "unchanged", "total", "rejected", "rejections", "vectors", "moved", "kept_labels")
    ADDED_FIELD_NUMBER: _ClassVar[int]
    REPLACED_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    MOVED_FIELD_NUMBER: _ClassVar[int]
    KEPT_LABELS_FIELD_NUMBER: _ClassVar[int]
    added: int
    replaced: int
    unchanged: int
    total: int
    rejected: int
    rejections: _containers.RepeatedCompositeFieldContainer[_documents_pb2.Rejection]
    vectors: int
    moved: int
    kept_labels: int
    def __init__(self, added: _Optional[int] = ..., replaced: _Optional[int] = ..., unchanged: _Optional[int] = ..., total: _Optional[int] = ..., rejected: _Optional[int] = ..., rejections: _Optional[_Iterable[_Union[_documents_pb2.Rejection, _Mapping]]] = ..., vectors: _Optional[int] = ..., moved: _Optional[int] = ..., kept_labels: _Optional[int] = ...) -> None: ...
