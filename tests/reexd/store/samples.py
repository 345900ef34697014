"""Small records for the tests of classifiers, predictions and staleness; plain functions of a transaction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from reexd.records import Classifier, ClassifierArrays, Document, Neighbor, Prediction, Region, Role
from reexd.store import classifiers, documents, hidden_states, references, spaces, splits
from reexd.store.environment import Txn

DIMENSION = 4
CLASSES = ("no", "yes")


def fill(txn: Txn, count: int = 12) -> spaces.Space:
    """Documents d0.. of alternating label, a third of them in calibration, each with its hidden state."""
    documents.upsert(
        txn,
        [
            Document(f"d{n}", f"text {n}", label=n % 2, split="calibration" if n % 3 == 0 else "train")
            for n in range(count)
        ],
    )
    space = spaces.find_or_create(txn, "f", DIMENSION)
    values = np.random.default_rng(0).standard_normal((count, DIMENSION)).astype(np.float32)
    digests = [hidden_states.digest("f", "", f"text {n}") for n in range(count)]
    references.link(txn, space, np.arange(count), hidden_states.append(txn, space, digests, values))
    return space


def classifier(version: int, space: int) -> Classifier:
    return Classifier(
        version=version,
        classes=CLASSES,
        model="minilm",
        fingerprint="f",
        space=space,
        prompt="",
        hidden_size=DIMENSION,
        attribute_count=0,
        exemplar_size=3,
        mean=0.25,
        standard_deviation=1.5,
        neighbors_max=2048,
        regions=(Region(0.95, 3.5, (0.96, 0.97)), Region(0.9, 2.0, (0.91, 0.92))),
        training_json='{"seed": 1}',
        created_at=1.0,
    )


def arrays(txn: Txn, space: spaces.Space) -> ClassifierArrays:
    """A version whose support is train and whose calibration is calibration, as the store holds them now."""
    support, calibration = splits.members(txn, "train"), splits.members(txn, "calibration")
    rng = np.random.default_rng(7)

    def real(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    return ClassifierArrays(
        projection_weight=real(3, DIMENSION),
        projection_bias=real(3),
        classifier_weight=real(2, 3),
        classifier_bias=real(2),
        support_rows=references.rows(txn, space, support.numbers),
        support_documents=support.numbers,
        support_labels=support.labels,
        support_predictions=support.labels,
        support_attributes=np.empty((len(support.numbers), 0), np.float32),
        calibration_documents=calibration.numbers,
        calibration_table=real(len(calibration.numbers), 9),
        calibration_labels=calibration.labels,
        distance_cdfs=(real(2), real(0)),
        q_prime_cdfs=(real(2), real(5)),
        pool_documents=np.concatenate([support.numbers, calibration.numbers]),
        pool_revisions=np.concatenate([support.revisions, calibration.revisions]),
        pool_labels=np.concatenate([support.labels, calibration.labels]),
        pool_roles=np.repeat(
            np.array([Role.SUPPORT, Role.CALIBRATION], np.uint8),
            [len(support.numbers), len(calibration.numbers)],
        ),
        pool_rows=references.rows(txn, space, np.concatenate([support.numbers, calibration.numbers])),
        before_documents=np.array([90, 91], np.int64),
        before_revisions=np.array([1, 3], np.int64),
        before_roles=np.array([Role.SUPPORT, Role.CALIBRATION], np.uint8),
        before_rows=np.array([7, -1], np.int64),
    )


def train(txn: Txn, space: spaces.Space, *, live: bool = True) -> int:
    version = classifiers.next_version(txn)
    classifiers.put(txn, classifier(version, space.number), arrays(txn, space))
    if live:
        classifiers.set_live(txn, version)
    return version


def prediction(version: int, document: int, **changes: object) -> Prediction:
    base = Prediction(
        version=version,
        document=document,
        document_id=f"d{document}",
        label=document % 2,
        prediction=1,
        logits=(-1.5, 2.5),
        sdm=(0.125, 0.875),
        q=7,
        d0=0.5,
        d=0.75,
        q_prime=6.5,
        region_alpha=0.95,
        lower_region_alpha=0.9,
        lower_d=0.25,
        lower_q_prime=3.0,
        effective_sample_sizes=(100, 200),
        reliability="highest",
        reason="",
        role=0,
        windows=2,
        neighbors=(Neighbor(3, "d3", 1, 1, 0.5, "text 3"), Neighbor(4, "d4", 0, 1, 0.75, "text 4")),
    )
    return replace(base, **changes)
