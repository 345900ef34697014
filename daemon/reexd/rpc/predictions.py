"""PredictionService over steps.query and steps.predict."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

import grpc
from reex.v1 import predictions_pb2, predictions_pb2_grpc

from reexd.errors import InvalidDocument
from reexd.rpc import convert
from reexd.steps.answers import Answers, TextInput
from reexd.steps.confidence import COVERAGE_DEFAULT
from reexd.steps.predict import Predict, Wanted
from reexd.steps.query import Query

NEIGHBORS_DEFAULT = 5
MESSAGE_SIZE_MAX_BYTES = 1 << 20  # of a split's answers

_Request = predictions_pb2.QueryRequest | predictions_pb2.PredictSplitRequest | predictions_pb2.PredictRequest


class PredictionService(predictions_pb2_grpc.PredictionServiceServicer):
    def __init__(self, query: Query, predict: Predict) -> None:
        self._query = query
        self._predict = predict

    async def Query(
        self, request: predictions_pb2.QueryRequest, context: grpc.aio.ServicerContext
    ) -> predictions_pb2.QueryResponse:
        answers = await self._query.texts(
            request.project, _texts(request.texts), _neighbors(request), _coverage(request)
        )
        return predictions_pb2.QueryResponse(predictions=_messages(answers))

    async def PredictSplit(
        self, request: predictions_pb2.PredictSplitRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[predictions_pb2.PredictSplitResponse]:
        batches = await asyncio.to_thread(
            self._predict.split,
            request.project,
            request.split,
            _neighbors(request),
            Wanted(
                since=request.since.ToNanoseconds() / 1e9,
                where=request.where,
                order_by=request.order_by,
                coverage=_coverage(request),
            ),
        )
        while (answers := await asyncio.to_thread(_next, batches)) is not None:
            for part in _parts(_messages(answers)):
                yield predictions_pb2.PredictSplitResponse(predictions=part)

    async def Predict(
        self, requests: AsyncIterator[predictions_pb2.PredictRequest], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[predictions_pb2.PredictResponse]:
        project, neighbors, coverage = "", NEIGHBORS_DEFAULT, COVERAGE_DEFAULT
        async for request in requests:
            if not project:
                project, neighbors, coverage = request.project, _neighbors(request), _coverage(request)
            texts = _texts(request.texts)
            rejections: dict[int, InvalidDocument] = {}
            answers = await self._query.texts(project, texts, neighbors, coverage, rejections)
            yield predictions_pb2.PredictResponse(
                predictions=_messages(answers),
                rejections=[
                    predictions_pb2.TextRejection(
                        index=at, id=texts[at].id, field=problem.metadata["field"], reason=problem.message
                    )
                    for at, problem in rejections.items()
                ],
            )


def _next(batches: Iterator[Answers]) -> Answers | None:
    return next(batches, None)


def _parts(messages: Sequence[predictions_pb2.Prediction]) -> Iterator[list[predictions_pb2.Prediction]]:
    """Each as large as a message should be, or one larger prediction: those of long documents hold many long texts."""
    part: list[predictions_pb2.Prediction] = []
    size = 0
    for message in messages:
        if part and size + message.ByteSize() > MESSAGE_SIZE_MAX_BYTES:
            yield part
            part, size = [], 0
        part.append(message)
        size += message.ByteSize()
    if part:
        yield part


def _neighbors(request: _Request) -> int:
    return request.neighbors if request.HasField("neighbors") else NEIGHBORS_DEFAULT


def _coverage(request: _Request) -> float:
    return request.coverage if request.HasField("coverage") else COVERAGE_DEFAULT


def _texts(messages: Sequence[predictions_pb2.Text]) -> list[TextInput]:
    return [convert.text_input(message) for message in messages]


def _messages(answers: Answers) -> list[predictions_pb2.Prediction]:
    return [
        convert.prediction(record, answers.classes, stale=answers.stale, text=text)
        for record, text in zip(answers.predictions, answers.texts, strict=True)
    ]
