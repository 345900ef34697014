"""Rungs that all shuffles of a training certify together."""

from __future__ import annotations

import numpy as np
import pytest
from reexd import sdm
from reexd.steps.certify import certified_together

FEWEST = sdm.certified_rows_min(0.9)


@pytest.mark.parametrize("shuffles", [1, 4])
def test_small_classes_have_a_rung_where_all_shuffles_bear_witness(served, project, corpus, shuffles) -> None:
    """Of 24 documents each a shuffle holds out seven or eight, four of them most."""
    served.upload(project, corpus(24), "train")
    served.train(project, shuffles=shuffles, seed=3)
    made = served.client.get_classifier(project)
    assert made.calibration_count < 3 * FEWEST
    high = [region for region in made.training["regions"] if region["alpha"] >= 0.9]
    assert bool(high) == (shuffles == 4)
    if not high:
        return
    assert max(told["candidates"] for told in high[0]["classes"].values()) > made.calibration_count / 3
    # What they said is kept with the version.
    again = served.client.recalibrate(project)
    assert [region.alpha for region in again.regions] == [region.alpha for region in made.regions]
    for one, other in zip(again.regions, made.regions, strict=True):
        assert one.q_prime_min == pytest.approx(other.q_prime_min, rel=1e-3)
        assert one.thresholds == pytest.approx(other.thresholds, abs=1e-3)


def test_members_of_an_ensemble_share_their_rungs_before_and_after_a_recalibration(
    served, project, corpus
) -> None:
    served.upload(project, corpus(24), "train")
    served.train(project, shuffles=4, seed=3, ensemble=True)
    made = served.client.get_classifier(project)
    assert made.regions and made.regions[0].alpha >= 0.9
    again = served.client.recalibrate(project)
    assert [region.alpha for region in again.regions] == [region.alpha for region in made.regions]


def calibration(seed: int, count: int = 20, noise: float = 1.0, **rule: bool) -> sdm.Calibration:
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    logits = noise * generator.normal(size=(count, 2)) + 4.0 * np.eye(2)[labels]
    return sdm.calibrate(labels, logits, np.full(count, 30), generator.random(count), 2, **rule)


def test_all_models_get_the_rungs_of_the_first_and_keep_their_distances() -> None:
    alone = [calibration(seed, certified=True) for seed in range(4)]
    documents = [np.arange(20) + 20 * each for each in range(4)]
    found = certified_together(alone, documents, first=2)
    assert len({each.regions for each in found}) == 1
    for one, other in zip(found, alone, strict=True):
        assert one.distance_cdfs is other.distance_cdfs
        assert len(one.witnesses.labels) == 80


def test_a_model_whose_own_rows_certify_more_keeps_to_them() -> None:
    """Two shuffles go wrong half of the time, so that rungs which hold for them too admit less."""
    alone = [calibration(seed, 400, noise, certified=True) for seed, noise in enumerate([1.0, 1.0, 4.0, 4.0])]
    found = certified_together(alone, [np.arange(400)] * 4)
    assert alone[0].admitted_rightly() > 0.5
    assert found[0] is alone[0] and found[1] is alone[1]
    assert all(
        one.admitted_rightly() >= other.admitted_rightly() for one, other in zip(found, alone, strict=True)
    )
    assert found[2].witnesses.labels.size == 1600


def test_the_rule_of_the_article_looks_at_one_model_alone() -> None:
    alone = [calibration(seed) for seed in range(2)]
    assert certified_together(alone, [np.arange(20)] * 2) == alone
