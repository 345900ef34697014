"""ModelService over steps.models."""

from __future__ import annotations

import asyncio

import grpc
from reex.v1 import models_pb2, models_pb2_grpc

from reexd.rpc import convert
from reexd.steps.models import Models


class ModelService(models_pb2_grpc.ModelServiceServicer):
    def __init__(self, models: Models) -> None:
        self._models = models

    async def ListModels(
        self, request: models_pb2.ListModelsRequest, context: grpc.aio.ServicerContext
    ) -> models_pb2.ListModelsResponse:
        known = await asyncio.to_thread(self._models.list)
        return models_pb2.ListModelsResponse(
            models=[
                models_pb2.Model(
                    name=model.name,
                    description=model.description,
                    installed=model.installed,
                    size_bytes=model.size_bytes,
                    licence=model.licence,
                    sources=model.sources,
                    digest=model.digest,
                    folder=str(model.folder or ""),
                )
                for model in known
            ]
        )

    async def PullModel(
        self, request: models_pb2.PullModelRequest, context: grpc.aio.ServicerContext
    ) -> models_pb2.PullModelResponse:
        job = await asyncio.to_thread(self._models.submit_pull, request.reference)
        return models_pb2.PullModelResponse(job=convert.job(job))
