"""Stores written by every released schema open and can be used. tests/stores/write.py wrote them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from reexd.records import Document, JobState, Outcome
from reexd.store import (
    attributes,
    checkpoints,
    classifiers,
    compaction,
    documents,
    hidden_states,
    jobs,
    migrations,
    predictions,
    references,
    spaces,
    splits,
    staleness,
)
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Environment
from reexd.store.keys import Index

STORES = Path(__file__).parents[2] / "stores"
RELEASED = sorted(folder.name for folder in STORES.iterdir() if (folder / "store.json").exists())
MAP_SIZE_BYTES = 64 << 20


@pytest.fixture(params=RELEASED)
def catalogue(request: pytest.FixtureRequest, tmp_path: Path):
    shutil.copytree(STORES / request.param, tmp_path / "home")
    opened = Catalogue(tmp_path / "home", MAP_SIZE_BYTES)
    yield opened
    opened.close()


@pytest.fixture
def project(catalogue: Catalogue) -> Environment:
    return catalogue.open("kept")


def test_there_is_a_store_of_every_schema() -> None:
    written = [json.loads((STORES / name / "store.json").read_text())["schema_version"] for name in RELEASED]
    assert written == list(range(1, migrations.SCHEMA_VERSION + 1))


def test_the_catalogue_is_read_and_continued(catalogue: Catalogue) -> None:
    kept = catalogue.get("kept")
    assert (kept.classes, kept.prompt, kept.attribute_count) == (("no", "yes"), "Which?", 2)
    with catalogue.environment.read() as txn:
        assert [(job.name, job.state) for job in jobs.unfinished(txn)] == [("train-1", JobState.RUNNING)]
    assert catalogue.environment.write(lambda txn: jobs.create(txn, "pull", "", "{}", now=9.0)).number == 2


def test_documents_are_read_and_replaced(project: Environment) -> None:
    with project.read() as txn:
        long_named, plain = documents.get(txn, "d" * 300), documents.get(txn, "d3")
        assert splits.summary(txn) == {
            "train": {0: 2},
            "calibration": {0: 1, 1: 1},
            "test": {0: 2},
            "other": {1: 2},
        }
        assert attributes.count(txn) == 2
    assert (long_named.number, long_named.text) == (0, "text 0")
    assert plain == Document(
        "d3",
        "text 3",
        label=1,
        split="other",
        info="info",
        group="group",
        attributes=(1.5, -1.0),
        extra_json='{"source": "kept"}',
        number=3,
        revision=1,
        updated_at=1.0,
    )
    batch = [plain, documents_with_person_label(project), Document("new", "text")]
    outcomes = project.write(lambda txn: documents.upsert(txn, batch)).outcomes
    assert outcomes == [Outcome.UNCHANGED, Outcome.UNCHANGED, Outcome.ADDED]
    with project.read() as txn:
        assert documents.get(txn, "new").number == 8


def documents_with_person_label(project: Environment) -> Document:
    """d1 as it was first uploaded: the label a person gave it since stays."""
    with project.read() as txn:
        found = documents.get(txn, "d1")
    assert found.label == 0
    return Document(
        "d1",
        found.text,
        label=1,
        split=found.split,
        info=found.info,
        group=found.group,
        attributes=found.attributes,
        extra_json=found.extra_json,
    )


def test_hidden_states_are_found_gathered_and_compacted(project: Environment) -> None:
    expected = (np.arange(1030 * 4, dtype=np.float32) / 8).reshape(1030, 4)
    with project.read() as txn:
        space = spaces.find(txn, "fingerprint")
        rows = references.rows(txn, space, np.arange(8))
        assert rows.tolist() == list(range(1022, 1030))
        np.testing.assert_array_equal(hidden_states.gather(txn, space, rows), expected[rows])
        digest = hidden_states.digest("fingerprint", "", "text 5")
        assert hidden_states.lookup(txn, space, [digest]).tolist() == [5]
        assert hidden_states.windows(txn, space, [0, 1]).tolist() == [1, 2]
    assert project.write(lambda txn: compaction.compact(txn, space)).rows_freed == 1022
    with project.read() as txn:
        np.testing.assert_array_equal(hidden_states.gather(txn, space, rows), expected[rows])


def test_the_classifier_and_its_predictions_are_used(project: Environment) -> None:
    with project.read() as txn:
        live = classifiers.live_classifier(txn, "released")
        arrays = classifiers.arrays(txn, live.version)
        assert (live.name, live.regions[0].thresholds) == ("v1", (0.96, 0.97))
        assert arrays.support_rows.tolist() == [1022, 1026] and arrays.projection_weight.shape == (3, 6)
        assert not len(arrays.probability_coefficients) and not len(arrays.evidence_table)
        assert not len(arrays.pool_rows) and not len(classifiers.array(txn, live.version, "before_documents"))
        assert predictions.get(txn, 1, 5).probability is None
        assert not staleness.of(txn, 1).stale
        assert predictions.select(txn, 1, within={Index.REGION_ALPHA: (0.9, 1.0)}).tolist() == [4, 5, 6, 7]
        assert predictions.select(txn, 1, order_by=Index.Q, descending=True).tolist() == list(range(8))[::-1]
        first = predictions.get(txn, 1, 5).neighbors[0]
        assert (first.document_id, first.text, first.distance) == ("d4", "text 4", 0.5)
    project.write(lambda txn: documents.delete(txn, [4]))
    with project.read() as txn:
        assert staleness.of(txn, 1).deleted == 1
        assert predictions.scored(txn, 1).tolist() == [0, 1, 2, 3, 5, 6, 7]


def test_a_job_can_resume_from_its_checkpoint(project: Environment) -> None:
    with project.read() as txn:
        found = checkpoints.get(txn, 1)
    assert found.state_json == '{"epoch": 3}'
    assert found.arrays["weight"].tolist() == [[0.0, 0.125, 0.25, 0.375], [0.5, 0.625, 0.75, 0.875]]
