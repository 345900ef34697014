"""Writes a small store of the current schema, to be kept as the asset of a release.

    python tests/stores/write.py tests/stores/v1

A released folder is never written again: tests/reexd/store/test_released_stores.py opens and uses each of them, which
proves the migrations. Every kind of record is in it. The description of what it holds is written beside it.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from reexd.records import (
    Classifier,
    ClassifierArrays,
    Document,
    JobState,
    Neighbor,
    Prediction,
    Project,
    Region,
    Role,
)
from reexd.store import (
    checkpoints,
    classifiers,
    documents,
    hidden_states,
    jobs,
    migrations,
    predictions,
    references,
    spaces,
    splits,
)
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Environment, Txn

PROJECT = "kept"
ROWS = 1030  # one sealed block and a tail
DIMENSION = 4
DOCUMENTS = 8
MAP_SIZE_BYTES = 64 << 20


def main() -> None:
    folder = Path(sys.argv[1])
    if folder.exists():
        raise SystemExit(f"{folder} exists, and a released store is never written again; name a new folder")
    with tempfile.TemporaryDirectory() as scratch:
        catalogue = Catalogue(Path(scratch), MAP_SIZE_BYTES)
        catalogue.create(Project(PROJECT, ("no", "yes"), prompt="Which?", attribute_count=2, created_at=1.0))
        job = catalogue.environment.write(lambda txn: jobs.create(txn, "train", PROJECT, "{}", now=1.0))
        catalogue.environment.write(lambda txn: jobs.change(txn, job.number, now=2.0, state=JobState.RUNNING))
        project = catalogue.open(PROJECT)
        project.write(write_project)
        for name, environment in (("catalogue", catalogue.environment), (f"projects/{PROJECT}", project)):
            copy(environment, folder / name)
        catalogue.close()
    description = {"schema_version": migrations.SCHEMA_VERSION, "project": PROJECT, "documents": DOCUMENTS}
    (folder / "store.json").write_text(json.dumps(description) + "\n")


def vectors() -> np.ndarray:
    return (np.arange(ROWS * DIMENSION, dtype=np.float32) / 8).reshape(ROWS, DIMENSION)


def write_project(txn: Txn) -> None:
    documents.upsert(
        txn,
        [
            Document(
                f"d{n}" if n else "d" * 300,
                f"text {n}",
                label=n % 2,
                split=("train", "calibration", "test", "other")[n % 4],
                info="info",
                group="group",
                attributes=(n / 2, -1.0) if n % 2 else (),
                extra_json='{"source": "kept"}',
            )
            for n in range(DOCUMENTS)
        ],
        now=1.0,
    )
    documents.relabel(txn, 1, 0, now=2.0)
    space = spaces.find_or_create(txn, "fingerprint", DIMENSION)
    digests = [hidden_states.digest("fingerprint", "", f"text {n}") for n in range(ROWS)]
    rows = hidden_states.append(txn, space, digests, vectors(), windows=[1 + n % 2 for n in range(ROWS)])
    references.link(txn, space, np.arange(DOCUMENTS), rows[-DOCUMENTS:])
    version = classifiers.next_version(txn)
    classifiers.put(txn, classifier(version, space), arrays(txn, space))
    classifiers.set_live(txn, version)
    predictions.put_many(txn, [prediction(version, n) for n in range(DOCUMENTS)])
    checkpoints.put(txn, 1, '{"epoch": 3}', {"weight": vectors()[:2]})


def classifier(version: int, space: spaces.Space) -> Classifier:
    return Classifier(
        version=version,
        classes=("no", "yes"),
        model="minilm",
        fingerprint="fingerprint",
        space=space.number,
        prompt="Which?",
        hidden_size=DIMENSION,
        attribute_count=2,
        exemplar_size=3,
        mean=0.25,
        standard_deviation=1.5,
        neighbors_max=2048,
        regions=(Region(0.95, 3.5, (0.96, 0.97)),),
        training_json='{"seed": 1}',
        created_at=3.0,
    )


def arrays(txn: Txn, space: spaces.Space) -> ClassifierArrays:
    support, calibration = splits.members(txn, "train"), splits.members(txn, "calibration")
    numbers = np.concatenate([support.numbers, calibration.numbers])
    ones = np.ones(len(calibration.numbers), np.float32)
    return ClassifierArrays(
        projection_weight=np.full((3, DIMENSION + 2), 0.5, np.float32),
        projection_bias=np.zeros(3, np.float32),
        classifier_weight=np.full((2, 3), 0.25, np.float32),
        classifier_bias=np.zeros(2, np.float32),
        support_rows=references.rows(txn, space, support.numbers),
        support_documents=support.numbers,
        support_labels=support.labels,
        support_predictions=support.labels,
        support_attributes=np.zeros((len(support.numbers), 2), np.float32),
        calibration_documents=calibration.numbers,
        calibration_table=np.ones((len(calibration.numbers), 9), np.float32),
        calibration_labels=calibration.labels,
        distance_cdfs=(ones, ones),
        q_prime_cdfs=(ones, ones),
        pool_documents=numbers,
        pool_revisions=np.concatenate([support.revisions, calibration.revisions]),
        pool_labels=np.concatenate([support.labels, calibration.labels]),
        pool_roles=np.where(np.isin(numbers, support.numbers), Role.SUPPORT, Role.CALIBRATION).astype(
            np.uint8
        ),
    )


def prediction(version: int, document: int) -> Prediction:
    return Prediction(
        version=version,
        document=document,
        document_id="",
        label=0,
        prediction=document % 2,
        logits=(-1.5, 2.5),
        sdm=(0.125, 0.875),
        q=document,
        d0=0.5,
        d=0.75,
        q_prime=document / 2,
        region_alpha=0.95 if document > 3 else 0.0,
        lower_region_alpha=0.0,
        lower_d=0.25,
        lower_q_prime=0.5,
        effective_sample_sizes=(1, 2),
        reliability="high" if document > 3 else "low",
        reason="" if document > 3 else "no-calibrated-region",
        neighbors=(Neighbor(4, "", 0, 0, 0.5), Neighbor(1, "", 0, 1, 0.75)),
    )


def copy(environment: Environment, folder: Path) -> None:
    """Only the pages in use."""
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as compacted:
        environment.backup(Path(compacted))
        shutil.copyfile(Path(compacted) / "data.mdb", folder / "data.mdb")


if __name__ == "__main__":
    main()
