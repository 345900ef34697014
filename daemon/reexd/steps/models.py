"""Models: what is known and installed, and the pull job that gets one."""

from __future__ import annotations

from reexd.errors import Unready
from reexd.jobs import JobQueue, RunningJob
from reexd.records import Job
from reexd.registry import KnownModel, Registry


class Models:
    def __init__(self, registry: Registry, offline: bool) -> None:
        self._registry = registry
        self._offline = offline
        self._jobs: JobQueue | None = None

    def attach(self, jobs: JobQueue) -> None:
        """The queue takes this step's runner, and this step submits to the queue: the root ties the knot."""
        self._jobs = jobs

    def list(self) -> list[KnownModel]:
        return self._registry.known()

    def submit_pull(self, reference: str) -> Job:
        """Queue a download. Raises ModelNotFound for a name nobody knows, Unready when downloads are forbidden."""
        assert self._jobs is not None
        self._registry.check(reference)
        if self._offline:
            raise Unready(
                "the daemon was started with offline set, so it opens no outbound connection;"
                " start it without, or copy the model into the models folder"
            )
        return self._jobs.submit("pull", "", {"reference": reference})

    def pull(self, running: RunningJob) -> dict:
        """The runner of pull jobs."""
        files = self._registry.pull(
            running.request["reference"],
            on_progress=lambda done, total, phase: running.report(phase, done, total),
            cancel=running.cancel,
        )
        return {"name": files.name, "folder": str(files.folder), "digests": files.digests}
