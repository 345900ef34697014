"""Messages of `reex.v1` to the records of `reex.types` and `reex.status`. Figures: `convert_figures`."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from reex import status, types, versions
from reex.v1 import (
    classifiers_pb2,
    documents_pb2,
    jobs_pb2,
    predictions_pb2,
    projects_pb2,
    search_pb2,
    server_pb2,
)

_JOB_STATES = {
    jobs_pb2.JOB_STATE_QUEUED: types.JobState.QUEUED,
    jobs_pb2.JOB_STATE_RUNNING: types.JobState.RUNNING,
    jobs_pb2.JOB_STATE_SUCCEEDED: types.JobState.SUCCEEDED,
    jobs_pb2.JOB_STATE_FAILED: types.JobState.FAILED,
    jobs_pb2.JOB_STATE_CANCELLED: types.JobState.CANCELLED,
}


def time(stamp: Timestamp) -> datetime | None:
    """None for a time that was never set."""
    return stamp.ToDatetime(UTC) if stamp.seconds or stamp.nanos else None


def server_info(message: server_pb2.GetServerInfoResponse) -> status.ServerInfo:
    return status.ServerInfo(
        version=message.version,
        pid=message.pid,
        start_time=time(message.start_time),
        document_size_max_bytes=message.document_size_max_bytes,
        field_size_max_bytes=message.field_size_max_bytes,
        attributes_max=message.attributes_max,
        chunk_size_max_bytes=message.chunk_size_max_bytes,
        chunk_documents_max=message.chunk_documents_max,
        home=message.home,
        models_folder=message.models_folder,
    )


def project(message: projects_pb2.Project) -> types.Project:
    return types.Project(
        name=message.name,
        classes=tuple(message.classes),
        model=message.model,
        pooling=message.pooling,
        document_prefix=message.document_prefix,
        query_prefix=message.query_prefix,
        prompt=message.prompt,
        alpha=message.alpha,
        attribute_count=message.attribute_count,
        create_time=time(message.create_time),
        live_version=message.live_version,
        document_count=message.document_count,
    )


def document(message: documents_pb2.Document) -> types.Document:
    return types.Document(
        id=message.id,
        label=message.label,
        text=message.text,
        split=message.split,
        prompt=message.prompt,
        info=message.info,
        group=message.group,
        attributes=tuple(message.attributes),
        extra_json=message.extra_json,
        revision=message.revision,
        update_time=time(message.update_time),
    )


def rejection(message: documents_pb2.Rejection) -> types.Rejection:
    return types.Rejection(line=message.line, field=message.field, reason=message.reason, id=message.id)


def document_deletion(message: documents_pb2.DeleteDocumentsResponse) -> types.DocumentDeletion:
    return types.DocumentDeletion(
        deleted=message.deleted,
        used_by_live=message.used_by_live,
        classifier=message.classifier,
        missing_ids=tuple(message.missing_ids),
    )


def document_edit(message: documents_pb2.EditDocumentsResponse) -> types.DocumentEdit:
    return types.DocumentEdit(
        changed=message.changed,
        unchanged=message.unchanged,
        used_by_live=message.used_by_live,
        classifier=message.classifier,
        missing_ids=tuple(message.missing_ids),
    )


def split_summary(message: documents_pb2.SplitSummary) -> types.SplitSummary:
    labels = tuple(
        types.LabelCount(label=each.label, name=each.name, count=each.count) for each in message.labels
    )
    return types.SplitSummary(split=message.split, documents=message.documents, labels=labels)


def job(message: jobs_pb2.Job) -> types.Job:
    return types.Job(
        name=message.name,
        kind=message.kind,
        project=message.project,
        state=_JOB_STATES.get(message.state, types.JobState.QUEUED),
        phase=message.phase,
        done=message.done,
        total=message.total,
        rate=message.rate,
        eta_s=message.eta_s,
        message=message.message,
        create_time=time(message.create_time),
        update_time=time(message.update_time),
        end_time=time(message.end_time),
        attempts=message.attempts,
        error_reason=message.error.reason,
        error=message.error.message,
        result_json=message.result_json,
    )


def prediction(message: predictions_pb2.Prediction) -> types.Prediction:
    neighbors = tuple(
        types.Neighbor(
            id=each.id, label=each.label, prediction=each.prediction, distance=each.distance, text=each.text
        )
        for each in message.neighbors
    )
    return types.Prediction(
        id=message.id,
        label=message.label,
        prediction=message.prediction,
        prediction_name=message.prediction_name,
        probabilities=tuple(message.probabilities),
        logits=tuple(message.logits),
        sdm=tuple(message.sdm),
        q=message.q,
        d0=message.d0,
        d=message.d,
        q_prime=message.q_prime,
        region_alpha=message.region_alpha,
        lower_region_alpha=message.lower_region_alpha,
        lower_d=message.lower_d,
        lower_q_prime=message.lower_q_prime,
        effective_sample_sizes=tuple(message.effective_sample_sizes),
        reliability=message.reliability,
        reason=message.reason,
        neighbors=neighbors,
        classifier=message.classifier,
        stale=message.stale,
        windows=message.windows,
        role=message.role,
        text=message.text,
        probability=message.probability if message.HasField("probability") else None,
        probability_lower=message.probability_lower if message.HasField("probability_lower") else None,
        probability_upper=message.probability_upper if message.HasField("probability_upper") else None,
        probability_documents=message.probability_documents,
        prediction_set=tuple(message.prediction_set),
        prediction_set_uncalibrated=tuple(message.prediction_set_uncalibrated),
        coverage=message.coverage,
        ensemble=_ensemble(message.ensemble) if message.HasField("ensemble") else None,
    )


def _ensemble(message: predictions_pb2.Ensemble) -> types.Ensemble:
    return types.Ensemble(size=message.size, agreed=message.agreed, region_alpha=message.region_alpha)


def search_results(message: search_pb2.SearchResponse) -> types.SearchResults:
    results = tuple(
        types.SearchResult(
            id=each.id,
            split=each.split,
            label=each.label,
            label_name=each.label_name,
            similarity=each.similarity if each.HasField("similarity") else None,
            text=each.text,
            keyword_score=each.keyword_score if each.HasField("keyword_score") else None,
        )
        for each in message.results
    )
    return types.SearchResults(results=results, searched=message.searched, not_embedded=message.not_embedded)


def _engine(message: server_pb2.EngineStatus) -> status.EngineStatus:
    workers = tuple(
        status.WorkerStatus(
            pid=each.pid, state=each.state, restarts=each.restarts, memory_bytes=each.memory_bytes
        )
        for each in message.workers
    )
    return status.EngineStatus(
        backend=message.backend,
        blas=message.blas,
        blas_fast=message.blas_fast,
        workers=workers,
        models_loaded=tuple(message.models_loaded),
        models=tuple(
            status.LoadedModel(name=each.name, size_bytes=each.size_bytes, idle_s=each.idle_s)
            for each in message.models
        ),
    )


def classifier(message: classifiers_pb2.ClassifierSummary) -> versions.ClassifierSummary:
    regions = tuple(
        versions.RegionSummary(
            alpha=each.alpha, q_prime_min=each.q_prime_min, thresholds=tuple(each.thresholds)
        )
        for each in message.regions
    )
    return versions.ClassifierSummary(
        name=message.name,
        live=message.live,
        origin=message.origin,
        parent=message.parent,
        create_time=time(message.create_time),
        model=message.model,
        pooling=message.pooling,
        document_prefix=message.document_prefix,
        attribute_count=message.attribute_count,
        support_count=message.support_count,
        calibration_count=message.calibration_count,
        added_since_calibration=message.added_since_calibration,
        ensemble_size=message.ensemble_size,
        tuned=message.tuned,
        official=message.official,
        regions=regions,
        stale=message.stale,
        unused_count=message.unused_count,
        warnings=tuple(message.warnings),
        training_json=message.training_json,
    )


def undone(message: classifiers_pb2.UndoAddToSupportResponse) -> versions.Undone:
    return versions.Undone(
        classifier=classifier(message.classifier),
        restored_count=message.restored_count,
        kept_ids=tuple(message.kept_ids),
    )


def _project_status(message: server_pb2.ProjectStatus) -> status.ProjectStatus:
    return status.ProjectStatus(
        project=project(message.project),
        splits=tuple(split_summary(each) for each in message.splits),
        classifier=classifier(message.classifier) if message.HasField("classifier") else None,
        version_count=message.version_count,
        embedded_count=message.embedded_count,
        store_size_bytes=message.store_size_bytes,
        problem=message.problem,
    )


def daemon_status(message: server_pb2.GetStatusResponse) -> status.Status:
    return status.Status(
        engine=_engine(message.engine),
        projects=tuple(_project_status(each) for each in message.projects),
        jobs=tuple(job(each) for each in message.jobs),
        warnings=tuple(message.warnings),
    )
