"""JobService over the job queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
from reex.v1 import jobs_pb2, jobs_pb2_grpc

from reexd.errors import DaemonStopping
from reexd.jobs import JobQueue
from reexd.records import Job
from reexd.rpc import convert, pages

WATCH_INTERVAL_S = 0.1  # at most ten reports a second to each watcher


class JobService(jobs_pb2_grpc.JobServiceServicer):
    def __init__(self, jobs: JobQueue) -> None:
        self._jobs = jobs

    async def GetJob(
        self, request: jobs_pb2.GetJobRequest, context: grpc.aio.ServicerContext
    ) -> jobs_pb2.GetJobResponse:
        job = await asyncio.to_thread(self._jobs.get, request.name)
        return jobs_pb2.GetJobResponse(job=convert.job(job))

    async def ListJobs(
        self, request: jobs_pb2.ListJobsRequest, context: grpc.aio.ServicerContext
    ) -> jobs_pb2.ListJobsResponse:
        size = pages.size(request.page_size)
        before = pages.number(request.page_token, "jobs", request.project, default=0)
        jobs = await asyncio.to_thread(self._jobs.list, request.project, before, size + 1)
        token = pages.token(str(jobs[size - 1].number), "jobs", request.project) if len(jobs) > size else ""
        return jobs_pb2.ListJobsResponse(
            jobs=[convert.job(job) for job in jobs[:size]], next_page_token=token
        )

    async def WatchJob(
        self, request: jobs_pb2.WatchJobRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[jobs_pb2.WatchJobResponse]:
        job = await asyncio.to_thread(self._jobs.get, request.name)
        loop = asyncio.get_running_loop()
        # Only the latest state is kept for a slow reader: memory is bounded whatever the job reports.
        latest: list[Job | None] = []
        changed = asyncio.Event()

        def publish(job: Job | None) -> None:
            if latest != [
                None
            ]:  # the end of the daemon is the last word, also to a reader who has not heard it yet
                latest[:] = [job]
            changed.set()

        unwatch = self._jobs.watch(job.number, lambda job: loop.call_soon_threadsafe(publish, job))
        try:
            # Read again after subscribing, or an end between the two would never be told.
            job = await asyncio.to_thread(self._jobs.get, request.name)
            yield jobs_pb2.WatchJobResponse(job=convert.job(job))
            while not job.state.ended:
                await changed.wait()
                changed.clear()
                if latest[0] is None:
                    raise DaemonStopping(
                        f"the daemon stops; {request.name} goes on with the next one, watch it again"
                    )
                job = latest[0]
                yield jobs_pb2.WatchJobResponse(job=convert.job(job))
                if not job.state.ended:
                    await asyncio.sleep(WATCH_INTERVAL_S)
        finally:
            unwatch()

    async def CancelJob(
        self, request: jobs_pb2.CancelJobRequest, context: grpc.aio.ServicerContext
    ) -> jobs_pb2.CancelJobResponse:
        job = await asyncio.to_thread(self._jobs.cancel, request.name)
        return jobs_pb2.CancelJobResponse(job=convert.job(job))
