"""Models: what is known, installed and loaded; the pull job that gets one; the way out of memory and off the disk."""

from __future__ import annotations

from dataclasses import dataclass

from reexd.engine.client import Engine, Needs
from reexd.errors import Conflict, ProjectNotFound, StoreCorrupt, StoreTooNew
from reexd.jobs import JobQueue, RunningJob
from reexd.records import Job
from reexd.registry import FileCheck, KnownModel, Registry
from reexd.store import classifiers
from reexd.store.catalogue import Catalogue


@dataclass(frozen=True)
class ModelState:
    """A model as it is on disk, with what it takes in memory and whether it is there."""

    known: KnownModel
    needs: Needs
    loaded: bool
    readable: bool  # its type is one that the engine opens
    reads_prompts: bool  # a decoder


@dataclass(frozen=True)
class ModelUse:
    """A project that would miss a model."""

    project: str
    chosen: bool  # for the next training
    versions: tuple[int, ...]  # fitted on its hidden states


class Models:
    def __init__(self, registry: Registry, catalogue: Catalogue, engine: Engine) -> None:
        self._registry = registry
        self._catalogue = catalogue
        self._engine = engine
        self._jobs: JobQueue | None = None

    def attach(self, jobs: JobQueue) -> None:
        """The queue takes this step's runner, and this step submits to the queue: the root ties the knot."""
        self._jobs = jobs

    def list(self) -> list[ModelState]:
        return [self._state(known) for known in self._registry.known()]

    def get(self, name: str) -> tuple[ModelState, list[ModelUse]]:
        """One model and the projects that use it. Raises ModelNotFound, InvalidName."""
        return self._state(self._registry.describe(name)), self._uses(name)

    def submit_pull(self, reference: str) -> Job:
        """Queue a download. Raises ModelNotFound for a name nobody knows, Unready when downloads are forbidden."""
        assert self._jobs is not None
        self._registry.check(reference)
        return self._jobs.submit("pull", "", {"reference": reference})

    def pull(self, running: RunningJob) -> dict:
        """The runner of pull jobs."""
        files = self._registry.pull(
            running.request["reference"],
            on_progress=lambda done, total, phase: running.report(phase, done, total),
            cancel=running.cancel,
        )
        return {"name": files.name, "folder": str(files.folder), "digests": files.digests}

    def verify(self, name: str) -> list[FileCheck]:
        """Every file of an installed model, read again. Raises ModelMissing, ModelNotFound, ModelCorrupt."""
        return self._registry.check_files(name)

    def delete(self, name: str, *, force: bool) -> None:
        """Remove a model from memory and disk. Raises ModelNotFound, and Conflict while a project uses it."""
        uses = self._uses(name)
        if self._registry.describe(name).folder is not None and uses and not force:
            shown = ", ".join(_told(use) for use in uses[:5])
            more = f" and {len(uses) - 5} more" if len(uses) > 5 else ""
            raise Conflict(
                f"model {name} is used by {shown}{more}; without it they can neither train nor answer. Choose another "
                f"with `reexctl project set NAME --model MODEL` and train again, or delete it with --force",
                model=name,
                project=uses[0].project,
            )
        self._registry.delete(name)
        self._engine.unload(name)

    def load(self, name: str) -> ModelState:
        """Read a model into every worker. Raises ModelMissing, ModelNotFound, ModelCorrupt, ModelTooLarge."""
        self._engine.load(self._registry.find(name))
        return self._state(self._registry.describe(name))

    def unload(self, name: str) -> bool:
        """Drop a model from memory; False when it was not there. Raises ModelNotFound, InvalidName."""
        self._registry.describe(name)
        return self._engine.unload(name)

    def _state(self, known: KnownModel) -> ModelState:
        loaded = any(model.name == known.name for model in self._engine.status().models)
        architecture = known.facts.architecture
        return ModelState(
            known,
            self._engine.needs(known.facts.parameters, known.facts.stored_bytes),
            loaded,
            readable=self._engine.reads(architecture),
            reads_prompts=self._engine.reads_prompts(architecture),
        )

    def _uses(self, name: str) -> list[ModelUse]:
        uses = []
        for project in self._catalogue.listed():
            chosen = project.model == name
            try:
                with self._catalogue.open(project.name).read() as txn:
                    versions = [each.version for each in classifiers.listed(txn) if each.model == name]
            except ProjectNotFound:
                continue  # deleted meanwhile
            except (StoreCorrupt, StoreTooNew):
                versions = []  # it cannot answer anyway
            if chosen or versions:
                uses.append(ModelUse(project.name, chosen, tuple(sorted(versions))))
        return uses


def _told(use: ModelUse) -> str:
    versions = ", ".join(f"v{version}" for version in use.versions)
    return f"project {use.project}" + (f" ({versions})" if versions else "")
