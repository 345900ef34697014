"""The one queue of long work: states, progress, cancel, resume at start.

Owns: which job runs when, and what is written about it. A job is never silently lost: its record is committed before
the caller hears of it, and a job that a crash interrupted is queued again when the daemon starts.
Must not know: what a job does. Each kind brings a runner, a plain function that is called in a thread of its own.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from reexd.errors import EngineDied, JobCancelled, JobNotFound, ProjectBusy, ReexError, StorageFull, Unready
from reexd.records import Job, JobState
from reexd.store import jobs as job_records
from reexd.store.environment import Environment, Txn

logger = logging.getLogger(__name__)

ATTEMPTS_MAX = 10  # starts of one job, restarts of the daemon included
ENGINE_RETRIES = 2  # within one attempt, after the death of an engine worker
NUMBER_DIGITS_MAX = 18  # what a key can hold
SAVE_INTERVAL_S = 1.0  # progress older than this is committed with the next report

Runner = Callable[["RunningJob"], dict]
Watcher = Callable[[Job | None], None]  # None: the daemon stops, and tells no more


def _nothing(_: Job) -> None:
    """What a kind of job leaves behind that keeps nothing."""


@dataclass(frozen=True)
class Kind:
    """How jobs of one kind run: `runner` returns the result; `exclusive` allows one unended job per project.

    `discard` drops what an unsuccessful job kept for its resumption; it may be called again after a crash.
    """

    runner: Runner
    exclusive: bool
    discard: Callable[[Job], None] = _nothing


class RunningJob:
    """What a runner sees of its job: the request, the way to report, and whether to stop."""

    def __init__(self, queue: JobQueue, job: Job) -> None:
        self._queue = queue
        self.job = job
        self.request = json.loads(job.request_json)
        self.cancel = threading.Event()
        self._phase_started = time.monotonic()
        self._phase_done = 0

    def report(self, phase: str, done: int, total: int, message: str = "") -> None:
        """Record progress within a phase; rate and eta follow from it. Raises JobCancelled when asked to stop."""
        if self.cancel.is_set():
            raise JobCancelled(f"{self.job.name} was asked to stop in phase {phase}")
        now = time.monotonic()
        if phase != self.job.phase:
            self._phase_started, self._phase_done = now, done
        elapsed = now - self._phase_started
        rate = (done - self._phase_done) / elapsed if elapsed > 0.2 else 0.0
        eta_s = (total - done) / rate if rate > 0 else -1.0
        self.job = replace(
            self.job, phase=phase, done=done, total=total, rate=rate, eta_s=eta_s, message=message
        )
        self._queue.changed(self.job)


class JobQueue:
    """Runs one job of each kind at a time, in the order they were submitted."""

    def __init__(self, environment: Environment, kinds: Mapping[str, Kind]) -> None:
        self._environment = environment
        self._kinds = dict(kinds)
        self._lock = threading.Condition()
        self._waiting: dict[str, deque[int]] = {kind: deque() for kind in kinds}
        self._current: dict[int, Job] = {}  # jobs that have not ended
        self._running: dict[int, RunningJob] = {}
        self._cancelling: set[int] = set()  # who asked is told yes before the job has ended
        self._saved_at: dict[int, float] = {}
        self._watchers: dict[int, list[Watcher]] = {}
        self._stopping = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Queue what an earlier process left unended, then begin to run."""
        with self._environment.read() as txn:
            unended = job_records.unfinished(txn)
        for job in unended:
            if job.cancelling:
                self._end(
                    replace(
                        job, state=JobState.CANCELLED, message="cancelled; the daemon ended before the job"
                    )
                )
                continue
            if job.attempts >= ATTEMPTS_MAX:
                error = (
                    f"gave up after {job.attempts} starts; submit it again, or see the log for why it stopped"
                )
                self._end(replace(job, state=JobState.FAILED, error_reason="INTERNAL", error=error))
                continue
            self._current[job.number] = job
            self._waiting[job.kind].append(job.number)
        for kind in self._kinds:
            thread = threading.Thread(target=self._run_kind, args=(kind,), name=f"jobs-{kind}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, timeout_s: float = 10.0) -> None:
        """Interrupt what runs; it stays unended in the store, and the next start resumes it."""
        with self._lock:
            self._stopping = True
            for running in self._running.values():
                running.cancel.set()
            watchers = [watcher for group in self._watchers.values() for watcher in group]
            self._lock.notify_all()
        for watcher in watchers:
            watcher(None)
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def submit(self, kind: str, project: str, request: dict) -> Job:
        """Commit a new job and queue it. Raises ProjectBusy while an exclusive one of the project has not ended."""
        with self._lock:
            if self._kinds[kind].exclusive:
                for other in self._current.values():
                    if other.kind == kind and other.project == project:
                        raise ProjectBusy(
                            f"{other.name} of project {project!r} has not ended; watch it with"
                            f" `reexctl jobs watch {other.name}`, or cancel it first",
                            job=other.name,
                        )
            now = time.time()
            job = self._environment.write(
                lambda txn: job_records.create(txn, kind, project, json.dumps(request), now=now)
            )
            self._current[job.number] = job
            self._waiting[kind].append(job.number)
            self._lock.notify_all()
        return job

    def get(self, name: str) -> Job:
        """The job called KIND-NUMBER. Raises JobNotFound."""
        kind, _, number = name.rpartition("-")
        if kind in self._kinds and number.isascii() and number.isdigit() and len(number) <= NUMBER_DIGITS_MAX:
            with self._lock:
                if current := self._current.get(int(number)):
                    return current
            with self._environment.read() as txn:
                job = job_records.get(txn, int(number))
            if job.kind == kind:
                return job
        raise JobNotFound(f"there is no job {name!r}; `reexctl jobs list` shows those there are", job=name)

    def list(self, project: str, before: int, limit: int) -> list[Job]:
        """Newest first, numbers below `before` (0: all); of one project when it is not empty."""
        with self._environment.read() as txn:
            jobs = job_records.listed(txn, project=project or None, before=before or None, limit=limit)
        with self._lock:
            return [self._current.get(job.number, job) for job in jobs]

    def unended(self, project: str = "") -> list[Job]:
        with self._lock:
            return [job for job in self._current.values() if not project or job.project == project]

    def cancel(self, name: str) -> Job:
        """Ask the job to stop: it will not be resumed, whatever happens. Raises Unready when it has ended already."""
        job = self.get(name)
        with self._lock:
            if running := self._running.get(job.number):
                self._cancelling.add(job.number)
                job = self._current[job.number] = self._marked(running.job)
            waiting = job.number in self._waiting[job.kind]
            if waiting:
                self._waiting[job.kind].remove(job.number)
        if running:
            try:
                self._environment.write(lambda txn: self._update(txn, job))
            except StorageFull:
                logger.warning("%s stops; that it is to could not be written: the disk is full", name)
            running.cancel.set()
            return job
        if not waiting:
            job = self.get(name)  # it may have ended since
            raise Unready(f"{name} has already ended ({job.state.name.lower()}); there is nothing to cancel")
        return self._end(replace(job, state=JobState.CANCELLED, message="cancelled before it began"))

    def watch(self, number: int, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher` (from any thread, quickly) at each change. Returns the way to stop."""
        with self._lock:
            self._watchers.setdefault(number, []).append(watcher)
            stopping = self._stopping
        if stopping:
            watcher(None)

        def unwatch() -> None:
            with self._lock:
                self._watchers[number].remove(watcher)
                if not self._watchers[number]:
                    del self._watchers[number]

        return unwatch

    def changed(self, job: Job) -> None:
        """Publish a report; commit it when the last commit is older than a second or the phase is new."""
        now = time.time()
        job = replace(job, updated_at=now)
        with self._lock:
            job = self._marked(job)
            previous = self._current.get(job.number)
            self._current[job.number] = job
            watchers = list(self._watchers.get(job.number, ()))
            due = now - self._saved_at.get(job.number, 0.0) >= SAVE_INTERVAL_S
            if due or previous is None or previous.phase != job.phase or previous.state != job.state:
                self._saved_at[job.number] = now
                save = True
            else:
                save = False
        if save:
            self._environment.write(lambda txn: self._update(txn, job))
        for watcher in watchers:
            watcher(job)

    def _marked(self, job: Job) -> Job:
        return replace(job, cancelling=True, message="stopping") if job.number in self._cancelling else job

    def _update(self, txn: Txn, job: Job) -> None:
        """Write a job that had not ended. Writers take turns: none takes back that it was cancelled, or has ended."""
        if not job_records.get(txn, job.number).state.ended:
            job_records.update(txn, self._marked(job))

    def _end(self, job: Job) -> Job:
        now = time.time()
        job = replace(job, eta_s=-1.0, updated_at=now, ended_at=now)
        if job.state != JobState.SUCCEEDED:
            self._discard(job)
        try:
            self._environment.write(lambda txn: job_records.update(txn, job))
        except ReexError as error:
            # The record stays unended and is tried again at the next start; the caller still learns the outcome.
            logger.error("the end of %s could not be written: %s", job.name, error.message)
        with self._lock:
            self._current.pop(job.number, None)
            self._running.pop(job.number, None)
            self._saved_at.pop(job.number, None)
            self._cancelling.discard(job.number)
            watchers = list(self._watchers.get(job.number, ()))
        for watcher in watchers:
            watcher(job)
        return job

    def _discard(self, job: Job) -> None:
        try:
            self._kinds[job.kind].discard(job)
        except ReexError as error:  # a full disk or a damaged project must not keep the job from ending
            logger.warning("what %s kept could not be dropped: %s", job.name, error.message)
        except Exception:  # nor a defect those that come after it
            logger.exception("what %s kept could not be dropped", job.name)

    def _run_kind(self, kind: str) -> None:
        while True:
            with self._lock:
                while not self._waiting[kind] and not self._stopping:
                    self._lock.wait()
                if self._stopping:
                    return
                number = self._waiting[kind].popleft()
                job = self._current[number]
                running = RunningJob(
                    self, replace(job, state=JobState.RUNNING, attempts=job.attempts + 1, message="")
                )
                self._running[number] = running
            self._run(running)

    def _run(self, running: RunningJob) -> None:
        try:
            self._end(self._outcome(running))
        except Exception as error:
            if not self._stopping:
                raise
            # Whatever the job uses may be gone by now, so its error says nothing of the job.
            logger.info(
                "%s is interrupted by the end of the daemon (%s); it resumes at the next start",
                running.job.name,
                error,
            )

    def _outcome(self, running: RunningJob) -> Job:
        """The job as it ends. While the daemon stops, what the runner raises is raised here."""
        name = running.job.name
        try:
            self.changed(running.job)
            result = self._attempt(running)
        except Exception as error:
            asked = running.job.number in self._cancelling
            if self._stopping and not (asked and isinstance(error, JobCancelled)):
                raise
            if isinstance(error, JobCancelled):
                return replace(running.job, state=JobState.CANCELLED, message=error.message)
            if isinstance(error, ReexError):
                logger.warning("%s failed: %s", name, error.message)
                reason, message = error.reason, error.message
            else:
                logger.exception("%s failed on a defect", name)
                reason = "INTERNAL"
                message = f"internal error: {type(error).__name__}: {error}; the log has the details"
            return replace(running.job, state=JobState.FAILED, error_reason=reason, error=message)
        return replace(
            running.job,
            state=JobState.SUCCEEDED,
            done=running.job.total,
            result_json=json.dumps(result),
        )

    def _attempt(self, running: RunningJob) -> dict:
        runner = self._kinds[running.job.kind].runner
        for retry in range(ENGINE_RETRIES + 1):
            try:
                return runner(running)
            except EngineDied as error:
                if retry == ENGINE_RETRIES or self._stopping:
                    raise
                logger.warning("%s goes on after the engine died: %s", running.job.name, error.message)
        raise AssertionError("unreachable")
