"""Prediction sets: the promise to each class, ties, and classes with too few rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reexd import sdm


def test_conformity_prefers_the_prediction_and_fades_with_distance() -> None:
    logits = np.array([[3.0, 1.0, 0.0]] * 4)
    scores = sdm.conformity(logits, np.array([0, 50, 50, 50]), np.array([1.0, 1.0, 0.01, 0.0]))
    assert (scores[:, 0] == 0).all()
    assert scores[1, 1] < scores[0, 1] < 0  # similar rows exclude more
    assert scores[1, 1] < scores[2, 1] < 0  # far ones less
    assert (scores[3] == 0).all()  # beyond everything: no class is preferred


@pytest.mark.parametrize(
    ("coverage", "least"), [(0.5, 1), (0.9, 9), (0.95, 19), (0.99, 99), (0.999, 999), (0.8, 4)]
)
def test_a_class_can_be_excluded_from_so_many_rows_on(coverage: float, least: int) -> None:
    assert sdm.set_rows_min(coverage) == least
    own, many = np.linspace(-5, -1, least), np.linspace(-9, -1, 20_000)
    for few in (own, own[1:]):
        thresholds = sdm.set_thresholds((few, many), coverage)
        assert thresholds[0] == (own[0] if few is own else -np.inf)


def test_the_threshold_is_the_quantile_of_the_p_value() -> None:
    """In the set exactly where (1 + #{own <= s}) / (n + 1) > alpha."""
    generator = np.random.default_rng(2)
    for count in (0, 1, 8, 9, 10, 19, 57, 200):
        own = np.sort(np.round(-generator.gamma(1.0, size=count), 1))  # rounded: with ties
        for coverage in (0.5, 0.8, 0.9, 0.95):
            (threshold,) = sdm.set_thresholds((own,), coverage)
            for score in np.unique(np.r_[own, -99.0, -0.05, 0.0]):
                rank = 1 + np.count_nonzero(own <= score)
                assert (score >= threshold) == (rank > round((1 - coverage) * (count + 1), 9))


@given(st.integers(0, 2**32 - 1), st.floats(0.51, 0.99), st.floats(0.0, 0.3))
def test_sets_are_never_empty_and_grow_with_coverage(seed: int, coverage: float, more: float) -> None:
    generator = np.random.default_rng(seed)
    labels, logits = generator.integers(0, 4, 80), generator.normal(size=(80, 4))
    q, nearness = generator.integers(0, 30, 80), generator.random(80)
    scores = sdm.conformity(logits, q, nearness)
    own = sdm.class_conformity(labels, scores)
    small = scores >= sdm.set_thresholds(own, coverage)
    large = scores >= sdm.set_thresholds(own, min(coverage + more, 0.999))
    assert small[np.arange(80), logits.argmax(axis=1)].all()
    assert (large | ~small).all()


def test_each_class_is_covered_however_rare_and_hard_it_is() -> None:
    """1 - alpha <= coverage <= 1 - alpha + 1 / (n_c + 1), in the mean over worlds: scores without ties."""
    generator = np.random.default_rng(11)
    alpha, held, seen = 0.2, np.zeros(3), np.zeros(3)
    for _ in range(300):
        labels = np.repeat([0, 1, 2], [200, 40, 9])
        asked = np.repeat([0, 1, 2], 50)

        def world(own: np.ndarray) -> np.ndarray:
            logits = generator.normal(size=(own.size, 3))
            logits[np.arange(own.size), own] += np.array([3.0, 1.0, -1.0])[own]
            return sdm.conformity(
                logits, generator.integers(0, 9, own.size), generator.uniform(0.1, 1, own.size)
            )

        thresholds = sdm.set_thresholds(sdm.class_conformity(labels, world(labels)), 1 - alpha)
        inside = world(asked) >= thresholds
        held += np.bincount(asked, inside[np.arange(asked.size), asked], minlength=3)
        seen += np.bincount(asked, minlength=3)
    coverage = held / seen
    assert (coverage >= 1 - alpha - 0.02).all()
    # The hard class has no ties at 0, so that its coverage is that of the next rank.
    assert coverage[2] == pytest.approx(1 - int(alpha * 10) / 10, abs=0.02)


def test_small_classes_share_a_threshold_that_covers_them_together() -> None:
    """Twenty classes of three rows, of unlike difficulty, beside a large one: none could be excluded by its own."""
    generator = np.random.default_rng(5)
    counts, alpha, held, sizes = np.r_[np.full(20, 3), 300], 0.1, [], []
    labels, asked = np.repeat(np.arange(21), counts), np.repeat(np.arange(20), 5)
    assert sdm.set_sharing(counts).tolist() == list(range(20))
    assert sdm.set_sharing([3, 300]).size == 0 == sdm.set_sharing([9, 9]).size
    for _ in range(200):

        def world(own: np.ndarray) -> np.ndarray:
            logits = generator.normal(size=(own.size, 21))
            logits[np.arange(own.size), own] += np.linspace(2.0, 6.0, 21)[own]
            return sdm.conformity(logits, np.full(own.size, 5), generator.uniform(0.2, 1, own.size))

        thresholds = sdm.set_thresholds(sdm.class_conformity(labels, world(labels)), 1 - alpha)
        assert np.unique(thresholds[:20]).size == 1 and np.isfinite(thresholds).all()
        inside = world(asked) >= thresholds
        held.append(inside[np.arange(asked.size), asked].mean())
        sizes.append(inside.sum(axis=1).mean())
    assert 1 - alpha <= np.mean(held) + 0.01 and np.mean(held) < 1 - alpha + 0.05
    assert np.mean(sizes) < 12


@pytest.mark.parametrize("coverage", [0.0, 1.0, 1.5, float("nan")])
def test_a_coverage_outside_its_bounds_is_refused(coverage: float) -> None:
    with pytest.raises(ValueError, match="coverage must be in"):
        sdm.set_thresholds((np.zeros(3),), coverage)
