"""The official package itself, in an environment of its own: it reads what we write, and scores it to our numbers.

REEX_PEER_PYTHON names the interpreter that has reexpress_sdm (`python -m bench peers` builds one); without it these
tests are skipped. REEX_OFFICIAL_WRITE=1 stores what the package said under tests/reexd/interchange/official, where
the fast suite compares with it. All data is drawn here from seeds.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from reexd import sdm
from reexd.engine.adaptor.fit import fit
from reexd.engine.adaptor.settings import FitSettings
from reexd.interchange.portable_model import PortableModel, Representation, exemplars
from reexd.interchange.sdmdataset import DatasetRow, PortableDataset, read_dataset, write_dataset
from reexd.interchange.sdmkitmodel import read_model, write_model

STORED = Path(__file__).resolve().parent.parent / "reexd" / "interchange" / "official"
CLASSES = ("first", "second", "third")
WIDTH = 12
FINGERPRINT = "synthetic-1"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scoring() -> ModuleType:
    """The module official_scoring.py: pytest imports tests by path, so that they cannot import each other by name."""
    path = Path(__file__).resolve().parent.parent / "official_scoring.py"
    spec = importlib.util.spec_from_file_location("official_scoring", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def drawn(name: str, count: int, seed: int, *, foreign: int = 0, width: int = WIDTH) -> PortableDataset:
    """Overlapping classes; the last `foreign` rows lie elsewhere and belong to none. Every tenth has no text."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    vectors = generator.normal(size=(count, width)) + 2.0 * np.eye(len(CLASSES), width)[labels]
    vectors[count - foreign :] += 4.0
    rows = tuple(
        DatasetRow(
            f"{name} {place}",
            int(label),
            None if place % 10 == 9 else f"text «{place}»",
            extra={"place": place},
        )
        for place, label in enumerate(labels)
    )
    return PortableDataset(
        rows, vectors.astype(np.float32), classes=CLASSES, representation={"fingerprint": FINGERPRINT}
    )


def fitted_here(exemplar_size: int, count: int = 300, width: int = WIDTH, **changes: float) -> PortableModel:
    pool = drawn("pool", count, 3, width=width)
    features, labels = pool.embeddings, np.array([row.label for row in pool.rows])
    training, held = np.arange(count // 2), np.arange(count // 2, count)
    chosen = {"epochs": 12, "batch_size": 16, "learning_rate": 0.01, **changes}
    settings = FitSettings(3, exemplar_size=exemplar_size, **chosen)
    *_, (kind, (facts, found)) = fit(features, labels, training, held, settings)
    assert kind == "result"
    weights = sdm.AdaptorWeights.among(found)
    normalization = sdm.Normalization(facts["mean"], facts["standard_deviation"])
    calibration = sdm.calibrate(
        *(found[f"calibration_{name}"] for name in ("labels", "logits", "q", "d0")), len(CLASSES)
    )
    return PortableModel(
        model_id="drawn-and-fitted-here",
        created_at=1_700_000_000.0,
        producer=("reex", "0.1.0"),
        classes=CLASSES,
        representation=Representation(FINGERPRINT),
        weights=weights,
        normalization=normalization,
        neighbors_max=settings.neighbors_max,
        alpha_resolution=sdm.ALPHA_RESOLUTION,
        exemplars=exemplars(weights, normalization, features[training]),
        support_ids=tuple(pool.rows[place].id for place in training),
        support_labels=labels[training].astype(np.int32),
        support_predictions=found["support_predictions"].astype(np.int32),
        support_texts=tuple(pool.rows[place].document for place in training),
        calibration=calibration,
        calibration_ids=tuple(pool.rows[place].id for place in held),
        metadata={"reex": {"note": "synthetic"}},
    )


def scored_by_peer(peer: Callable[..., dict], model: Path, queries: Path, folder: Path) -> list[dict]:
    output = folder / "scored.jsonl"
    peer("score", "--model", model, "--input", queries, "--output", output, "--matching_device", "cpu")
    return [json.loads(line) for line in output.read_text().splitlines()]


def keep(scoring: ModuleType, name: str, model: Path, queries: Path, scored: list[dict]) -> None:
    """Store what the fast suite compares with: the model, the queries, and the package's numbers alone."""
    if os.environ.get("REEX_OFFICIAL_WRITE") != "1":
        return
    folder = STORED / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copytree(model, folder / "model.sdmkitmodel")
    shutil.copytree(queries, folder / "queries.sdmdataset")
    lines = [json.dumps(scoring.kept(row)) for row in scored]
    (folder / "scored.jsonl").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("exemplar_size", [16, 8])  # above and below the width: two ways to match
def test_the_official_package_scores_our_export_to_our_numbers(
    peer: Callable[..., dict], scoring: ModuleType, tmp_path: Path, exemplar_size: int
) -> None:
    model = write_model(tmp_path / "ours.sdmkitmodel", fitted_here(exemplar_size))
    queries = write_dataset(tmp_path / "queries.sdmdataset", drawn("query", 90, 7, foreign=10))
    assert peer("artifact", "validate", "--model", model)
    assert peer("artifact", "inspect", "--model", model)
    assert peer("dataset", "validate", "--input", queries)
    scored = scored_by_peer(peer, model, queries, tmp_path)
    keep(scoring, f"trained_here_{exemplar_size}", model, queries, scored)
    ours = scoring.scored_here(read_model(model), read_dataset(queries).embeddings)
    assert len(np.unique(ours.scores.region_alpha)) > 1, "the set must hold admitted and rejected rows"
    scoring.assert_same_numbers(ours, scored)
    report = peer("evaluate", "--model", model, "--input", queries, "--matching_device", "cpu")
    labels = np.array([row.label for row in read_dataset(queries).rows])
    accuracy = float((ours.scores.prediction == labels).mean())
    assert accuracy in [pytest.approx(value, abs=1e-6) for value in numbers(report)]


def test_at_the_size_of_use_only_rounding_differs(
    peer: Callable[..., dict], scoring: ModuleType, tmp_path: Path
) -> None:
    """A d0 within Float32 rounding of an element of F_c may fall on either side: d then moves by one step."""
    built = fitted_here(1000, 3000, 384, epochs=3, batch_size=64, learning_rate=1e-4)
    model = write_model(tmp_path / "ours.sdmkitmodel", built)
    queries = write_dataset(tmp_path / "queries.sdmdataset", drawn("query", 1000, 7, foreign=100, width=384))
    scored = scored_by_peer(peer, model, queries, tmp_path)
    ours = scoring.scored_here(read_model(model), read_dataset(queries).embeddings)
    step = 1.0 / min(cdf.size for cdf in built.calibration.distance_cdfs)
    scoring.assert_same_numbers(ours, scored, d_step=step, share_max=0.01)


@pytest.mark.parametrize("exemplar_size", [16, 8])
def test_a_model_of_the_official_package_scores_here_to_its_numbers(
    peer: Callable[..., dict], scoring: ModuleType, tmp_path: Path, exemplar_size: int
) -> None:
    training = write_dataset(tmp_path / "training.sdmdataset", drawn("training", 150, 1))
    held = write_dataset(tmp_path / "held.sdmdataset", drawn("held", 150, 2))
    queries = write_dataset(tmp_path / "queries.sdmdataset", drawn("query", 90, 7, foreign=10))
    model = tmp_path / "theirs.sdmkitmodel"
    options = {
        "training": training,
        "calibration": held,
        "output": model,
        "number_of_classes": 3,
        "exemplar_dimension": exemplar_size,
        "epochs": 12,
        "batch_size": 16,
        "learning_rate": 0.01,
        "device": "cpu",
    }
    peer("train", *(part for name, value in options.items() for part in (f"--{name}", str(value))))
    scored = scored_by_peer(peer, model, queries, tmp_path)
    keep(scoring, f"trained_by_official_{exemplar_size}", model, queries, scored)
    read = read_model(model)
    assert read.calibration.rows is not None
    scoring.assert_same_numbers(scoring.scored_here(read, read_dataset(queries).embeddings), scored)
    again = write_model(tmp_path / "again.sdmkitmodel", read)
    assert peer("artifact", "validate", "--model", again)
    scoring.assert_same_numbers(
        scoring.scored_here(read, read_dataset(queries).embeddings),
        scored_by_peer(peer, again, queries, tmp_path),
    )


def test_regions_are_fitted_again_from_our_export_by_the_official_package(
    peer: Callable[..., dict], tmp_path: Path
) -> None:
    model = fitted_here(16)
    path = write_model(tmp_path / "ours.sdmkitmodel", model)
    refitted = tmp_path / "refitted.sdmkitmodel"
    peer("recalibrate", "--model", path, "--output", refitted)
    regions = read_model(refitted).calibration.regions
    assert [region.alpha for region in regions] == [region.alpha for region in model.calibration.regions]
    for theirs, ours in zip(regions, model.calibration.regions, strict=True):
        assert theirs.q_prime_min == pytest.approx(ours.q_prime_min, abs=1e-5)
        assert theirs.thresholds == pytest.approx(ours.thresholds, abs=1e-5)


def test_a_dataset_goes_there_and_back(peer: Callable[..., dict], tmp_path: Path) -> None:
    ours = drawn("query", 40, 7)
    path = write_dataset(tmp_path / "ours.sdmdataset", ours)
    lines, theirs = tmp_path / "lines.jsonl", tmp_path / "theirs.sdmdataset"
    peer("dataset", "convert", "--input", path, "--output", lines)
    names = ",".join(CLASSES)
    peer("dataset", "convert", "--input", lines, "--output", theirs, "--class_names", names)
    back = read_dataset(theirs)
    assert [(row.id, row.label, row.document, row.extra["place"]) for row in back.rows] == [
        (row.id, row.label, row.document, row.extra["place"]) for row in ours.rows
    ]
    np.testing.assert_array_equal(back.embeddings, ours.embeddings)
    assert back.classes == CLASSES


def numbers(value: object) -> list[float]:
    """Every number of a report, at any depth."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for item in value for number in numbers(item)]
    return [float(value)] if isinstance(value, int | float) else []
