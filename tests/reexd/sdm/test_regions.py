"""Regions against Algorithm 1 written out as it is told, and the corner cases of sdm.md 11."""

from __future__ import annotations

import numpy as np
import pytest
from reexd import sdm


def literal_region(
    probabilities: np.ndarray, q_prime: np.ndarray, labels: np.ndarray, alpha: float
) -> sdm.Region | None:
    """Try every distinct q' in turn; O(n^2)."""
    for cut in np.unique(q_prime):
        kept = q_prime >= cut
        thresholds = []
        for label in range(probabilities.shape[1]):
            values = sorted(probabilities[kept & (labels == label), label].tolist())
            if not values:
                break
            place = min(int(round(1 - alpha, 10) * len(values)), len(values) - 1)
            if values[place] < np.float32(alpha):
                break
            thresholds.append(values[place])
        if len(thresholds) == probabilities.shape[1]:
            return sdm.Region(alpha, float(cut), tuple(thresholds))
    return None


def rows(seed: int, count: int, classes: int) -> tuple[np.ndarray, ...]:
    """Probabilities that sharpen with q', and q' with many ties."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, count)
    q_prime = generator.integers(0, 12, count).astype(np.float32)
    logits = generator.normal(size=(count, classes)) + 3.0 * np.eye(classes)[labels]
    probabilities = sdm.sdm_activation(logits, q_prime, np.ones(count))
    return probabilities, q_prime, labels, logits.argmax(axis=1)


@pytest.mark.parametrize("seed", range(12))
def test_the_sweep_finds_the_region_of_the_literal_algorithm(seed: int) -> None:
    probabilities, q_prime, labels, _ = rows(seed, 90, 2 + seed % 3)
    for alpha in sdm.ladder_alphas(0.1):
        expected = literal_region(probabilities, q_prime, labels, alpha)
        assert sdm.fit_region(probabilities, q_prime, labels, alpha) == expected


@pytest.mark.parametrize("seed", range(6))
def test_each_rung_is_fitted_on_what_higher_rungs_left(seed: int) -> None:
    probabilities, q_prime, labels, predictions = rows(seed, 120, 2)

    regions = sdm.fit_regions(probabilities, q_prime, labels, predictions)

    left = np.floor(q_prime) > 0
    by_alpha = {region.alpha: region for region in regions}
    for alpha in sdm.ladder_alphas():
        expected = literal_region(probabilities[left], q_prime[left], labels[left], alpha)
        assert by_alpha.get(alpha) == expected
        if expected is not None:
            left &= ~sdm.region_accepts(q_prime, probabilities, predictions, expected)


def test_rows_of_equal_similarity_are_removed_together() -> None:
    """Without its failing row alone class 0 would pass at q' = 1; its equals go with it."""
    probabilities = np.array([[0.5, 0.5], [0.9, 0.1], [0.8, 0.2], [0.1, 0.9]], dtype=np.float32)
    q_prime, labels = np.array([1.0, 1.0, 2.0, 2.0]), np.array([0, 0, 0, 1])
    region = sdm.fit_region(probabilities, q_prime, labels, 0.7)
    assert region is not None
    assert region.q_prime_min == 2.0


def test_the_allowance_rounds_before_it_truncates() -> None:
    """int((1 - .9) * 10) would be 0 in floating point; the tenth of ten rows may lie below."""
    probabilities = np.full((20, 2), 0.05, dtype=np.float32)
    labels = np.arange(20) % 2
    probabilities[np.arange(20), labels] = 0.95
    probabilities[:2] = 0.5  # one failing row per class
    assert sdm.fit_region(probabilities, np.ones(20), labels, 0.9) is not None


def test_a_region_refuses_where_two_classes_reach_their_thresholds() -> None:
    region = sdm.Region(0.6, 1.0, (0.4, 0.4))
    outputs = np.array([[0.55, 0.45], [0.7, 0.3], [0.3, 0.7]], dtype=np.float32)
    accepted = sdm.region_accepts(np.full(3, 2.0), outputs, np.array([0, 0, 0]), region)
    assert accepted.tolist() == [False, True, False]


@pytest.mark.parametrize("resolution", [0.0, 4e-5, 0.5, float("nan")])
def test_a_ladder_out_of_bounds_is_refused(resolution: float) -> None:
    with pytest.raises(ValueError, match="alpha_resolution"):
        sdm.ladder_alphas(resolution)


def test_the_finest_ladder_stays_above_one_half() -> None:
    alphas = sdm.ladder_alphas(5e-5)
    assert len(alphas) == 9999
    assert min(alphas) > 0.5


@pytest.mark.parametrize("seed", range(20))
def test_alphas_are_those_of_the_first_region_that_accepts(seed):
    """Against the definition, region by region; thresholds and minima are met exactly by some rows."""
    rng = np.random.default_rng(seed)
    classes, rows = int(rng.integers(2, 5)), 60
    probabilities = rng.dirichlet(np.full(classes, 0.3), rows).round(2).astype(np.float32)
    predictions = probabilities.argmax(axis=1)
    q_prime = rng.integers(0, 6, rows).astype(np.float32) / 2
    regions = [
        sdm.Region(
            alpha, float(rng.integers(0, 6)) / 2, tuple(rng.choice([0.5, 0.6, 0.7, 0.9, 2.0], classes))
        )
        for alpha in (0.95, 0.9, 0.7, 0.55)
    ]
    expected = np.zeros(rows)
    for region in reversed(regions):
        expected[sdm.region_accepts(q_prime, probabilities, predictions, region)] = region.alpha
    found = sdm.region_alphas(q_prime, probabilities, predictions, regions)
    np.testing.assert_array_equal(found, expected)
    assert expected.any()
    assert not sdm.region_alphas(q_prime, probabilities, predictions, []).any()
