"""The records that tell of the daemon itself: limits, engine, each project, what a person should know."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reex.types import Job, Project, Record, SplitSummary


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
class EngineStatus(Record):
    backend: str  # cpu | metal
    blas: str
    blas_fast: bool
    workers: tuple[WorkerStatus, ...]
    models_loaded: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegionSummary(Record):
    alpha: float
    q_prime_min: float
    thresholds: tuple[float, ...]  # one per class


@dataclass(frozen=True, slots=True)
class ClassifierSummary(Record):
    name: str  # like v3
    create_time: datetime | None
    model: str
    support_count: int
    calibration_count: int
    regions: tuple[RegionSummary, ...]
    stale: str
    unused_count: int
    warnings: tuple[str, ...]
    training_json: str

    @property
    def training(self) -> dict[str, Any]:
        """Settings, curves and durations."""
        return json.loads(self.training_json) if self.training_json else {}

    def to_dict(self) -> dict[str, Any]:
        shape = Record.to_dict(self)
        del shape["training_json"]
        return shape | {"training": self.training}


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
