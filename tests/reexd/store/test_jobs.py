"""Jobs: numbered once, listed newest first, and the unfinished ones found at start."""

from __future__ import annotations

import pytest
from reexd.errors import JobNotFound
from reexd.records import JobState
from reexd.store import jobs
from reexd.store.environment import Environment


def create(environment: Environment, project: str = "p") -> int:
    return environment.write(lambda txn: jobs.create(txn, "train", project, '{"seed": 1}', now=1.0)).number


def test_a_job_is_created_changed_and_read(environment: Environment) -> None:
    number = create(environment)
    changed = environment.write(
        lambda txn: jobs.change(txn, number, now=2.0, state=JobState.RUNNING, phase="fit", done=3, total=9)
    )
    with environment.read() as txn:
        found = jobs.get(txn, number)
    assert found == changed
    assert (found.name, found.request_json, found.phase, found.updated_at) == (
        "train-1",
        '{"seed": 1}',
        "fit",
        2.0,
    )


def test_only_jobs_that_have_not_ended_are_unfinished(environment: Environment) -> None:
    numbers = [create(environment) for _ in range(len(JobState))]
    for number, state in zip(numbers, JobState, strict=True):
        environment.write(lambda txn, n=number, s=state: jobs.change(txn, n, now=2.0, state=s))
    with environment.read() as txn:
        assert [job.state for job in jobs.unfinished(txn)] == [JobState.QUEUED, JobState.RUNNING]


def test_lists_are_newest_first_and_continue(environment: Environment) -> None:
    for n in range(6):
        create(environment, "even" if n % 2 else "odd")
    with environment.read() as txn:
        first = jobs.listed(txn, limit=4)
        rest = jobs.listed(txn, before=first[-1].number, limit=4)
        assert [job.number for job in first + rest] == [6, 5, 4, 3, 2, 1]
        assert [job.number for job in jobs.listed(txn, project="even")] == [6, 4, 2]


def test_pruning_keeps_the_newest_and_the_unfinished(environment: Environment) -> None:
    for _ in range(5):
        create(environment)
    for number in (2, 3, 4, 5):
        environment.write(lambda txn, n=number: jobs.change(txn, n, now=2.0, state=JobState.SUCCEEDED))
    assert environment.write(lambda txn: jobs.prune(txn, keep=2)) == 2
    with environment.read() as txn:
        assert [job.number for job in jobs.listed(txn)] == [5, 4, 1]
    assert create(environment) == 6


def test_an_unknown_job_is_named(environment: Environment) -> None:
    with pytest.raises(JobNotFound, match="number 7"):
        environment.write(lambda txn: jobs.change(txn, 7, now=1.0))
