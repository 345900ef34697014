"""A job's record in the catalogue."""

from __future__ import annotations

import struct

from reexd.errors import StoreCorrupt
from reexd.records import Job, JobState
from reexd.store.codecs.fields import Buffer, Reader, Writer

# number, state, done, total, rate, eta_s, attempts, created_at, updated_at, ended_at
_NUMBERS = struct.Struct("<QBqqddIddd")
_CANCELLING = struct.Struct("<?")  # missing in records of before it


def encode_job(job: Job) -> bytes:
    writer = Writer().pack(
        _NUMBERS,
        job.number,
        job.state,
        job.done,
        job.total,
        job.rate,
        job.eta_s,
        job.attempts,
        job.created_at,
        job.updated_at,
        job.ended_at,
    )
    for field in (
        job.kind,
        job.project,
        job.request_json,
        job.phase,
        job.message,
        job.error_reason,
        job.error,
        job.result_json,
    ):
        writer.string(field)
    return writer.pack(_CANCELLING, job.cancelling).finish()


def decode_job(buffer: Buffer) -> Job:
    reader = Reader(buffer, "job")
    number, state, done, total, rate, eta_s, attempts, created_at, updated_at, ended_at = reader.unpack(
        _NUMBERS
    )
    kind, project, request_json, phase, message, error_reason, error, result_json = (
        reader.string() for _ in range(8)
    )
    cancelling = not reader.ended and reader.unpack(_CANCELLING)[0]
    reader.end()
    if not JobState.QUEUED <= state <= max(JobState):
        raise StoreCorrupt(
            f"job {number}: state {state} is not one of 1..{max(JobState)}; the store is damaged"
        )
    return Job(
        number=number,
        kind=kind,
        project=project,
        state=JobState(state),
        request_json=request_json,
        phase=phase,
        done=done,
        total=total,
        rate=rate,
        eta_s=eta_s,
        message=message,
        error_reason=error_reason,
        error=error,
        result_json=result_json,
        attempts=attempts,
        created_at=created_at,
        updated_at=updated_at,
        ended_at=ended_at,
        cancelling=cancelling,
    )
