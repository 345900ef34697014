"""EvaluationService over steps.evaluate and steps.drift."""

from __future__ import annotations

import asyncio

import grpc
from reex.v1 import evaluation_pb2, evaluation_pb2_grpc

from reexd.rpc import convert
from reexd.steps.drift import Cell, Drift, DriftReport, Quantity, Verdict
from reexd.steps.evaluate import Evaluate, Evaluation, RegionRow

VERDICTS = {
    Verdict.TOO_FEW: evaluation_pb2.DRIFT_VERDICT_TOO_FEW,
    Verdict.NONE: evaluation_pb2.DRIFT_VERDICT_NONE,
    Verdict.SLIGHT: evaluation_pb2.DRIFT_VERDICT_SLIGHT,
    Verdict.DRIFT: evaluation_pb2.DRIFT_VERDICT_DRIFT,
}


class EvaluationService(evaluation_pb2_grpc.EvaluationServiceServicer):
    def __init__(self, evaluate: Evaluate, drift: Drift) -> None:
        self._evaluate = evaluate
        self._drift = drift

    async def Evaluate(
        self, request: evaluation_pb2.EvaluateRequest, context: grpc.aio.ServicerContext
    ) -> evaluation_pb2.EvaluateResponse:
        evaluation = await asyncio.to_thread(self._evaluate.split, request.project, request.split)
        return _message(evaluation)

    async def MeasureDrift(
        self, request: evaluation_pb2.MeasureDriftRequest, context: grpc.aio.ServicerContext
    ) -> evaluation_pb2.MeasureDriftResponse:
        report = await asyncio.to_thread(self._drift.split, request.project, request.split, request.last)
        return _drift(report)


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


def _drift(report: DriftReport) -> evaluation_pb2.MeasureDriftResponse:
    return evaluation_pb2.MeasureDriftResponse(
        split=report.split,
        classifier=f"v{report.version}",
        n=report.n,
        calibration_count=report.calibration_count,
        verdict=VERDICTS[report.verdict],
        summary=report.summary,
        advice=report.advice,
        quantities=[_quantity(each) for each in report.quantities],
        difference_detectable=report.difference_detectable,
        admission=[
            evaluation_pb2.DriftAdmission(
                alpha=row.alpha, calibration=_share(row.calibration), arriving=_share(row.arriving)
            )
            for row in report.admission
        ],
        calibration_zero_similarity=_share(report.calibration_zero_similarity),
        zero_similarity=_share(report.zero_similarity),
        calibration_class_shares=report.calibration_class_shares,
        class_shares=report.class_shares,
        added_since_calibration=report.added_since_calibration,
        stale=report.stale,
    )


def _quantity(record: Quantity) -> evaluation_pb2.DriftQuantity:
    test = record.test
    return evaluation_pb2.DriftQuantity(
        name=record.name,
        calibration_median=record.calibration_median,
        median=record.median,
        difference=test.difference,
        difference_at=test.difference_at,
        p_value=test.p_value,
        p_value_adjusted=record.p_value_adjusted,
        effect=test.effect,
    )


def _share(cell: Cell) -> evaluation_pb2.Share:
    return evaluation_pb2.Share(
        n=cell.count, count=cell.correct, share=cell.accuracy or 0.0, interval=convert.interval(cell.interval)
    )
