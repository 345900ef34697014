"""Tuned: language models as versions know them. Owns the view of a project through a version's eyes, where the changes
that tuning made lie for the engine, and which documents the cache of a tuning under way has.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from reexd.engine.client import write_adapter
from reexd.records import AdapterFiles, Classifier, Document, Project
from reexd.steps.embedded import deleted_meanwhile
from reexd.store import adapters, spaces
from reexd.store.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class View(Project):
    """A project as one version sees it: its language model, its prompt, and what tuned that model."""

    adapter: AdapterFiles | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Cached:
    """Documents whose hidden states need the tuned layers only: a tuning ran the others, and kept what came out."""

    folder: Path
    layers: int  # that were tuned
    places: Mapping[tuple[int, int], int]  # in the cache, by number and revision

    def place(self, same: Sequence[Document]) -> int:
        """Where the text is that these documents have; -1 where it is not."""
        return max(self.places.get((each.number, each.revision), -1) for each in same)


def viewed(project: Project, **changes: object) -> View:
    """The project with some fields seen otherwise."""
    known = {field.name: getattr(project, field.name) for field in fields(project)}
    return View(**{**known, **changes})


class Adapters:
    """Lays the changes of each tuned model out once while the daemon runs. A fingerprint names them for good."""

    def __init__(self, catalogue: Catalogue, scratch: Path) -> None:
        self._catalogue = catalogue
        self._folder = scratch / "adapters"
        self._lock = threading.Lock()
        self._known: dict[str, AdapterFiles | None] = {}

    def of(self, project: str, record: Classifier) -> AdapterFiles | None:
        """What tuned the model of a version; None for a model as it was pulled. Raises ClassifierNotFound."""
        if record.fingerprint not in self._known:
            with self._lock:
                if record.fingerprint not in self._known:
                    self._known[record.fingerprint] = self._lay_out(project, record)
        return self._known[record.fingerprint]

    def _lay_out(self, project: str, record: Classifier) -> AdapterFiles | None:
        with self._catalogue.open(project).read() as txn:
            if not spaces.there(txn, record.space):
                raise deleted_meanwhile()
            digest = adapters.find(txn, record.space)
            changes = {} if digest is None else adapters.get(txn, record.space)
        if digest is None:
            return None
        folder = self._folder / record.fingerprint
        write_adapter(folder, changes)
        return AdapterFiles(folder, digest)
