"""Messages of evaluations, comparisons and drift reports to the records of `reex.figures` and `reex.versions`."""

from __future__ import annotations

from reex import figures, versions
from reex.v1 import classifiers_pb2, evaluation_pb2

NAN = float("nan")

_VERDICTS = {
    evaluation_pb2.DRIFT_VERDICT_TOO_FEW: figures.DriftVerdict.TOO_FEW,
    evaluation_pb2.DRIFT_VERDICT_NONE: figures.DriftVerdict.NONE,
    evaluation_pb2.DRIFT_VERDICT_SLIGHT: figures.DriftVerdict.SLIGHT,
    evaluation_pb2.DRIFT_VERDICT_DRIFT: figures.DriftVerdict.DRIFT,
    evaluation_pb2.DRIFT_VERDICT_RECALIBRATE_FIRST: figures.DriftVerdict.RECALIBRATE_FIRST,
}


def _interval(message: evaluation_pb2.Interval) -> figures.Interval:
    return figures.Interval(lower=message.lower, upper=message.upper)


def _accuracy(message: evaluation_pb2.Accuracy) -> figures.Accuracy:
    return figures.Accuracy(
        n=message.n,
        correct=message.correct,
        accuracy=message.accuracy if message.n else NAN,
        interval=_interval(message.interval),
    )


def _region(message: evaluation_pb2.RegionEvaluation) -> figures.RegionEvaluation:
    return figures.RegionEvaluation(
        alpha=message.alpha,
        admitted=message.admitted,
        admitted_share=message.admitted_share,
        correct=message.correct,
        accuracy=message.accuracy if message.admitted else NAN,
        interval=_interval(message.interval),
        share_interval=_interval(message.share_interval),
        by_label=tuple(map(_accuracy, message.by_label)),
        by_prediction=tuple(map(_accuracy, message.by_prediction)),
    )


def _class(message: evaluation_pb2.ClassEvaluation) -> figures.ClassEvaluation:
    return figures.ClassEvaluation(
        label=message.label,
        name=message.name,
        support=message.support,
        recall=message.recall if message.support else NAN,
        predicted=message.predicted,
        precision=message.precision if message.predicted else NAN,
        recall_interval=_interval(message.recall_interval),
        precision_interval=_interval(message.precision_interval),
    )


def _part(message: evaluation_pb2.PartEvaluation) -> figures.PartEvaluation:
    return figures.PartEvaluation(
        accuracy=_accuracy(message.accuracy),
        balanced_accuracy=message.balanced_accuracy if message.accuracy.n else NAN,
        balanced_interval=_interval(message.balanced_interval),
        regions=tuple(map(_region, message.regions)),
    )


def _probability(message: evaluation_pb2.ProbabilityEvaluation) -> figures.ProbabilityEvaluation:
    return figures.ProbabilityEvaluation(
        kind=message.kind,
        n=message.n,
        calibration_error=message.calibration_error,
        brier=message.brier,
        bins=tuple(
            figures.ProbabilityBin(each.lower, each.upper, each.mean_probability, _accuracy(each.accuracy))
            for each in message.bins
        ),
    )


def _sets(message: evaluation_pb2.PredictionSetEvaluation) -> figures.PredictionSetEvaluation:
    return figures.PredictionSetEvaluation(
        promised=message.promised,
        coverage=_accuracy(message.coverage),
        by_label=tuple(map(_accuracy, message.by_label)),
        mean_size=message.mean_size,
        single_count=message.single_count,
        full_count=message.full_count,
    )


def evaluation(message: evaluation_pb2.EvaluateResponse) -> figures.Evaluation:
    return figures.Evaluation(
        split=message.split,
        classifier=message.classifier,
        n=message.n,
        correct=message.correct,
        accuracy=message.accuracy if message.n else NAN,
        interval=_interval(message.interval),
        balanced_accuracy=message.balanced_accuracy if message.n else NAN,
        balanced_interval=_interval(message.balanced_interval),
        confusion=tuple(tuple(row.counts) for row in message.confusion),
        classes=tuple(map(_class, message.classes)),
        regions=tuple(map(_region, message.regions)),
        rejections=tuple(
            figures.RejectionEvaluation(each.reason, _accuracy(each.accuracy)) for each in message.rejections
        ),
        probability=_probability(message.probability) if message.HasField("probability") else None,
        prediction_sets=_sets(message.prediction_sets) if message.HasField("prediction_sets") else None,
        ensemble_size=message.ensemble_size,
        ensemble_regions=tuple(map(_region, message.ensemble_regions)),
        support_count=message.support_count,
        calibration_count=message.calibration_count,
        unseen_count=message.unseen_count,
        unlabelled_count=message.unlabelled_count,
        out_of_distribution_count=message.out_of_distribution_count,
        out_of_distribution_admitted=message.out_of_distribution_admitted,
        out_of_distribution_interval=_interval(message.out_of_distribution_interval),
        duplicate_count=message.duplicate_count,
        accuracy_without_duplicates=message.accuracy_without_duplicates,
        support=_part(message.support),
        calibration=_part(message.calibration),
        without_duplicates=_part(message.without_duplicates),
        used_before_count=message.used_before_count,
        used_before=_part(message.used_before),
        not_scored_count=message.not_scored_count,
        stale=message.stale,
    )


def _compared(message: classifiers_pb2.ComparedClassifier, n: int) -> versions.ComparedClassifier:
    return versions.ComparedClassifier(
        name=message.name,
        correct=message.correct,
        accuracy=message.accuracy if n else NAN,
        interval=_interval(message.interval),
        balanced_accuracy=message.balanced_accuracy if n else NAN,
        regions=tuple(_region(each) for each in message.regions),
        out_of_distribution_admitted=message.out_of_distribution_admitted,
        origin=message.origin,
        parent=message.parent,
    )


def comparison(message: classifiers_pb2.CompareClassifiersResponse) -> versions.Comparison:
    return versions.Comparison(
        split=message.split,
        n=message.n,
        first=_compared(message.first, message.n),
        second=_compared(message.second, message.n),
        agreed=message.agreed,
        only_first_correct=message.only_first_correct,
        only_second_correct=message.only_second_correct,
        out_of_distribution_count=message.out_of_distribution_count,
        left_out_count=message.left_out_count,
    )


def _share(message: evaluation_pb2.Share) -> figures.Share:
    share = message.share if message.n else NAN
    return figures.Share(n=message.n, count=message.count, share=share, interval=_interval(message.interval))


def _quantity(message: evaluation_pb2.DriftQuantity) -> figures.DriftQuantity:
    return figures.DriftQuantity(
        name=message.name,
        calibration_median=message.calibration_median,
        median=message.median,
        difference=message.difference,
        difference_at=message.difference_at,
        p_value=message.p_value,
        p_value_adjusted=message.p_value_adjusted,
        effect=message.effect,
    )


def drift(message: evaluation_pb2.MeasureDriftResponse) -> figures.DriftReport:
    return figures.DriftReport(
        split=message.split,
        classifier=message.classifier,
        n=message.n,
        calibration_count=message.calibration_count,
        verdict=_VERDICTS[message.verdict],
        summary=message.summary,
        advice=message.advice,
        quantities=tuple(_quantity(each) for each in message.quantities),
        difference_detectable=message.difference_detectable,
        admission=tuple(
            figures.DriftAdmission(each.alpha, _share(each.calibration), _share(each.arriving))
            for each in message.admission
        ),
        calibration_zero_similarity=_share(message.calibration_zero_similarity),
        zero_similarity=_share(message.zero_similarity),
        calibration_class_shares=tuple(message.calibration_class_shares),
        class_shares=tuple(message.class_shares),
        added_since_calibration=message.added_since_calibration,
        not_scored_count=message.not_scored_count,
        stale=message.stale,
    )
