"""`reexctl jobs`: list, watch, cancel; and `follow`, which every command that waits for a job uses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from reex.cli import completion, exits, output, overview, views
from reex.cli.options import AsJson, JobName, example
from reex.cli.progress import Progress
from reex.cli.session import connected
from reex.errors import DaemonDown, from_reason

if TYPE_CHECKING:
    from reex import Client
    from reex.types import Job

app = typer.Typer(no_args_is_help=True, help="Long work: training and downloads.")

UNITS = {"tune": "documents read", "embed": "documents", "fit": "epochs"}
# A job outlives the daemon: how long a watcher waits for the next one, and how often it looks.
RETURN_WAIT_S = 30.0
RETURN_INTERVAL_S = 0.5


def states(client: Client, name: str) -> Iterator[Job]:
    """`watch_job`, carried over a restart of the daemon. Raises DaemonDown when it stays away."""
    away_since: float | None = None
    while True:
        try:
            for job in client.watch_job(name):
                away_since = None
                yield job
                if job.ended:
                    return
        except DaemonDown:
            now = time.monotonic()
            if away_since is None:
                away_since = now
                output.note(f"the daemon went away; waiting for it to come back to {name}")
            if now - away_since > RETURN_WAIT_S:
                raise
        time.sleep(RETURN_INTERVAL_S)


def follow(client: Client, job: Job) -> Job:
    """Show a job's progress until it has succeeded; returns it as it ended.

    Ctrl-C stops watching, not the job. Raises the error the job ended with; exits when it was cancelled.
    """
    with _left_alone(job.name), Progress(announce=True) as progress:
        for now in states(client, job.name):
            job = now
            _show(progress, now)
    _check_success(job)
    return job


@contextmanager
def _left_alone(name: str) -> Iterator[None]:
    """Ctrl-C leaves the job as it is, and says how to come back to it."""
    try:
        yield
    except KeyboardInterrupt:
        output.note(f"{name} goes on without a watcher")
        output.note(f"watch it: reexctl jobs watch {name}    stop it: reexctl jobs cancel {name}")
        raise typer.Exit(exits.CANCELLED) from None


def _check_success(job: Job) -> None:
    """Raises the error a job ended with; exits when it was cancelled."""
    if job.state == "cancelled":
        output.note(f"{job.name} was cancelled")
        raise typer.Exit(exits.CANCELLED)
    if job.state == "failed" or job.error_reason or job.error:
        reason = job.error or "for a reason that was not recorded; the daemon's log says more"
        raise from_reason(job.error_reason, f"{job.name} {job.state}: {reason}")


def _show(progress: Progress, job: Job) -> None:
    unit = "bytes" if job.kind == "pull" else UNITS.get(job.phase, "")
    label = f"{job.name}: {job.phase or job.state.value}"
    detail = output.safe(job.message)
    progress.show(label, job.done, job.total, unit=unit, rate=job.rate, eta_s=job.eta_s, detail=detail)


@app.command("list", epilog=example("reexctl jobs list", "reexctl jobs list sentiment --json"))
def list_jobs(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="Only jobs of this project.", autocompletion=completion.projects
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    with connected() as client:
        jobs = list(client.list_jobs(name))
        if name is not None and not jobs:
            client.get_project(name)  # raises NotFound; of a deleted project there may be jobs yet
        views.jobs(jobs, as_json)


@app.command(epilog=example("reexctl jobs watch train-12"))
def watch(job: JobName, as_json: AsJson = False) -> None:
    """Follow a job until it ends; Ctrl-C stops watching, not the job. With --json, a line for each change."""
    with connected() as client:
        if not as_json:
            overview.ended(client, follow(client, client.get_job(job)))
            return
        last = client.get_job(job)
        with _left_alone(job):
            for last in states(client, job):
                output.object_line(last.to_dict())
    _check_success(last)


@app.command(epilog=example("reexctl jobs cancel train-12"))
def cancel(job: JobName, as_json: AsJson = False) -> None:
    """Ask a job to stop at its next unit of work."""
    with connected() as client:
        now = client.cancel_job(job)
    views.done(now.to_dict(), f"{now.name}: {now.state}; it stops at its next unit of work", as_json)
