"""The whole way of an exchange with the official package itself: a project's folders there, its folders here.

A version of ours is validated, scored and evaluated there; one that it trained on our exported documents answers here;
both to the same numbers. And a training that goes on from a version is the package's own, step by step.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reexd import sdm
from reexd.interchange.portable_model import PortableModel, exemplars
from reexd.interchange.sdmdataset import read_dataset
from reexd.interchange.sdmkitmodel import read_model

pytestmark = pytest.mark.slow

Peer = Callable[..., dict]
SHORT = {"epochs": 12, "shuffles": 1}  # at the learning rate that suits the data


@pytest.fixture
def filled(served: Any, project: str, corpus: Callable, tiny_models: Any) -> str:
    """Train, calibration and a test split with documents of no class; nothing trained yet."""
    served.upload(project, corpus(60), "train")
    served.upload(project, corpus(60, seed=1), "calibration")
    outside = [
        {"id": f"outside-{number}", "label": -99, "document": text}
        for number, text in enumerate(tiny_models.texts("other", 12))
    ]
    served.upload(project, [*corpus(40, seed=2, words=6), *outside], "test")
    return project


def scored(peer: Peer, model: Path, documents: Path) -> list[dict]:
    output = model.with_suffix(".jsonl")
    peer("score", "--model", model, "--input", documents, "--output", output, "--matching_device", "cpu")
    return [json.loads(line) for line in output.read_text().splitlines()]


def assert_same(answers: Sequence[Any], official: Sequence[dict], model: Path, documents: Path) -> None:
    """As docs/interchange.md promises: the same but for the rounding of the package's d0, and what follows from it.

    Neighbours as near as that may change places; d is that of a d0 within it. Under a class that a region leaves out,
    the package admits what has an SDM output of exactly 1.
    """
    exported, dataset = read_model(model), read_dataset(documents)
    rounding = dict(
        zip((row.id for row in dataset.rows), _rounding(exported, dataset.embeddings), strict=True)
    )
    marked = exported.metadata.get("reex", {}).get("leftOut", {})
    left_out = {label for labels in marked.values() for label in labels}
    assert len(answers) == len(official)
    moved = 0
    for ours, theirs in zip(answers, official, strict=True):
        near = rounding[ours.id]
        assert (ours.id, ours.prediction, ours.q) == (theirs["id"], theirs["prediction"], theirs["q"])
        nearest = theirs["nearestSupportMatches"][: len(ours.neighbors)]
        for mine, other in zip(ours.neighbors, nearest, strict=True):
            assert mine.id == other["id"] or abs(mine.distance - other["squaredDistance"]) <= near
        assert abs(ours.d0 - theirs["d0"]) <= near
        between = sdm.distance_quantiles(
            np.float32([ours.d0 + near, max(ours.d0 - near, 0.0)]), exported.calibration.distance_cdfs
        )
        assert between[0] - 1e-5 <= theirs["d"] <= between[1] + 1e-5
        if abs(ours.d - theirs["d"]) > 1e-5:
            moved += 1
            continue
        assert ours.sdm == pytest.approx(theirs["sdm"], abs=1e-5)
        assert ours.q_prime == pytest.approx(theirs["qPrime"], rel=1e-5, abs=1e-5)
        if ours.prediction in left_out and theirs["sdm"][ours.prediction] == 1.0:
            assert ours.region_alpha <= theirs["centroidRegionAlpha"] + 1e-9
            continue
        assert ours.region_alpha == pytest.approx(theirs["centroidRegionAlpha"])
        assert ours.lower_region_alpha == pytest.approx(theirs["lowerRegionAlpha"])
    assert moved <= 0.1 * len(official)


def _rounding(model: PortableModel, vectors: np.ndarray) -> np.ndarray:
    """(n,): how far the package's d0 may be off. |a|^2 + |b|^2 - 2ab in Float32, centred on support row 0, cancels."""
    centred = exemplars(model.weights, model.normalization, vectors) - model.exemplars[0]
    return 32 * np.finfo(np.float32).eps * np.einsum("nm,nm->n", centred, centred, dtype=np.float64) + 1e-6


@pytest.mark.parametrize("official", [False, True])
def test_our_version_scores_there_as_it_answers_here(
    peer: Peer, served: Any, filled: str, fast: dict, tmp_path: Path, official: bool
) -> None:
    client = served.client
    served.train(filled, **(fast if official else SHORT), official=official)
    model = client.export_classifier(filled, tmp_path / "ours.sdmkitmodel", with_documents=True)
    documents = client.export_documents(filled, "test", tmp_path / "test.sdmdataset")
    assert peer("artifact", "validate", "--model", model)
    assert peer("artifact", "inspect", "--model", model)
    assert peer("dataset", "validate", "--input", documents)
    answers = list(client.predict_split(filled, "test", neighbors=25))
    assert len({answer.region_alpha for answer in answers}) > 1, (
        "the set must hold admitted and rejected rows"
    )
    assert_same(answers, scored(peer, model, documents), model, documents)
    labelled = client.export_documents(filled, "calibration", tmp_path / "calibration.sdmdataset")
    assert peer("evaluate", "--model", model, "--input", labelled, "--matching_device", "cpu")


def test_a_version_that_others_grew_scores_there(
    peer: Peer, served: Any, filled: str, tmp_path: Path
) -> None:
    """Support rows of no class, pooled distance distributions, an ensemble: what the format carries, and marks."""
    client = served.client
    served.upload(filled, [{"id": "rare", "label": 0, "document": "debt lawsuit"}], "train")
    record = served.train(filled, **{**SHORT, "shuffles": 2}, ensemble=True).result
    client.add_to_support(filled, ["outside-0", "outside-1"])
    model = client.export_classifier(filled, tmp_path / "grown.sdmkitmodel")
    assert peer("artifact", "validate", "--model", model)
    assert read_model(model).support_labels.tolist().count(-99) == 2
    assert record["ensemble_size"] == 2
    assert read_model(model).metadata["reex"]["training"]["ensemble_size"] == 2
    documents = client.export_documents(filled, "test", tmp_path / "test.sdmdataset")
    official = [row for row in scored(peer, model, documents) if row["id"] not in ("outside-0", "outside-1")]
    answers = [
        answer
        for answer in client.predict_split(filled, "test", neighbors=25)
        if answer.id
        not in ("outside-0", "outside-1")  # they moved to train; scored there they would meet themselves
    ]
    assert_same(answers, official, model, documents)


def test_a_version_with_pooled_distributions_scores_there(
    peer: Peer, served: Any, project: str, corpus: Callable, tmp_path: Path
) -> None:
    client = served.client
    served.upload(project, [line for line in corpus(60) if line["label"]], "train")
    served.upload(project, [line for line in corpus(6, seed=3) if not line["label"]], "train")
    served.upload(project, corpus(20, seed=2), "test")
    record = served.train(project, **SHORT).result
    assert "negative" in record["pooled_classes"]
    model = client.export_classifier(project, tmp_path / "pooled.sdmkitmodel")
    assert peer("artifact", "validate", "--model", model)
    assert read_model(model).metadata["reex"]["training"]["pooled_classes"] == record["pooled_classes"]
    documents = client.export_documents(project, "test", tmp_path / "test.sdmdataset")
    answers = list(client.predict_split(project, "test", neighbors=25))
    assert_same(answers, scored(peer, model, documents), model, documents)


def test_a_model_that_they_trained_on_our_documents_answers_here_for_texts(
    peer: Peer, served: Any, filled: str, corpus: Callable, tmp_path: Path
) -> None:
    client = served.client
    splits = {
        name: client.export_documents(filled, name, tmp_path / f"{name}.sdmdataset")
        for name in ("train", "calibration", "test")
    }
    model = tmp_path / "theirs.sdmkitmodel"
    options = {
        "training": splits["train"],
        "calibration": splits["calibration"],
        "output": model,
        "number_of_classes": 3,
        "exemplar_dimension": 24,
        "epochs": 12,
        "learning_rate": 0.01,
        "device": "cpu",
    }
    peer("train", *(part for name, value in options.items() for part in (f"--{name}", str(value))))
    found = client.import_classifier(filled, model)
    assert (found.live, found.model) == (True, "tiny"), (
        "the fingerprint of our documents is that of the model"
    )
    assert found.training["documents_here"] == 360
    official = scored(peer, model, splits["test"])
    assert_same(list(client.predict_split(filled, "test", neighbors=25)), official, model, splits["test"])
    lines = [*client.list_documents(filled, "test")][:16]
    texts = client.query(filled, [line.text for line in lines], neighbors=25)
    for asked, theirs in zip(texts, official, strict=False):
        assert (asked.prediction, asked.q) == (theirs["prediction"], theirs["q"])
    evaluation = client.evaluate(filled, "train")
    assert evaluation.unseen_count == 0, "what trained and calibrated their model is recognised"
    assert client.recalibrate(filled).name == "v2"


def test_a_continued_training_is_the_package_s_own(
    peer: Peer, served: Any, filled: str, fast: dict, tmp_path: Path
) -> None:
    """Same start, same permutation of the pool, fresh Adam, one epoch: the same weights but for rounding."""
    client = served.client
    served.train(filled, **fast, official=True)
    start = client.export_classifier(filled, tmp_path / "start.sdmkitmodel")
    splits = {
        name: client.export_documents(filled, name, tmp_path / f"{name}.sdmdataset")
        for name in ("train", "calibration")
    }
    theirs = tmp_path / "theirs.sdmkitmodel"
    options = {
        "training": splits["train"],
        "calibration": splits["calibration"],
        "initial_model": start,
        "output": theirs,
        "number_of_classes": 3,
        "epochs": 1,
        "seed": 7,
        "learning_rate": 0.003,
        "device": "cpu",
    }
    peer("train", *(part for name, value in options.items() for part in (f"--{name}", str(value))))
    served.train(filled, continue_from="v1", official=True, epochs=1, seed=7, learning_rate=0.003)
    ours = client.export_classifier(filled, tmp_path / "ours.sdmkitmodel")
    before, here, there = (read_model(path) for path in (start, ours, theirs))
    assert here.normalization == before.normalization == there.normalization
    assert here.support_ids == there.support_ids
    for one, two, old in zip(
        here.weights.arrays(), there.weights.arrays(), before.weights.arrays(), strict=True
    ):
        assert np.abs(one - old).max() > 1e-3, "one epoch moved them"
        np.testing.assert_allclose(one, two, atol=2e-5)
    assert read_dataset(splits["train"]).representation["fingerprint"] == before.representation.fingerprint
