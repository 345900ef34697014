"""ModelService over steps.models."""

from __future__ import annotations

import asyncio

import grpc
from reex.v1 import models_pb2, models_pb2_grpc

from reexd.rpc import convert
from reexd.steps.models import Models, ModelState


class ModelService(models_pb2_grpc.ModelServiceServicer):
    def __init__(self, models: Models) -> None:
        self._models = models

    async def ListModels(
        self, request: models_pb2.ListModelsRequest, context: grpc.aio.ServicerContext
    ) -> models_pb2.ListModelsResponse:
        states = await asyncio.to_thread(self._models.list)
        return models_pb2.ListModelsResponse(models=[_model(state) for state in states])

    async def GetModel(
        self, request: models_pb2.GetModelRequest, context: grpc.aio.ServicerContext
    ) -> models_pb2.GetModelResponse:
        state, uses = await asyncio.to_thread(self._models.get, request.name)
        known = state.known
        return models_pb2.GetModelResponse(
            model=_model(state),
            files=[
                models_pb2.ModelFile(name=name, size_bytes=known.sizes.get(name, 0), sha256=digest)
                for name, digest in sorted(known.digests.items())
            ],
            pinned=known.pinned,
            uses=[
                models_pb2.ModelUse(
                    project=use.project,
                    chosen=use.chosen,
                    versions=[f"v{version}" for version in use.versions],
                )
                for use in uses
            ],
            worker_memory_bytes=state.needs.each,
            workers=state.needs.workers,
        )

    async def PullModel(
        self, request: models_pb2.PullModelRequest, context: grpc.aio.ServicerContext
    ) -> models_pb2.PullModelResponse:
        job = await asyncio.to_thread(self._models.submit_pull, request.reference)
        return models_pb2.PullModelResponse(job=convert.job(job))

    async def VerifyModel(
        self, request: models_pb2.VerifyModelRequest, context: grpc.aio.ServicerContext
    ) -> models_pb2.VerifyModelResponse:
        checks = await asyncio.to_thread(self._models.verify, request.name)
        return models_pb2.VerifyModelResponse(
            files=[
                models_pb2.FileCheck(
                    file=models_pb2.ModelFile(
                        name=check.file, size_bytes=check.size_bytes, sha256=check.digest
                    ),
                    problem=check.problem,
                )
                for check in checks
            ]
        )

    async def DeleteModel(
        self, request: models_pb2.DeleteModelRequest, context: grpc.aio.ServicerContext
    ) -> models_pb2.DeleteModelResponse:
        await asyncio.to_thread(self._models.delete, request.name, force=request.force)
        return models_pb2.DeleteModelResponse()

    async def LoadModel(
        self, request: models_pb2.LoadModelRequest, context: grpc.aio.ServicerContext
    ) -> models_pb2.LoadModelResponse:
        state = await asyncio.to_thread(self._models.load, request.name)
        return models_pb2.LoadModelResponse(model=_model(state))

    async def UnloadModel(
        self, request: models_pb2.UnloadModelRequest, context: grpc.aio.ServicerContext
    ) -> models_pb2.UnloadModelResponse:
        was_loaded = await asyncio.to_thread(self._models.unload, request.name)
        return models_pb2.UnloadModelResponse(was_loaded=was_loaded)


def _model(state: ModelState) -> models_pb2.Model:
    known, facts = state.known, state.known.facts
    return models_pb2.Model(
        name=known.name,
        description=known.description,
        installed=known.installed,
        size_bytes=known.size_bytes,
        licence=known.licence,
        sources=known.sources,
        digest=known.digest,
        folder=str(known.folder or ""),
        architecture=facts.architecture,
        parameters=facts.parameters,
        dtype=facts.dtype,
        hidden_size=facts.hidden_size,
        pooling=known.pooling,
        document_prefix=known.document_prefix,
        query_prefix=known.query_prefix,
        window_tokens=known.window_tokens or facts.window_tokens,
        memory_bytes=state.needs.total if facts.parameters else 0,
        loaded=state.loaded,
        readable=state.readable,
        reads_prompts=state.reads_prompts,
        revision=known.revision,
        pull_time=convert.timestamp(known.pulled_at),
        problem=known.problem,
    )
