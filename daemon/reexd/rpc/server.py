"""ServerService over steps.status."""

from __future__ import annotations

import asyncio

import grpc
from reex.v1 import server_pb2, server_pb2_grpc

from reexd.rpc import convert
from reexd.rpc.classifiers import classifier_summary
from reexd.rpc.documents import split_summaries
from reexd.steps.status import ProjectStatus, Status


class ServerService(server_pb2_grpc.ServerServiceServicer):
    def __init__(self, status: Status) -> None:
        self._status = status

    async def GetServerInfo(
        self, request: server_pb2.GetServerInfoRequest, context: grpc.aio.ServicerContext
    ) -> server_pb2.GetServerInfoResponse:
        info = self._status.server()
        return server_pb2.GetServerInfoResponse(
            version=info.version,
            pid=info.pid,
            start_time=convert.timestamp(info.started_at),
            document_size_max_bytes=info.limits.document_size_max_bytes,
            field_size_max_bytes=info.limits.field_size_max_bytes,
            attributes_max=info.limits.attributes_max,
            chunk_size_max_bytes=info.limits.chunk_size_max_bytes,
            chunk_documents_max=info.limits.chunk_documents_max,
            home=str(info.home),
            models_folder=str(info.models_folder),
        )

    async def GetStatus(
        self, request: server_pb2.GetStatusRequest, context: grpc.aio.ServicerContext
    ) -> server_pb2.GetStatusResponse:
        overview = await asyncio.to_thread(self._status.overview, request.project)
        engine = overview.engine
        return server_pb2.GetStatusResponse(
            engine=server_pb2.EngineStatus(
                backend=engine.backend,
                blas=engine.blas,
                blas_fast=engine.blas_fast,
                workers=[
                    server_pb2.WorkerStatus(
                        pid=worker.pid,
                        state=worker.state,
                        restarts=worker.restarts,
                        memory_bytes=worker.memory_bytes,
                    )
                    for worker in engine.workers
                ],
                models_loaded=[model.name for model in engine.models],
                models=[
                    server_pb2.LoadedModel(name=model.name, size_bytes=model.size_bytes, idle_s=model.idle_s)
                    for model in engine.models
                ],
            ),
            projects=[_project(status) for status in overview.projects],
            jobs=[convert.job(job) for job in overview.jobs],
            warnings=overview.warnings,
        )


def _project(status: ProjectStatus) -> server_pb2.ProjectStatus:
    live = status.classifier
    return server_pb2.ProjectStatus(
        project=convert.project(
            status.project,
            live_version=live.record.version if live else 0,
            document_count=sum(sum(counts.values()) for counts in status.splits.values()),
        ),
        splits=split_summaries(status.project.classes, status.splits),
        classifier=classifier_summary(live) if live else None,
        version_count=status.version_count,
        embedded_count=status.embedded_count,
        store_size_bytes=status.store_size_bytes,
        problem=status.problem,
    )
