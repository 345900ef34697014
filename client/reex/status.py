"""The records that tell of the daemon itself: limits, engine, each project, what a person should know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reex.types import Job, Project, Record, SplitSummary
from reex.versions import ClassifierSummary


@dataclass(frozen=True, slots=True)
class ServerInfo(Record):
    version: str
    pid: int
    start_time: datetime | None
    document_size_max_bytes: int
    field_size_max_bytes: int
    attributes_max: int
    chunk_size_max_bytes: int
    chunk_documents_max: int
    home: str
    models_folder: str


@dataclass(frozen=True, slots=True)
class WorkerStatus(Record):
    pid: int
    state: str  # idle | busy | starting | stopped
    restarts: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class LoadedModel(Record):
    """A language model in the workers' memory."""

    name: str
    size_bytes: int  # of its weights, in one worker
    idle_s: float  # since it was last used


@dataclass(frozen=True, slots=True)
class EngineStatus(Record):
    backend: str  # cpu | metal
    blas: str
    blas_fast: bool
    workers: tuple[WorkerStatus, ...]
    models_loaded: tuple[str, ...]
    models: tuple[LoadedModel, ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectStatus(Record):
    project: Project
    splits: tuple[SplitSummary, ...]
    classifier: ClassifierSummary | None
    version_count: int
    embedded_count: int
    store_size_bytes: int
    problem: str


@dataclass(frozen=True, slots=True)
class Status(Record):
    engine: EngineStatus
    projects: tuple[ProjectStatus, ...]
    jobs: tuple[Job, ...]  # those that have not ended
    warnings: tuple[str, ...]  # worst first
