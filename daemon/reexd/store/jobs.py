"""Jobs in the catalogue's environment: what was asked and how it went. Knows nothing of how jobs run."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import lmdb

from reexd.errors import JobNotFound
from reexd.records import Job, JobState
from reexd.store import keys, meta, ranges
from reexd.store.codecs.job import decode_job, encode_job


def create(txn: lmdb.Transaction, kind: str, project: str, request_json: str, *, now: float) -> Job:
    """A queued job with a number of its own, from 1."""
    job = Job(
        number=meta.take(txn, keys.Meta.NEXT_JOB, first=1),
        kind=kind,
        project=project,
        state=JobState.QUEUED,
        request_json=request_json,
        created_at=now,
        updated_at=now,
    )
    _put(txn, job)
    return job


def get(txn: lmdb.Transaction, number: int) -> Job:
    """Raises JobNotFound."""
    value = txn.get(keys.job(number))
    if value is None:
        raise JobNotFound(
            f"there is no job number {number}; `reexctl jobs list` shows those there are", job=number
        )
    return decode_job(value)


def update(txn: lmdb.Transaction, job: Job) -> None:
    """Replaces a job's record. Raises JobNotFound."""
    get(txn, job.number)
    _put(txn, job)


def change(txn: lmdb.Transaction, number: int, *, now: float, **changes: object) -> Job:
    """Reads, changes and writes a job in one go; its new record. Raises JobNotFound."""
    job = replace(get(txn, number), updated_at=now, **changes)
    _put(txn, job)
    return job


def listed(
    txn: lmdb.Transaction, *, project: str | None = None, before: int | None = None, limit: int = 100
) -> list[Job]:
    """Newest first, below the number `before`."""
    start = None if before is None else keys.job(before)
    jobs = (
        get(txn, keys.number_of(key)) for key in ranges.walk_back(txn, keys.kind(keys.Kind.JOB), before=start)
    )
    return list(islice((job for job in jobs if project is None or job.project == project), limit))


def unfinished(txn: lmdb.Transaction) -> list[Job]:
    """Queued and running jobs, oldest first: what to resume at start."""
    return [get(txn, keys.number_of(key)) for key in ranges.keys(txn, keys.kind(keys.Kind.UNFINISHED_JOB))]


def prune(txn: lmdb.Transaction, *, keep: int = 1000) -> int:
    """Deletes the oldest ended jobs above `keep`; how many."""
    numbers = [keys.number_of(key) for key in ranges.walk_back(txn, keys.kind(keys.Kind.JOB))]
    ended = [number for number in numbers[keep:] if get(txn, number).state.ended]
    for number in ended:
        txn.delete(keys.job(number))
    return len(ended)


def _put(txn: lmdb.Transaction, job: Job) -> None:
    txn.put(keys.job(job.number), encode_job(job))
    if job.state.ended:
        txn.delete(keys.unfinished_job(job.number))
    else:
        txn.put(keys.unfinished_job(job.number), b"")
