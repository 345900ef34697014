import datetime

from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Document(_message.Message):
    __slots__ = ("id", "text", "label", "label_name", "split", "prompt", "info", "group", "attributes", "extra_json", "update_time", "revision")
    ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    LABEL_NAME_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    EXTRA_JSON_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    id: str
    text: str
    label: int
    label_name: str
    split: str
    prompt: str
    info: str
    group: str
    attributes: _containers.RepeatedScalarFieldContainer[float]
    extra_json: str
    update_time: _timestamp_pb2.Timestamp
    revision: int
    def __init__(self, id: _Optional[str] = ..., text: _Optional[str] = ..., label: _Optional[int] = ..., label_name: _Optional[str] = ..., split: _Optional[str] = ..., prompt: _Optional[str] = ..., info: _Optional[str] = ..., group: _Optional[str] = ..., attributes: _Optional[_Iterable[float]] = ..., extra_json: _Optional[str] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revision: _Optional[int] = ...) -> None: ...

class DocumentLine(_message.Message):
    __slots__ = ("line", "document")
    LINE_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    line: int
    document: Document
    def __init__(self, line: _Optional[int] = ..., document: _Optional[_Union[Document, _Mapping]] = ...) -> None: ...

class UploadDocumentsRequest(_message.Message):
    __slots__ = ("project", "split", "lines", "validate_only", "overwrite_labels")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    OVERWRITE_LABELS_FIELD_NUMBER: _ClassVar[int]
    project: str
    split: str
    lines: _containers.RepeatedCompositeFieldContainer[DocumentLine]
    validate_only: bool
    overwrite_labels: bool
    def __init__(self, project: _Optional[str] = ..., split: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[DocumentLine, _Mapping]]] = ..., validate_only: bool = ..., overwrite_labels: bool = ...) -> None: ...

class Rejection(_message.Message):
    __slots__ = ("line", "field", "reason", "id")
    LINE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    line: int
    field: str
    reason: str
    id: str
    def __init__(self, line: _Optional[int] = ..., field: _Optional[str] = ..., reason: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class UploadDocumentsResponse(_message.Message):
    __slots__ = ("added", "replaced", "unchanged", "rejections", "repeated_ids", "moved", "kept_labels")
    ADDED_FIELD_NUMBER: _ClassVar[int]
    REPLACED_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    REPEATED_IDS_FIELD_NUMBER: _ClassVar[int]
    MOVED_FIELD_NUMBER: _ClassVar[int]
    KEPT_LABELS_FIELD_NUMBER: _ClassVar[int]
    added: int
    replaced: int
    unchanged: int
    rejections: _containers.RepeatedCompositeFieldContainer[Rejection]
    repeated_ids: int
    moved: int
    kept_labels: int
    def __init__(self, added: _Optional[int] = ..., replaced: _Optional[int] = ..., unchanged: _Optional[int] = ..., rejections: _Optional[_Iterable[_Union[Rejection, _Mapping]]] = ..., repeated_ids: _Optional[int] = ..., moved: _Optional[int] = ..., kept_labels: _Optional[int] = ...) -> None: ...

class GetDocumentRequest(_message.Message):
    __slots__ = ("project", "id")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    project: str
    id: str
    def __init__(self, project: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class GetDocumentResponse(_message.Message):
    __slots__ = ("document",)
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    document: Document
    def __init__(self, document: _Optional[_Union[Document, _Mapping]] = ...) -> None: ...

class ListDocumentsRequest(_message.Message):
    __slots__ = ("project", "split", "label", "page_size", "page_token", "where")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    project: str
    split: str
    label: int
    page_size: int
    page_token: str
    where: str
    def __init__(self, project: _Optional[str] = ..., split: _Optional[str] = ..., label: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., where: _Optional[str] = ...) -> None: ...

class ListDocumentsResponse(_message.Message):
    __slots__ = ("documents", "next_page_token")
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    documents: _containers.RepeatedCompositeFieldContainer[Document]
    next_page_token: str
    def __init__(self, documents: _Optional[_Iterable[_Union[Document, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteDocumentsRequest(_message.Message):
    __slots__ = ("project", "ids", "split", "validate_only", "where")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    project: str
    ids: _containers.RepeatedScalarFieldContainer[str]
    split: str
    validate_only: bool
    where: str
    def __init__(self, project: _Optional[str] = ..., ids: _Optional[_Iterable[str]] = ..., split: _Optional[str] = ..., validate_only: bool = ..., where: _Optional[str] = ...) -> None: ...

class DeleteDocumentsResponse(_message.Message):
    __slots__ = ("deleted", "used_by_live", "classifier", "missing_ids")
    DELETED_FIELD_NUMBER: _ClassVar[int]
    USED_BY_LIVE_FIELD_NUMBER: _ClassVar[int]
    CLASSIFIER_FIELD_NUMBER: _ClassVar[int]
    MISSING_IDS_FIELD_NUMBER: _ClassVar[int]
    deleted: int
    used_by_live: int
    classifier: str
    missing_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, deleted: _Optional[int] = ..., used_by_live: _Optional[int] = ..., classifier: _Optional[str] = ..., missing_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class EditDocumentsRequest(_message.Message):
    __slots__ = ("project", "ids", "split", "label", "changes", "update_mask", "validate_only", "where")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    project: str
    ids: _containers.RepeatedScalarFieldContainer[str]
    split: str
    label: int
    changes: Document
    update_mask: _field_mask_pb2.FieldMask
    validate_only: bool
    where: str
    def __init__(self, project: _Optional[str] = ..., ids: _Optional[_Iterable[str]] = ..., split: _Optional[str] = ..., label: _Optional[int] = ..., changes: _Optional[_Union[Document, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., validate_only: bool = ..., where: _Optional[str] = ...) -> None: ...

class EditDocumentsResponse(_message.Message):
    __slots__ = ("changed", "unchanged", "used_by_live", "classifier", "missing_ids")
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    USED_BY_LIVE_FIELD_NUMBER: _ClassVar[int]
    CLASSIFIER_FIELD_NUMBER: _ClassVar[int]
    MISSING_IDS_FIELD_NUMBER: _ClassVar[int]
    changed: int
    unchanged: int
    used_by_live: int
    classifier: str
    missing_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, changed: _Optional[int] = ..., unchanged: _Optional[int] = ..., used_by_live: _Optional[int] = ..., classifier: _Optional[str] = ..., missing_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class RenameSplitRequest(_message.Message):
    __slots__ = ("project", "split", "new_name")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    NEW_NAME_FIELD_NUMBER: _ClassVar[int]
    project: str
    split: str
    new_name: str
    def __init__(self, project: _Optional[str] = ..., split: _Optional[str] = ..., new_name: _Optional[str] = ...) -> None: ...

class RenameSplitResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SummarizeSplitsRequest(_message.Message):
    __slots__ = ("project",)
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    project: str
    def __init__(self, project: _Optional[str] = ...) -> None: ...

class LabelCount(_message.Message):
    __slots__ = ("label", "name", "count")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    label: int
    name: str
    count: int
    def __init__(self, label: _Optional[int] = ..., name: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class SplitSummary(_message.Message):
    __slots__ = ("split", "documents", "labels")
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    split: str
    documents: int
    labels: _containers.RepeatedCompositeFieldContainer[LabelCount]
    def __init__(self, split: _Optional[str] = ..., documents: _Optional[int] = ..., labels: _Optional[_Iterable[_Union[LabelCount, _Mapping]]] = ...) -> None: ...

class SummarizeSplitsResponse(_message.Message):
    __slots__ = ("splits",)
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    splits: _containers.RepeatedCompositeFieldContainer[SplitSummary]
    def __init__(self, splits: _Optional[_Iterable[_Union[SplitSummary, _Mapping]]] = ...) -> None: ...
