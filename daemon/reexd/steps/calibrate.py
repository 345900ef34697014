"""Calibrate: from a fit to an immutable version. Builds F_c, G_c and the regions; writes and switches in one go."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from reexd import sdm
from reexd.engine.adaptor.settings import FitSettings
from reexd.records import Classifier, ClassifierArrays, Member, Project, Role
from reexd.steps import ensemble, spread
from reexd.steps.certify import certified_together
from reexd.steps.confidence import confidence_report, with_confidence
from reexd.steps.derive import LASTING
from reexd.steps.fit import Fitted
from reexd.steps.pool import Pool
from reexd.store import classifiers
from reexd.store.environment import Environment, Txn
from reexd.store.spaces import Space


class Calibrate:
    def run(
        self,
        project: Project,
        environment: Environment,
        space: Space,
        pool: Pool,
        settings: FitSettings,
        fitted: Fitted,
        job: str,
        durations: Mapping[str, float],
        close: Callable[[Txn], None],
        *,
        together: bool = False,
        warnings: Sequence[str] = (),
    ) -> Classifier:
        """Write the next version and make it live; it names why rungs are missing in its training record.

        `together`: with the other shuffles as members of its ensemble. `close` ends what the job kept, in the same
        transaction: a crash leaves either all of it or a version. `warnings` are of the data: no calibration answers
        them.
        """
        started = time.monotonic()
        found = calibrations(fitted, pool.documents, len(project.classes), settings)
        calibration = found[fitted.number]
        durations = {**durations, "calibrate_s": time.monotonic() - started}
        report = {
            "job": job,
            **_report(project, pool, settings, fitted, calibration, durations, warnings),
            **spread.report(fitted.outcomes, found, fitted.number),
            "ensemble_size": len(fitted.outcomes) if together else 0,
        }
        others = [
            (pool.documents[fitted.shuffle(each).calibration], calibrated.rows)
            for each, calibrated in enumerate(found)
            if each != fitted.number
        ]
        arrays = with_confidence(_arrays(pool, fitted, calibration), others)
        report |= confidence_report(arrays, project.classes)

        def work(txn: Txn) -> Classifier:
            record = Classifier(
                version=classifiers.next_version(txn),
                classes=project.classes,
                model=project.model,
                fingerprint=space.fingerprint,
                space=space.number,
                prompt=project.prompt,
                hidden_size=space.dimension,
                attribute_count=pool.attributes.shape[1],
                exemplar_size=settings.exemplar_size,
                mean=float(fitted.outcome.facts["mean"]),
                standard_deviation=float(fitted.outcome.facts["standard_deviation"]),
                neighbors_max=settings.neighbors_max,
                regions=calibration.regions,
                training_json=json.dumps(report),
                created_at=time.time(),
                pooling=project.pooling,
                document_prefix=project.document_prefix,
            )
            members = _members(pool, fitted, found, record) if together else ()
            classifiers.put(txn, record, arrays, members)
            classifiers.set_live(txn, record.version)
            close(txn)
            return record

        return environment.write(work)


def _members(
    pool: Pool, fitted: Fitted, calibrations: Sequence[sdm.Calibration], record: Classifier
) -> list[Member]:
    """The other shuffles, each with its own normalisation, support and calibration, in their order."""
    found = []
    for number, calibration in enumerate(calibrations):
        if number == fitted.number:
            continue
        own = fitted.shuffle(number)
        facts = own.outcome.facts
        changed = replace(
            record,
            mean=float(facts["mean"]),
            standard_deviation=float(facts["standard_deviation"]),
            regions=calibration.regions,
        )
        found.append(ensemble.member(changed, _arrays(pool, own, calibration)))
    return found


def calibrations(
    fitted: Fitted, documents: np.ndarray, class_count: int, settings: FitSettings
) -> list[sdm.Calibration]:
    """The calibration products of each shuffle (sdm.md 8), under rungs that all certify together; by the article's rule
    each has its own. `documents` (n,) are the pool's."""
    shuffles = [fitted.shuffle(each) for each in range(len(fitted.outcomes))]
    alone = [_calibrated(each, class_count, settings) for each in shuffles]
    numbers = [documents[each.calibration] for each in shuffles]
    return certified_together(alone, numbers, first=fitted.number)


def _calibrated(fitted: Fitted, class_count: int, settings: FitSettings) -> sdm.Calibration:
    found = fitted.outcome.arrays
    return sdm.calibrate(
        found["calibration_labels"],
        found["calibration_logits"],
        found["calibration_q"],
        found["calibration_d0"],
        class_count,
        pooled_classes_min=settings.pooled_classes_min,
        certified=settings.certified,
    )


def calibration_table(calibration: sdm.Calibration) -> np.ndarray:
    """(n, 5 + 2C) float32: the columns that ClassifierArrays names."""
    rows = calibration.rows
    assert rows is not None
    return np.column_stack(
        [rows.predictions, rows.q, rows.d0, rows.d, rows.q_prime, rows.sdm, rows.logits]
    ).astype(np.float32)


def calibration_report(calibration: sdm.Calibration, classes: Sequence[str]) -> dict:
    """The part of a training record that tells of the calibration."""
    rows = calibration.rows
    assert rows is not None
    assigned = sdm.region_alphas(rows.q_prime, rows.sdm, rows.predictions, calibration.regions)
    alphas = [region.alpha for region in calibration.regions]
    none = [()] * len(alphas)
    certificates = none if calibration.witnesses is None else sdm.certificates(calibration)
    rungs = sdm.admission(rows.predictions, rows.labels, assigned, alphas, calibration.class_count)
    return {
        "regions": [
            {
                "alpha": region.alpha,
                "q_prime_min": region.q_prime_min,
                "thresholds": list(region.thresholds),
                "classes": _verdicts(certificate, classes),
                "calibration_admitted": rung.admitted,
                "calibration_share": rung.share,
                "calibration_share_interval": rung.share_interval,
                "calibration_accuracy": rung.accuracy.marginal.accuracy,
                "calibration_interval": rung.accuracy.marginal.interval,
                "by_label": spread.accuracies(rung.accuracy.by_label),
                "by_prediction": spread.accuracies(rung.accuracy.by_prediction),
            }
            for region, rung, certificate in zip(calibration.regions, rungs, certificates, strict=True)
        ],
        "calibration": _whole(rows, calibration.class_count),
        "pooled_classes": [classes[label] for label in calibration.pooled_classes],
        "warnings": sdm.explain_regions(calibration, classes),
    }


def _whole(rows: sdm.CalibrationRows, class_count: int) -> dict:
    """Accuracy on the calibration rows, which chose the epoch, the shuffle and the thresholds: optimistic."""
    found = sdm.conditional_accuracy(
        rows.predictions, rows.labels, np.ones(rows.labels.size, bool), class_count
    )
    return {
        "n": found.marginal.count,
        "correct": found.marginal.correct,
        "accuracy": found.marginal.accuracy,
        "interval": found.marginal.interval,
        "balanced_accuracy": found.balanced(),
        "balanced_interval": found.balanced_interval(),
        "by_label": spread.accuracies(found.by_label),
        "by_prediction": spread.accuracies(found.by_prediction),
    }


def _verdicts(certificate: Sequence[sdm.Verdict], classes: Sequence[str]) -> dict[str, dict]:
    """What each class shows at a rung that may leave classes out; `lack` says why it is left out."""
    return {
        classes[each.label]: {
            "lack": each.lack.value if each.lack else None,
            "candidates": round(each.candidates, 2),
            "reaching": round(each.reaching, 2),
            "admitted": round(each.admitted, 2),
            "wrong": round(each.wrong, 2),
            "expected_coverage": round(each.coverage, 4),
        }
        for each in certificate
    }


def _arrays(pool: Pool, fitted: Fitted, calibration: sdm.Calibration) -> ClassifierArrays:
    found = fitted.outcome.arrays
    training, held = fitted.training, fitted.calibration
    roles = np.full(len(pool.documents), Role.CALIBRATION, np.uint8)
    roles[training] = Role.SUPPORT
    order = np.argsort(pool.documents)  # ascending, so that a document's role is found by bisection
    return ClassifierArrays(
        projection_weight=found["projection_weight"],
        projection_bias=found["projection_bias"],
        classifier_weight=found["classifier_weight"],
        classifier_bias=found["classifier_bias"],
        support_rows=pool.rows[training],
        support_documents=pool.documents[training],
        support_labels=pool.labels[training].astype(np.int32),
        support_predictions=found["support_predictions"].astype(np.int32),
        support_attributes=pool.attributes[training],
        calibration_documents=pool.documents[held],
        calibration_table=calibration_table(calibration),
        calibration_labels=pool.labels[held].astype(np.int32),
        distance_cdfs=calibration.distance_cdfs,
        q_prime_cdfs=calibration.q_prime_cdfs,
        pool_documents=pool.documents[order],
        pool_revisions=pool.revisions[order],
        pool_labels=pool.labels[order].astype(np.int32),
        pool_roles=roles[order],
        pool_rows=pool.rows[order],
        **pool.before.arrays(),
    )


def _report(
    project: Project,
    pool: Pool,
    settings: FitSettings,
    fitted: Fitted,
    calibration: sdm.Calibration,
    durations: Mapping[str, float],
    warnings: Sequence[str],
) -> dict:
    """The training record: what was used, what was chosen, how it went, and what is missing."""
    facts = fitted.outcome.facts
    training, held = fitted.training, fitted.calibration
    class_count = len(project.classes)
    report = {
        "documents": len(pool.documents),
        "twins": fitted.twins,
        "left_out": pool.left_out,
        "used_before": len(pool.before),
        "support_rows": np.bincount(pool.labels[training], minlength=class_count).tolist(),
        "calibration_rows": np.bincount(pool.labels[held], minlength=class_count).tolist(),
        "settings": settings.to_dict(),
        "shuffle_losses": fitted.losses,
        "shuffle": fitted.number + 1,
        "best_epoch": facts["best_epoch"],
        "best_loss": facts["best_loss"],
        "stopped_early": facts["stopped_early"],
        "history": facts["history"],
        **calibration_report(calibration, project.classes),
        "weights_sha256": _weights_digest(fitted),
        "durations": {name: round(seconds, 3) for name, seconds in durations.items()},
    }
    if pool.sides is not None:
        report["tuning"] = pool.sides.report
    if pool.continued is not None:
        report |= pool.continued.report(held, kept=settings.stratified)
        warnings = [*pool.continued.warnings(held), *warnings]
    if warnings:
        report[LASTING] = list(warnings)
        report["warnings"] = report[LASTING] + report["warnings"]
    return report


def _weights_digest(fitted: Fitted) -> str:
    return sdm.AdaptorWeights.among(fitted.outcome.arrays).digest()
