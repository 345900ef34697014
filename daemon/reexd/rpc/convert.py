"""Records to messages and back. Owns the shape of answers; decides nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp
from reex.v1 import documents_pb2, evaluation_pb2, jobs_pb2, predictions_pb2, projects_pb2

from reexd.records import OUT_OF_DISTRIBUTION, UNLABELLED, Document, Job, Prediction, Project, Rejection, Role
from reexd.steps.answers import TextInput

ROLES = {0: "", Role.SUPPORT: "support", Role.CALIBRATION: "calibration", Role.USED_BEFORE: "used-before"}


def timestamp(seconds: float) -> Timestamp | None:
    if seconds <= 0:
        return None
    message = Timestamp()
    message.FromNanoseconds(int(seconds * 1e9))
    return message


def label_name(label: int, classes: Sequence[str]) -> str:
    if label == UNLABELLED:
        return "unlabelled"
    if label == OUT_OF_DISTRIBUTION:
        return "out-of-distribution"
    return classes[label] if 0 <= label < len(classes) else str(label)


def project(record: Project, *, live_version: int = 0, document_count: int = 0) -> projects_pb2.Project:
    return projects_pb2.Project(
        name=record.name,
        classes=record.classes,
        model=record.model,
        pooling=record.pooling,
        document_prefix=record.document_prefix,
        query_prefix=record.query_prefix,
        prompt=record.prompt,
        alpha=record.alpha,
        attribute_count=record.attribute_count,
        create_time=timestamp(record.created_at),
        live_version=live_version,
        document_count=document_count,
    )


def document(record: Document) -> documents_pb2.Document:
    return documents_pb2.Document(
        id=record.id,
        text=record.text,
        label=record.label,
        split=record.split,
        prompt=record.prompt,
        info=record.info,
        group=record.group,
        attributes=record.attributes,
        extra_json=record.extra_json,
        update_time=timestamp(record.updated_at),
        revision=record.revision,
    )


def rejection(record: Rejection) -> documents_pb2.Rejection:
    return documents_pb2.Rejection(line=record.line, field=record.field, reason=record.reason, id=record.id)


def job(record: Job) -> jobs_pb2.Job:
    message = jobs_pb2.Job(
        name=record.name,
        kind=record.kind,
        project=record.project,
        state=int(record.state),
        phase=record.phase,
        done=record.done,
        total=record.total,
        rate=record.rate,
        eta_s=record.eta_s,
        message=record.message,
        create_time=timestamp(record.created_at),
        update_time=timestamp(record.updated_at),
        end_time=timestamp(record.ended_at),
        attempts=record.attempts,
    )
    if record.error:
        message.error.reason = record.error_reason
        message.error.message = record.error
    elif record.result_json:
        message.result_json = record.result_json
    return message


def softmax(logits: Sequence[float]) -> list[float]:
    top = max(logits)
    weights = [math.exp(value - top) for value in logits]
    total = sum(weights)
    return [weight / total for weight in weights]


def prediction(
    record: Prediction, classes: Sequence[str], *, stale: str = "", text: str = ""
) -> predictions_pb2.Prediction:
    return predictions_pb2.Prediction(
        id=record.document_id,
        label=record.label,
        prediction=record.prediction,
        prediction_name=label_name(record.prediction, classes),
        probabilities=softmax(record.logits),
        logits=record.logits,
        sdm=record.sdm,
        q=record.q,
        d0=record.d0,
        d=record.d,
        q_prime=record.q_prime,
        region_alpha=record.region_alpha,
        lower_region_alpha=record.lower_region_alpha,
        lower_d=record.lower_d,
        lower_q_prime=record.lower_q_prime,
        effective_sample_sizes=record.effective_sample_sizes,
        reliability=record.reliability,
        reason=record.reason,
        neighbors=[
            predictions_pb2.Neighbor(
                id=neighbor.document_id,
                label=neighbor.label,
                prediction=neighbor.prediction,
                distance=neighbor.distance,
                text=neighbor.text,
            )
            for neighbor in record.neighbors
        ],
        classifier=f"v{record.version}",
        stale=stale,
        windows=record.windows,
        role=ROLES[record.role],
        text=text,
        prediction_set=record.prediction_set,
        prediction_set_uncalibrated=record.prediction_set_uncalibrated,
        coverage=record.coverage,
        **_probability(record),
        ensemble=_ensemble(record),
    )


def _ensemble(record: Prediction) -> predictions_pb2.Ensemble | None:
    if not record.ensemble_size:
        return None
    return predictions_pb2.Ensemble(
        size=record.ensemble_size, agreed=record.ensemble_agreed, region_alpha=record.ensemble_region_alpha
    )


def _probability(record: Prediction) -> dict[str, float]:
    """Absent from the message where the version has no calibrated probability."""
    if record.probability is None:
        return {}
    return {
        "probability": record.probability,
        "probability_lower": record.probability_lower,
        "probability_upper": record.probability_upper,
        "probability_documents": record.probability_documents,
    }


def interval(bounds: tuple[float, float]) -> evaluation_pb2.Interval:
    return evaluation_pb2.Interval(lower=bounds[0], upper=bounds[1])


def text_input(message: predictions_pb2.Text) -> TextInput:
    return TextInput(
        id=message.id,
        text=message.text,
        attributes=tuple(message.attributes),
        prompt=message.prompt,
        label=message.label if message.HasField("label") else UNLABELLED,
    )
