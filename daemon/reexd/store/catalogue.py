"""The catalogue: which projects there are, and one open environment for each that is used. Owns the folders
below its root; knows nothing of what a project holds.

    root/catalogue/        records of projects and jobs
    root/projects/NAME/    one environment each
    root/trash/            folders of deleted projects on their way out

A folder without a record is what a crash left of a creation or a deletion; it is swept when the catalogue
opens.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reexd.errors import InvalidName, ProjectExists, ProjectNotFound, ReexError, StorageFull, StoreCorrupt
from reexd.records import Project
from reexd.store import keys, ranges
from reexd.store.codecs.project import decode_project, encode_project
from reexd.store.environment import MAP_SIZE_BYTES, Environment, Txn
from reexd.store.soundness import check_catalogue_present, check_present

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class Catalogue:
    """All projects below one folder. Thread-safe. Projects open on first use and stay open until `close`.

    A project that cannot be opened raises StoreCorrupt or StoreTooNew from `open` each time; the others work.
    """

    def __init__(
        self, root: Path, map_size_bytes: int = MAP_SIZE_BYTES, own_map_size_bytes: int = MAP_SIZE_BYTES
    ) -> None:
        """`map_size_bytes` bounds each project, `own_map_size_bytes` the records of projects and jobs.

        Raises StoreTooNew, StorageFull, and StoreCorrupt, also where projects are there and their records are not.
        """
        self._map_size_bytes = map_size_bytes
        self._projects = root / "projects"
        self._trash = root / "trash"
        for folder in (root, self._projects, self._trash):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_catalogue_present(root / "catalogue", self._projects)
        self.environment = Environment(root / "catalogue", own_map_size_bytes)
        self._open: dict[str, Environment] = {}
        self._opening: dict[str, threading.RLock] = {}
        self._lock = threading.RLock()
        # Every call asks for its project, and one process owns the store: the records are read once, and kept in step.
        self._records = self._read()
        self._sweep()

    def create(self, project: Project) -> None:
        """Raises InvalidName, ProjectExists, StorageFull."""
        _check_name(project.name)
        with self._lock:
            if project.name in self._records:
                raise ProjectExists(
                    f"there is a project {project.name!r} already; choose another name, or delete it first",
                    project=project.name,
                )
            # The folder first: without a record it is swept, while a record without a folder would be a
            # broken project.
            self._discard(project.name)
            environment = Environment(self._projects / project.name, self._map_size_bytes)
            try:
                self.environment.write(lambda txn: _put(txn, project))
            except ReexError:
                environment.close()
                self._discard(project.name)
                raise
            self._open[project.name] = environment
            self._records[project.name] = project

    def get(self, name: str) -> Project:
        """Raises InvalidName, ProjectNotFound."""
        _check_name(name)
        project = self._records.get(name)
        if project is None:
            raise _missing(name)
        return project

    def listed(self) -> list[Project]:
        """By name."""
        with self._lock:
            return [self._records[name] for name in sorted(self._records)]

    def update(self, name: str, change: Callable[[Project], Project]) -> Project:
        """Put what `change` makes of a project's record in its place; the new record. The name cannot change.

        Raises ProjectNotFound, and what `change` does, which then changed nothing.
        """

        def work(txn: Txn) -> Project:
            value = txn.get(keys.project(name))
            if value is None:
                raise _missing(name)
            changed = replace(change(decode_project(value)), name=name)
            _put(txn, changed)
            return changed

        _check_name(name)
        with self._lock:
            changed = self._records[name] = self.environment.write(work)
            return changed

    def open(self, name: str) -> Environment:
        """The project's environment. Raises ProjectNotFound, StoreCorrupt, StoreTooNew, StorageFull, QueueFull."""
        if (found := self.at_hand(name)) is not None:
            return found
        with self._lock:
            self.get(name)
            opening = self._opening.setdefault(name, threading.RLock())
        with opening:  # a project that opens slowly holds up only those who want it
            with self._lock:
                found = self._open.get(name)
            if found is not None:
                return found
            try:
                check_present(self._projects / name)
            except StoreCorrupt:
                self.get(name)  # it may have been deleted meanwhile
                raise
            return self._opened(name, Environment(self._projects / name, self._map_size_bytes))

    def at_hand(self, name: str) -> Environment | None:
        """The same if it is open: waits for nobody, not even who creates a project. Raises ProjectNotFound."""
        self.get(name)
        return self._open.get(name)

    def delete(self, name: str) -> None:
        """Deletes a project and everything in it, once its readers are done. Raises ProjectNotFound, StorageFull.

        The record goes first, in a synced commit; from there on a crash only leaves a folder to sweep. On a disk that
        is too full for that commit the folder goes first: this is how one makes room.
        """
        with self._lock:
            self.get(name)
            with contextlib.suppress(StorageFull):
                self._forget(name)
            environment = self._open.pop(name, None)
            aside = self._aside(name)
        if environment is not None:
            environment.close(lambda: _missing(name))  # what a call that began before comes to hear
        shutil.rmtree(aside, ignore_errors=True)
        with self._lock:
            remembered = name in self._records and not (self._projects / name).exists()
            if remembered:  # it was not forgotten before, nor made anew meanwhile
                self._forget(name)

    def reader_check(self) -> int:
        """Frees reader slots of dead processes in every open environment; how many. To be called hourly."""
        with self._lock:  # nothing closes meanwhile
            return sum(each.reader_check() for each in (self.environment, *self._open.values()))

    def close(self) -> None:
        with self._lock:
            for environment in self._open.values():
                environment.close()
            self._open.clear()
            self.environment.close()

    def _read(self) -> dict[str, Project]:
        with self.environment.read() as txn:
            projects = [decode_project(value) for _, value in ranges.walk(txn, keys.kind(keys.Kind.PROJECT))]
        return {project.name: project for project in projects}

    def _forget(self, name: str) -> None:
        self.environment.write(lambda txn: txn.delete(keys.project(name)))
        del self._records[name]

    def _opened(self, name: str, environment: Environment) -> Environment:
        """Keeps a fresh environment, unless its project was deleted, or deleted and made anew, meanwhile."""
        with self._lock:
            if name in self._records and self._open.setdefault(name, environment) is environment:
                return environment
        environment.close()
        return self.open(name)

    def _aside(self, name: str) -> Path:
        """Moves a project's folder out of the way in one rename; where it is now."""
        aside = self._trash / f"{name}.{secrets.token_hex(4)}"
        folder = self._projects / name
        if folder.exists():
            folder.rename(aside)
        return aside

    def _discard(self, name: str) -> None:
        shutil.rmtree(self._aside(name), ignore_errors=True)

    def _sweep(self) -> None:
        for folder in self._projects.iterdir():
            if folder.name not in self._records:
                self._discard(folder.name)
        for folder in self._trash.iterdir():
            shutil.rmtree(folder, ignore_errors=True)


def _missing(name: str) -> ProjectNotFound:
    return ProjectNotFound(
        f"there is no project {name!r}; `reexctl project list` shows those there are", project=name
    )


def _put(txn: Txn, project: Project) -> None:
    txn.put(keys.project(project.name), encode_project(project))


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidName(
            "a project's name has 1 to 63 characters of a-z, 0-9, '.', '_' and '-', and starts with a letter "
            f"or digit; got {name!r}",
            name=name,
        )
