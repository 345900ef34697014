"""Projects: create, read, change, delete. Owns what a valid project is."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reexd.errors import (
    Exhausted,
    InvalidLabel,
    InvalidName,
    InvalidSetting,
    ProjectBusy,
    ProjectNotFound,
    StoreCorrupt,
    StoreTooNew,
)
from reexd.jobs import JobQueue
from reexd.pooling import parse
from reexd.records import Project
from reexd.steps import prefixes
from reexd.store import attributes, classifiers, splits
from reexd.store.catalogue import Catalogue

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
CLASSES_MIN, CLASSES_MAX = 2, 1_000
CLASS_NAME_MAX = 128  # characters
PROMPT_SIZE_MAX_BYTES = 4_096
ALPHA_MIN = 0.5
FIELDS = ("classes", "model", "pooling", "document_prefix", "query_prefix", "prompt", "alpha")


@dataclass(frozen=True)
class ProjectSummary:
    project: Project
    live_version: int  # 0: nothing trained
    document_count: int


class Projects:
    def __init__(self, catalogue: Catalogue, jobs: JobQueue) -> None:
        self._catalogue = catalogue
        self._jobs = jobs

    def create(self, project: Project) -> ProjectSummary:
        """Raises InvalidName, InvalidLabel, InvalidSetting, ProjectExists."""
        check_name("project name", project.name)
        project = _checked(project)
        created = replace(project, attribute_count=-1, created_at=time.time())
        self._catalogue.create(created)
        return ProjectSummary(created, 0, 0)

    def get(self, name: str) -> ProjectSummary:
        """Raises ProjectNotFound, and StoreCorrupt or StoreTooNew when its store cannot be opened."""
        return self._summary(self._catalogue.get(name))

    def list(self, after: str, limit: int) -> list[ProjectSummary]:
        """By name, those after `after`. A project whose store cannot be opened is listed with no counts."""
        summaries: list[ProjectSummary] = []
        for project in self._catalogue.listed():
            if project.name <= after:
                continue
            if len(summaries) == limit:
                break
            try:
                summaries.append(self._summary(project))
            except ProjectNotFound:
                continue  # deleted meanwhile
            except (StoreCorrupt, StoreTooNew, Exhausted):
                summaries.append(ProjectSummary(project, 0, 0))
        return summaries

    def update(self, changes: Project, fields: Sequence[str]) -> ProjectSummary:
        """Apply the named fields. Classes may be renamed and appended, never removed or moved (labels are positions).

        Raises InvalidSetting, InvalidLabel, InvalidName, ProjectNotFound.
        """
        unknown = [field for field in fields if field not in FIELDS]
        if unknown or not fields:
            raise InvalidSetting(
                f"the update mask names what to change, of {', '.join(FIELDS)}; received {', '.join(fields) or 'none'}"
            )
        changed = {field: getattr(changes, field) for field in fields}

        def change(current: Project) -> Project:
            updated = replace(current, **changed)
            if len(updated.classes) < len(current.classes):
                raise InvalidLabel(
                    f"project {current.name!r} has {len(current.classes)} classes, and classes are never removed;"
                    f" received {len(updated.classes)}"
                )
            _check_places(current.classes, updated.classes)
            return _checked(updated)

        return self._summary(self._catalogue.update(changes.name, change))

    def delete(self, name: str) -> None:
        """Raises ProjectBusy while one of its jobs has not ended."""
        self._catalogue.get(name)
        if unended := self._jobs.unended(name):
            raise ProjectBusy(
                f"{unended[0].name} of project {name!r} has not ended; cancel it with"
                f" `reexctl jobs cancel {unended[0].name}`, then delete the project",
                job=unended[0].name,
            )
        self._catalogue.delete(name)

    def _summary(self, project: Project) -> ProjectSummary:
        with self._catalogue.open(project.name).read() as txn:
            count = sum(sum(counts.values()) for counts in splits.summary(txn).values())
            project = replace(project, attribute_count=attributes.count(txn))
            return ProjectSummary(project, classifiers.live(txn) or 0, count)


def _check_places(before: Sequence[str], after: Sequence[str]) -> None:
    """Raises InvalidLabel for a class that stands at another place: every document of it would get another's name."""
    places = {name: place for place, name in enumerate(before)}
    for place, name in enumerate(after):
        if places.get(name, place) != place:
            raise InvalidLabel(
                f"class {name!r} is number {places[name]}, and classes are never renumbered; received it as number"
                f" {place}. Give the names there are in their order, renamed or not, and new classes after them; to"
                " exchange names, give each another one first"
            )


def check_name(what: str, name: str) -> None:
    """Raises InvalidName unless the name is one that is safe as a folder, a word on a command line, and a key."""
    if not NAME.fullmatch(name):
        raise InvalidName(
            f"a {what} is 1 to 63 characters of a-z, 0-9, '.', '_', '-', and starts with a letter or digit;"
            f" received {name!r}",
            name=name,
        )


def _checked(project: Project) -> Project:
    """The project with its pooling in the one way to write it. Raises InvalidLabel, InvalidName, InvalidSetting."""
    classes = project.classes
    if not CLASSES_MIN <= len(classes) <= CLASSES_MAX:
        raise InvalidLabel(f"a project has {CLASSES_MIN} to {CLASSES_MAX:,} classes; received {len(classes)}")
    seen: set[str] = set()
    for name in classes:
        if not name.strip() or len(name) > CLASS_NAME_MAX or name != name.strip():
            raise InvalidLabel(
                f"a class name is 1 to {CLASS_NAME_MAX} characters without spaces around it; received {name!r}"
            )
        if name in seen:
            raise InvalidLabel(f"class names differ from each other; {name!r} occurs twice")
        seen.add(name)
    check_name("model name", project.model)
    if not ALPHA_MIN < project.alpha < 1:
        raise InvalidSetting(f"alpha lies between {ALPHA_MIN} and 1, both excluded; received {project.alpha}")
    if len(project.prompt.encode()) > PROMPT_SIZE_MAX_BYTES:
        raise InvalidSetting(
            f"a prompt has at most {PROMPT_SIZE_MAX_BYTES:,} bytes; received {len(project.prompt.encode()):,}"
        )
    prefixes.check("document prefix", project.document_prefix)
    prefixes.check("query prefix", project.query_prefix)
    return replace(project, pooling=str(parse(project.pooling))) if project.pooling else project
