from reex.v1 import jobs_pb2 as _jobs_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TrainSettings(_message.Message):
    __slots__ = ("epochs", "shuffles", "seed", "learning_rate", "batch_size", "exemplar_size", "patience", "training_share", "official", "ensemble", "tune", "tune_layers", "tune_epochs")
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    SHUFFLES_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    EXEMPLAR_SIZE_FIELD_NUMBER: _ClassVar[int]
    PATIENCE_FIELD_NUMBER: _ClassVar[int]
    TRAINING_SHARE_FIELD_NUMBER: _ClassVar[int]
    OFFICIAL_FIELD_NUMBER: _ClassVar[int]
    ENSEMBLE_FIELD_NUMBER: _ClassVar[int]
    TUNE_FIELD_NUMBER: _ClassVar[int]
    TUNE_LAYERS_FIELD_NUMBER: _ClassVar[int]
    TUNE_EPOCHS_FIELD_NUMBER: _ClassVar[int]
    epochs: int
    shuffles: int
    seed: int
    learning_rate: float
    batch_size: int
    exemplar_size: int
    patience: int
    training_share: float
    official: bool
    ensemble: bool
    tune: bool
    tune_layers: int
    tune_epochs: int
    def __init__(self, epochs: _Optional[int] = ..., shuffles: _Optional[int] = ..., seed: _Optional[int] = ..., learning_rate: _Optional[float] = ..., batch_size: _Optional[int] = ..., exemplar_size: _Optional[int] = ..., patience: _Optional[int] = ..., training_share: _Optional[float] = ..., official: bool = ..., ensemble: bool = ..., tune: bool = ..., tune_layers: _Optional[int] = ..., tune_epochs: _Optional[int] = ...) -> None: ...

class TrainRequest(_message.Message):
    __slots__ = ("project", "settings", "continue_from")
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    CONTINUE_FROM_FIELD_NUMBER: _ClassVar[int]
    project: str
    settings: TrainSettings
    continue_from: str
    def __init__(self, project: _Optional[str] = ..., settings: _Optional[_Union[TrainSettings, _Mapping]] = ..., continue_from: _Optional[str] = ...) -> None: ...

class TrainResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _jobs_pb2.Job
    def __init__(self, job: _Optional[_Union[_jobs_pb2.Job, _Mapping]] = ...) -> None: ...
