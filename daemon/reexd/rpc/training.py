"""TrainingService over steps.train."""

from __future__ import annotations

import asyncio

import grpc
from reex.v1 import training_pb2, training_pb2_grpc

from reexd.rpc import convert
from reexd.steps.train import Train


class TrainingService(training_pb2_grpc.TrainingServiceServicer):
    def __init__(self, train: Train) -> None:
        self._train = train

    async def Train(
        self, request: training_pb2.TrainRequest, context: grpc.aio.ServicerContext
    ) -> training_pb2.TrainResponse:
        settings = {field.name: value for field, value in request.settings.ListFields()}
        continued = request.continue_from if request.HasField("continue_from") else None
        job = await asyncio.to_thread(self._train.submit, request.project, settings, continued)
        return training_pb2.TrainResponse(job=convert.job(job))
