"""EvaluationService over steps.evaluate and steps.drift."""

from __future__ import annotations

import asyncio

import grpc
from reex.v1 import evaluation_pb2, evaluation_pb2_grpc

from reexd.rpc import convert
from reexd.steps.drift import Drift, DriftReport, Quantity, Verdict
from reexd.steps.evaluate import Admission, Cell, Evaluate, Evaluation, Part, ProbabilityFit, SetCoverage

VERDICTS = {
    Verdict.TOO_FEW: evaluation_pb2.DRIFT_VERDICT_TOO_FEW,
    Verdict.NONE: evaluation_pb2.DRIFT_VERDICT_NONE,
    Verdict.SLIGHT: evaluation_pb2.DRIFT_VERDICT_SLIGHT,
    Verdict.DRIFT: evaluation_pb2.DRIFT_VERDICT_DRIFT,
    Verdict.RECALIBRATE_FIRST: evaluation_pb2.DRIFT_VERDICT_RECALIBRATE_FIRST,
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
    headline, whole = record.headline, record.headline.accuracy
    message = evaluation_pb2.EvaluateResponse(
        split=record.split,
        classifier=f"v{record.version}",
        n=whole.marginal.count,
        correct=whole.marginal.correct,
        accuracy=whole.marginal.accuracy or 0.0,
        interval=convert.interval(whole.marginal.interval),
        balanced_accuracy=headline.balanced_accuracy,
        balanced_interval=convert.interval(whole.balanced_interval()),
        confusion=[evaluation_pb2.ConfusionRow(counts=row) for row in record.confusion],
        classes=[
            _class(label, name, recall, precision)
            for label, (name, recall, precision) in enumerate(
                zip(record.classes, whole.by_label, whole.by_prediction, strict=True)
            )
        ],
        regions=[region(row) for row in headline.regions],
        rejections=[
            evaluation_pb2.RejectionEvaluation(reason=reason, accuracy=_accuracy(cell))
            for reason, cell in record.rejections
        ],
        support_count=record.support_count,
        calibration_count=record.calibration_count,
        unseen_count=record.unseen_count,
        unlabelled_count=record.unlabelled_count,
        out_of_distribution_count=record.out_of_distribution.count,
        out_of_distribution_admitted=record.out_of_distribution.correct,
        out_of_distribution_interval=convert.interval(record.out_of_distribution.interval),
        duplicate_count=record.duplicate_count,
        accuracy_without_duplicates=record.without_duplicates.accuracy.marginal.accuracy or 0.0,
        stale=record.stale,
        not_scored_count=record.not_scored_count,
        support=_part(record.support),
        calibration=_part(record.calibration),
        used_before_count=record.used_before_count,
        used_before=_part(record.used_before),
        without_duplicates=_part(record.without_duplicates),
        ensemble_size=record.ensemble_size,
        ensemble_regions=[region(row) for row in record.ensemble_regions],
    )
    if record.probability is not None:
        message.probability.CopyFrom(_probability(record.probability_kind, record.probability))
    if record.prediction_sets is not None:
        message.prediction_sets.CopyFrom(_sets(record.promised, record.prediction_sets))
    return message


def _class(label: int, name: str, recall: Cell, precision: Cell) -> evaluation_pb2.ClassEvaluation:
    return evaluation_pb2.ClassEvaluation(
        label=label,
        name=name,
        support=recall.count,
        recall=recall.accuracy or 0.0,
        recall_interval=convert.interval(recall.interval),
        predicted=precision.count,
        precision=precision.accuracy or 0.0,
        precision_interval=convert.interval(precision.interval),
    )


def region(row: Admission, *, by_class: bool = True) -> evaluation_pb2.RegionEvaluation:
    marginal = row.accuracy.marginal
    return evaluation_pb2.RegionEvaluation(
        alpha=row.alpha,
        admitted=row.admitted,
        admitted_share=row.share,
        share_interval=convert.interval(row.share_interval),
        correct=marginal.correct,
        accuracy=marginal.accuracy or 0.0,
        interval=convert.interval(marginal.interval),
        by_label=[_accuracy(cell) for cell in row.accuracy.by_label] if by_class else (),
        by_prediction=[_accuracy(cell) for cell in row.accuracy.by_prediction] if by_class else (),
    )


def _part(record: Part) -> evaluation_pb2.PartEvaluation:
    return evaluation_pb2.PartEvaluation(
        accuracy=_accuracy(record.accuracy.marginal),
        balanced_accuracy=record.balanced_accuracy,
        balanced_interval=convert.interval(record.accuracy.balanced_interval()),
        regions=[region(row, by_class=False) for row in record.regions],
    )


def _accuracy(cell: Cell) -> evaluation_pb2.Accuracy:
    return evaluation_pb2.Accuracy(
        n=cell.count,
        correct=cell.correct,
        accuracy=cell.accuracy or 0.0,
        interval=convert.interval(cell.interval),
    )


def _probability(kind: str, record: ProbabilityFit) -> evaluation_pb2.ProbabilityEvaluation:
    return evaluation_pb2.ProbabilityEvaluation(
        kind=kind,
        n=record.count,
        calibration_error=record.calibration_error,
        brier=record.brier,
        bins=[
            evaluation_pb2.ProbabilityBin(
                lower=each.lower,
                upper=each.upper,
                mean_probability=each.mean_probability,
                accuracy=_accuracy(each.right),
            )
            for each in record.bins
        ],
    )


def _sets(promised: float, record: SetCoverage) -> evaluation_pb2.PredictionSetEvaluation:
    return evaluation_pb2.PredictionSetEvaluation(
        promised=promised,
        coverage=_accuracy(record.covered),
        by_label=[_accuracy(cell) for cell in record.by_label],
        mean_size=record.mean_size,
        single_count=record.single_count,
        full_count=record.full_count,
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
        not_scored_count=report.not_scored_count,
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
