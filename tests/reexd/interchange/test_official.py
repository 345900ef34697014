"""What the official package said about stored models, against what is computed here: without the package.

`trained_by_official_*` are models that it trained, `trained_here_*` are exports of fits of ours; both were scored by
its `sdm score`. tests/slow/test_official_package.py makes them anew and asks the package itself.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from reexd import sdm
from reexd.interchange.sdmdataset import read_dataset
from reexd.interchange.sdmkitmodel import read_model

STORED = sorted((Path(__file__).parent / "official").iterdir())


@pytest.mark.parametrize("folder", STORED, ids=lambda folder: folder.name)
def test_scores_are_those_of_the_official_package(folder: Path, scoring: ModuleType) -> None:
    model = read_model(folder / "model.sdmkitmodel")
    queries = read_dataset(folder / "queries.sdmdataset")
    official = [json.loads(line) for line in (folder / "scored.jsonl").read_text().splitlines()]
    alphas = {row["centroidRegionAlpha"] for row in official}
    assert 0.0 in alphas, "the set must hold rejected rows"
    assert len(alphas) > 1, "and admitted ones"
    scoring.assert_same_numbers(scoring.scored_here(model, queries.embeddings), official)


@pytest.mark.parametrize("folder", STORED, ids=lambda folder: folder.name)
def test_calibration_is_the_one_that_its_rows_give(folder: Path) -> None:
    found = read_model(folder / "model.sdmkitmodel").calibration
    rows = found.rows
    assert rows is not None
    again = sdm.calibrate(rows.labels, rows.logits, rows.q, rows.d0, found.class_count, alphas=found.alphas)
    for ours, theirs in zip(
        (*again.distance_cdfs, *again.q_prime_cdfs), (*found.distance_cdfs, *found.q_prime_cdfs), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert [region.alpha for region in again.regions] == [region.alpha for region in found.regions]
