"""EvaluationService over steps.evaluate."""

from __future__ import annotations

import asyncio

import grpc
from reex.v1 import evaluation_pb2, evaluation_pb2_grpc

from reexd.rpc import convert
from reexd.steps.evaluate import Evaluate, Evaluation, RegionRow


class EvaluationService(evaluation_pb2_grpc.EvaluationServiceServicer):
    def __init__(self, evaluate: Evaluate) -> None:
        self._evaluate = evaluate

    async def Evaluate(
        self, request: evaluation_pb2.EvaluateRequest, context: grpc.aio.ServicerContext
    ) -> evaluation_pb2.EvaluateResponse:
        evaluation = await asyncio.to_thread(self._evaluate.split, request.project, request.split)
        return _message(evaluation)


def _message(record: Evaluation) -> evaluation_pb2.EvaluateResponse:
    return evaluation_pb2.EvaluateResponse(
        split=record.split,
        classifier=f"v{record.version}",
        n=record.n,
        correct=record.correct,
        accuracy=record.accuracy,
        interval=convert.interval(record.interval),
        balanced_accuracy=record.balanced_accuracy,
        confusion=[evaluation_pb2.ConfusionRow(counts=row) for row in record.confusion],
        classes=[
            evaluation_pb2.ClassEvaluation(
                label=row.label,
                name=row.name,
                support=row.support,
                recall=row.recall,
                predicted=row.predicted,
                precision=row.precision,
            )
            for row in record.classes
        ],
        regions=[region(row) for row in record.regions],
        support_count=record.support_count,
        calibration_count=record.calibration_count,
        unseen_count=record.unseen_count,
        unlabelled_count=record.unlabelled_count,
        out_of_distribution_count=record.out_of_distribution_count,
        out_of_distribution_admitted=record.out_of_distribution_admitted,
        duplicate_count=record.duplicate_count,
        accuracy_without_duplicates=record.accuracy_without_duplicates,
        stale=record.stale,
        not_scored_count=record.not_scored_count,
    )


def region(row: RegionRow) -> evaluation_pb2.RegionEvaluation:
    return evaluation_pb2.RegionEvaluation(
        alpha=row.alpha,
        admitted=row.admitted,
        admitted_share=row.admitted_share,
        correct=row.correct,
        accuracy=row.accuracy,
        interval=convert.interval(row.interval),
    )
