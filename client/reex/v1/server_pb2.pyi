import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from reex.v1 import classifiers_pb2 as _classifiers_pb2
from reex.v1 import documents_pb2 as _documents_pb2
from reex.v1 import jobs_pb2 as _jobs_pb2
from reex.v1 import projects_pb2 as _projects_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ("version", "pid", "start_time", "document_size_max_bytes", "field_size_max_bytes", "attributes_max", "chunk_size_max_bytes", "chunk_documents_max", "home", "models_folder")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_SIZE_MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    FIELD_SIZE_MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_MAX_FIELD_NUMBER: _ClassVar[int]
    CHUNK_SIZE_MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    CHUNK_DOCUMENTS_MAX_FIELD_NUMBER: _ClassVar[int]
    HOME_FIELD_NUMBER: _ClassVar[int]
    MODELS_FOLDER_FIELD_NUMBER: _ClassVar[int]
    version: str
    pid: int
    start_time: _timestamp_pb2.Timestamp
    document_size_max_bytes: int
    field_size_max_bytes: int
    attributes_max: int
    chunk_size_max_bytes: int
    chunk_documents_max: int
    home: str
    models_folder: str
    def __init__(self, version: _Optional[str] = ..., pid: _Optional[int] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., document_size_max_bytes: _Optional[int] = ..., field_size_max_bytes: _Optional[int] = ..., attributes_max: _Optional[int] = ..., chunk_size_max_bytes: _Optional[int] = ..., chunk_documents_max: _Optional[int] = ..., home: _Optional[str] = ..., models_folder: _Optional[str] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ("project",)
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    project: str
    def __init__(self, project: _Optional[str] = ...) -> None: ...

class WorkerStatus(_message.Message):
    __slots__ = ("pid", "state", "restarts", "memory_bytes")
    PID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    RESTARTS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    pid: int
    state: str
    restarts: int
    memory_bytes: int
    def __init__(self, pid: _Optional[int] = ..., state: _Optional[str] = ..., restarts: _Optional[int] = ..., memory_bytes: _Optional[int] = ...) -> None: ...

class LoadedModel(_message.Message):
    __slots__ = ("name", "size_bytes", "idle_s")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    IDLE_S_FIELD_NUMBER: _ClassVar[int]
    name: str
    size_bytes: int
    idle_s: float
    def __init__(self, name: _Optional[str] = ..., size_bytes: _Optional[int] = ..., idle_s: _Optional[float] = ...) -> None: ...

class EngineStatus(_message.Message):
    __slots__ = ("backend", "blas", "blas_fast", "workers", "models_loaded", "models")
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    BLAS_FIELD_NUMBER: _ClassVar[int]
    BLAS_FAST_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    MODELS_LOADED_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    backend: str
    blas: str
    blas_fast: bool
    workers: _containers.RepeatedCompositeFieldContainer[WorkerStatus]
    models_loaded: _containers.RepeatedScalarFieldContainer[str]
    models: _containers.RepeatedCompositeFieldContainer[LoadedModel]
    def __init__(self, backend: _Optional[str] = ..., blas: _Optional[str] = ..., blas_fast: bool = ..., workers: _Optional[_Iterable[_Union[WorkerStatus, _Mapping]]] = ..., models_loaded: _Optional[_Iterable[str]] = ..., models: _Optional[_Iterable[_Union[LoadedModel, _Mapping]]] = ...) -> None: ...

class ProjectStatus(_message.Message):
    __slots__ = ("project", "splits", "classifier", "version_count", "embedded_count", "store_size_bytes", "problem")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    CLASSIFIER_FIELD_NUMBER: _ClassVar[int]
    VERSION_COUNT_FIELD_NUMBER: _ClassVar[int]
    EMBEDDED_COUNT_FIELD_NUMBER: _ClassVar[int]
    STORE_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    project: _projects_pb2.Project
    splits: _containers.RepeatedCompositeFieldContainer[_documents_pb2.SplitSummary]
    classifier: _classifiers_pb2.ClassifierSummary
    version_count: int
    embedded_count: int
    store_size_bytes: int
    problem: str
    def __init__(self, project: _Optional[_Union[_projects_pb2.Project, _Mapping]] = ..., splits: _Optional[_Iterable[_Union[_documents_pb2.SplitSummary, _Mapping]]] = ..., classifier: _Optional[_Union[_classifiers_pb2.ClassifierSummary, _Mapping]] = ..., version_count: _Optional[int] = ..., embedded_count: _Optional[int] = ..., store_size_bytes: _Optional[int] = ..., problem: _Optional[str] = ...) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("engine", "projects", "jobs", "warnings")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    PROJECTS_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    engine: EngineStatus
    projects: _containers.RepeatedCompositeFieldContainer[ProjectStatus]
    jobs: _containers.RepeatedCompositeFieldContainer[_jobs_pb2.Job]
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, engine: _Optional[_Union[EngineStatus, _Mapping]] = ..., projects: _Optional[_Iterable[_Union[ProjectStatus, _Mapping]]] = ..., jobs: _Optional[_Iterable[_Union[_jobs_pb2.Job, _Mapping]]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...
