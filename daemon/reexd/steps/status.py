"""Status: the daemon, its engine, and every project at a glance."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from reexd.config import Settings
from reexd.engine.client import Engine, EngineStatus
from reexd.errors import Exhausted, ProjectNotFound, StoreCorrupt, StoreTooNew
from reexd.jobs import JobQueue
from reexd.records import Job, Project
from reexd.steps.classifiers import Classifiers, ClassifierStatus
from reexd.store import attributes, classifiers, hidden_states, spaces, splits
from reexd.store.catalogue import Catalogue


@dataclass(frozen=True)
class ServerFacts:
    version: str
    limits: Settings
    home: Path
    models_folder: Path
    pid: int = field(default_factory=os.getpid)
    started_at: float = field(default_factory=time.time)


@dataclass(frozen=True)
class ProjectStatus:
    project: Project
    splits: dict[str, dict[int, int]]
    classifier: ClassifierStatus | None
    version_count: int
    embedded_count: int
    store_size_bytes: int
    problem: str = ""


@dataclass(frozen=True)
class Overview:
    engine: EngineStatus
    projects: list[ProjectStatus]
    jobs: list[Job]
    warnings: list[str]


class Status:
    def __init__(
        self,
        server: ServerFacts,
        catalogue: Catalogue,
        engine: Engine,
        jobs: JobQueue,
        classifiers: Classifiers,
    ) -> None:
        self._server = server
        self._catalogue = catalogue
        self._engine = engine
        self._jobs = jobs
        self._classifiers = classifiers

    def server(self) -> ServerFacts:
        return self._server

    def overview(self, name: str = "") -> Overview:
        """Everything, or one project. A project that cannot be opened or read is shown with the reason."""
        statuses = [self._project(self._catalogue.get(name))] if name else self._projects()
        engine = self._engine.status()
        warnings = [f"{status.project.name}: {status.problem}" for status in statuses if status.problem]
        if not engine.blas_fast:
            warnings.append(engine.blas)
        return Overview(engine, statuses, self._jobs.unended(name), warnings)

    def _projects(self) -> list[ProjectStatus]:
        found = []
        for project in self._catalogue.listed():
            with contextlib.suppress(ProjectNotFound):  # deleted meanwhile
                found.append(self._project(project))
        return found

    def _project(self, project: Project) -> ProjectStatus:
        try:
            return self._read(project)
        except (StoreCorrupt, StoreTooNew, Exhausted) as error:
            return ProjectStatus(project, {}, None, 0, 0, 0, problem=error.message)

    def _read(self, project: Project) -> ProjectStatus:
        environment = self._catalogue.open(project.name)
        with environment.read() as txn:
            summary = splits.summary(txn)
            project = replace(project, attribute_count=attributes.count(txn))
            versions = classifiers.listed(txn)
            record = classifiers.live_classifier(txn, project.name) if versions else None
            embedded = sum(hidden_states.count(txn, space) for space in spaces.listed(txn))
        classifier = None if record is None else self._classifiers.status(project.name, record)
        return ProjectStatus(project, summary, classifier, len(versions), embedded, environment.size_bytes)
