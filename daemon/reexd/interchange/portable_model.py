"""A trained model as other tools see it, without a store: everything a `.sdmkitmodel` says.

Owns: the record and the classifier's way to and from it. Must not know how it is written.

Support. Our store keeps the support as rows of hidden states and derives exemplars h' = W x + b; a portable model has
the exemplars alone. Each of them came from some x, and matching sees x only through W, so any x with W x + b = h' is
as good as the first: `hidden_states` solves for the shortest one. An imported model is then a classifier like any
other, with rows of its own, and neither store nor engine need to know where it came from. Exemplars that no x reaches
(another network made them) are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from reexd.errors import InvalidInput
from reexd.interchange.portable_regions import (
    LEFT_OUT,
    RESOLUTION,
    left_out,
    reachable,
    resolution,
    restored,
)
from reexd.interchange.strict_json import identity
from reexd.records import OUT_OF_DISTRIBUTION, Classifier, ClassifierArrays
from reexd.sdm import Q_OFFSET, AdaptorWeights, Calibration, CalibrationRows, Normalization

_ROWS_AT_ONCE = 4_096
UNREACHED_MAX = 1e-5  # |W x + b - h'| as a share of the support's radius; float32 rounding leaves 1e-6

METADATA = "reex"  # our own key in a manifest's metadata


@dataclass(frozen=True, slots=True)
class Representation:
    """What made the hidden states. `fingerprint` decides whether two sets of them may meet."""

    fingerprint: str
    provider: str = "reex"
    model: str = ""
    revision: str = ""
    input_template: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class PortableModel:
    """D features, M exemplar components, C classes, N support rows."""

    model_id: str
    created_at: float
    producer: tuple[str, str]  # name, version
    classes: tuple[str, ...]
    representation: Representation
    weights: AdaptorWeights
    normalization: Normalization
    neighbors_max: int
    alpha_resolution: float
    exemplars: np.ndarray  # (N, M) float32
    support_ids: tuple[str, ...]
    support_labels: np.ndarray  # (N,) int32, a class or -99
    support_predictions: np.ndarray  # (N,) int32
    support_texts: tuple[str | None, ...]
    calibration: Calibration  # `rows` is None when the file brings none, or without q, d0, d and logits
    calibration_ids: tuple[str, ...] = ()  # one per calibration row
    metadata: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class ImportedClassifier:
    """A classifier made of a portable model, for the step that stores it.

    `arrays.support_rows` are places in `vectors` until that step puts those into a space; support and calibration
    documents are -1, for the project holds none of them, and the pool is empty.
    """

    record: Classifier
    arrays: ClassifierArrays
    vectors: (
        np.ndarray
    )  # (N, D) float32: hidden states (with attributes) that give the support, not normalised
    support_ids: tuple[str, ...]
    support_texts: tuple[str | None, ...]
    calibration_ids: tuple[str, ...]  # empty when the model brings no calibration rows


def exemplars(weights: AdaptorWeights, normalization: Normalization, vectors: np.ndarray) -> np.ndarray:
    """h' = W x + b of hidden states (n, D), not normalised: (n, M) float32. ValueError when one is not finite."""
    x = normalization.apply(vectors)
    return x @ weights.projection_weight.T + weights.projection_bias


def hidden_states(model: PortableModel) -> np.ndarray:
    """The shortest hidden states whose exemplars are the model's: (N, D) float32. Raises InvalidInput.

    W x = h' - b by least squares in float64: exact where M >= D and W has full rank, for a row x there was; the
    shortest of many where M < D.
    """
    weight = model.weights.projection_weight.astype(np.float64)  # (M, D)
    inverse = np.linalg.pinv(weight, rcond=max(weight.shape) * np.finfo(np.float64).eps).T  # (M, D)
    mean, deviation = model.normalization.mean, model.normalization.standard_deviation
    count = len(model.exemplars)
    vectors, unreached = np.empty((count, weight.shape[1]), np.float32), np.empty(count)
    radius = 0.0
    for start in range(0, count, _ROWS_AT_ONCE):  # in float64 all of them may be gigabytes
        rows = slice(start, start + _ROWS_AT_ONCE)
        shifted = model.exemplars[rows].astype(np.float64) - model.weights.projection_bias
        with np.errstate(over="ignore"):
            vectors[rows] = shifted @ inverse * deviation + mean
        if not np.isfinite(vectors[rows]).all():
            raise InvalidInput(
                "expected exemplars that hidden states can reach; received ones beyond Float32"
            )
        reached = exemplars(model.weights, model.normalization, vectors[rows])
        unreached[rows] = np.linalg.norm(reached - model.exemplars[rows], axis=1)
        radius = max(radius, float(np.linalg.norm(shifted, axis=1).max()))
    if radius > 0.0 and unreached.max() > UNREACHED_MAX * radius:
        worst = int(unreached.argmax())
        raise InvalidInput(
            "expected exemplars that are W x + b of some hidden state x; received at support row"
            f" {worst} ({model.support_ids[worst]!r}) one that is {unreached[worst]:.3g} away from any;"
            " weights and support belong to different trainings, export the model again"
        )
    return vectors


def from_classifier(
    record: Classifier,
    arrays: ClassifierArrays,
    exemplars: np.ndarray,
    *,
    model_id: str,
    producer_version: str,
    support_ids: Sequence[str],
    calibration_ids: Sequence[str],
    support_texts: Sequence[str | None] | None = None,
) -> PortableModel:
    """A version as a portable model. exemplars (N, M) float32 as `exemplars` derives them from the support.

    An empty id is a document that was deleted since; it is named after its number. A support row of a class that the
    version does not know (one that was appended since and added to its support) is never good, like one of no class:
    that is what it becomes. Raises InvalidInput when rows and ids do not go together.
    """
    count = len(arrays.support_labels)
    texts = tuple(support_texts) if support_texts is not None else (None,) * count
    if not len(exemplars) == len(support_ids) == len(texts) == count:
        raise InvalidInput(
            f"expected {count} exemplars, ids and texts, one per support row; received"
            f" {len(exemplars)}, {len(support_ids)} and {len(texts)}"
        )
    if len(calibration_ids) != len(arrays.calibration_labels):
        raise InvalidInput(
            f"expected {len(arrays.calibration_labels)} calibration ids; received {len(calibration_ids)}"
        )
    rows = calibration_rows(arrays.calibration_table, arrays.calibration_labels, len(record.classes))
    calibration = Calibration(arrays.distance_cdfs, arrays.q_prime_cdfs, reachable(record.regions), rows=rows)
    return PortableModel(
        model_id=model_id,
        created_at=record.created_at,
        producer=("reex", producer_version),
        classes=record.classes,
        representation=Representation(record.fingerprint, model=record.model, input_template=record.prompt),
        weights=AdaptorWeights(
            arrays.projection_weight, arrays.projection_bias, arrays.classifier_weight, arrays.classifier_bias
        ),
        normalization=Normalization(record.mean, record.standard_deviation),
        neighbors_max=record.neighbors_max,
        alpha_resolution=resolution(record),
        exemplars=exemplars,
        support_ids=_named(support_ids, arrays.support_documents),
        support_labels=np.where(
            arrays.support_labels < len(record.classes), arrays.support_labels, OUT_OF_DISTRIBUTION
        ).astype(np.int32),
        support_predictions=arrays.support_predictions,
        support_texts=texts,
        calibration=calibration,
        calibration_ids=_named(calibration_ids, arrays.calibration_documents),
        metadata={
            METADATA: {
                "version": record.name,
                "model": record.model,
                "prompt": record.prompt,
                "hiddenSize": record.hidden_size,
                "attributeCount": record.attribute_count,
                LEFT_OUT: left_out(record.regions),
                "training": json.loads(record.training_json or "{}"),
            }
        },
    )


def to_classifier(
    model: PortableModel,
    *,
    version: int,
    space: int,
    model_name: str,
    prompt: str = "",
    attribute_count: int = 0,
) -> ImportedClassifier:
    """A portable model as a version of a project whose model, prompt and attributes are these.

    The caller has found that the fingerprint is that of `space`, or that the user says so. Raises InvalidInput for
    what this estimator scores differently, and as `hidden_states` does.
    """
    calibration = model.calibration
    if calibration.q_offset != Q_OFFSET or calibration.ood_limit != 0:
        raise InvalidInput(
            f"expected qOffset {Q_OFFSET} and oodLimit 0, with which versions are scored here; received"
            f" {calibration.q_offset} and {calibration.ood_limit}; train the model again with these"
        )
    feature_count = model.weights.projection_weight.shape[1]
    if not 0 <= attribute_count < feature_count:
        raise InvalidInput(
            f"expected fewer attributes than the model's {feature_count} features; received {attribute_count}"
        )
    vectors = hidden_states(model)
    count, class_count = len(model.support_ids), len(model.classes)
    record = Classifier(
        version=version,
        classes=model.classes,
        model=model_name,
        fingerprint=model.representation.fingerprint,
        space=space,
        prompt=prompt,
        hidden_size=feature_count - attribute_count,
        attribute_count=attribute_count,
        exemplar_size=model.weights.projection_weight.shape[0],
        mean=model.normalization.mean,
        standard_deviation=model.normalization.standard_deviation,
        neighbors_max=model.neighbors_max,
        regions=restored(calibration.regions, model.metadata.get(METADATA)),
        training_json=json.dumps(
            {
                "imported": {"model_id": model.model_id, "producer": " ".join(model.producer)},
                RESOLUTION: model.alpha_resolution,
            }
        ),
        created_at=model.created_at,
    )
    rows = calibration.rows
    calibration_count = 0 if rows is None else len(rows.labels)
    none = np.empty(0, np.int64)
    arrays = ClassifierArrays(
        *model.weights.arrays(),
        support_rows=np.arange(count),
        support_documents=np.full(count, -1, np.int64),
        support_labels=model.support_labels,
        support_predictions=model.support_predictions,
        support_attributes=vectors[:, feature_count - attribute_count :],
        calibration_documents=np.full(calibration_count, -1, np.int64),
        calibration_table=_table(rows, class_count),
        calibration_labels=np.empty(0, np.int32) if rows is None else rows.labels.astype(np.int32),
        distance_cdfs=calibration.distance_cdfs,
        q_prime_cdfs=calibration.q_prime_cdfs,
        pool_documents=none,
        pool_revisions=none,
        pool_labels=none.astype(np.int32),
        pool_roles=none.astype(np.uint8),
    )
    return ImportedClassifier(
        record, arrays, vectors, model.support_ids, model.support_texts, model.calibration_ids
    )


def calibration_rows(table: np.ndarray, labels: np.ndarray, class_count: int) -> CalibrationRows | None:
    """The columns of `ClassifierArrays.calibration_table` by name; None when it has no row."""
    if len(labels) == 0:
        return None
    return CalibrationRows(
        labels=np.asarray(labels, np.int64),
        predictions=table[:, 0].astype(np.int64),
        logits=table[:, 5 + class_count :],
        q=table[:, 1].astype(np.int32),
        d0=table[:, 2],
        d=table[:, 3],
        sdm=table[:, 5 : 5 + class_count],
        q_prime=table[:, 4],
    )


def _table(rows: CalibrationRows | None, class_count: int) -> np.ndarray:
    if rows is None:
        return np.empty((0, 5 + 2 * class_count), np.float32)
    columns = [rows.predictions, rows.q, rows.d0, rows.d, rows.q_prime, rows.sdm, rows.logits]
    return np.column_stack(columns).astype(np.float32)


def _named(ids: Sequence[str], documents: np.ndarray) -> tuple[str, ...]:
    """Ids as the format wants them: none empty, none twice, canonically equivalent ones included."""
    names: list[str] = []
    seen: set[str] = set()
    for each, number in zip(ids, documents.tolist(), strict=True):
        name = each or f"(deleted) {number}"
        while identity(name) in seen:
            name = f"{name} ({number})"
        seen.add(identity(name))
        names.append(name)
    return tuple(names)
