"""Properties of the single quantities that no numeric case pins down."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reexd import sdm

LOGITS = st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=6)


@given(LOGITS, st.integers(0, 5000), st.floats(0, 1, width=32))
def test_the_activation_is_a_distribution_that_keeps_the_order(logits: list[float], q: int, d: float) -> None:
    got = sdm.sdm_activation(np.array(logits), q, d)
    assert got.sum() == pytest.approx(1.0, abs=1e-5)
    assert (got >= 0).all()
    assert got[int(np.argmax(logits))] == got.max()


def test_zero_distance_is_uniform_and_costs_the_logarithm_of_the_classes() -> None:
    logits = np.array([[100.0, -3.0, 0.0, 2.0]])
    assert sdm.sdm_activation(logits, 7, 0.0).tolist() == [[0.25] * 4]
    assert sdm.sdm_losses(logits, np.array([1]), 2.0, 0.0)[0] == pytest.approx(1.0)  # log of 4 to base 2 + 2


def test_huge_logits_do_not_overflow() -> None:
    loss = sdm.sdm_losses(np.array([[1e30, -1e30]]), np.array([1]), 2048.0, 1.0)
    assert np.isfinite(loss).all()


def test_the_gradient_is_that_of_the_loss() -> None:
    generator = np.random.default_rng(0)
    logits, labels = generator.normal(size=(5, 3)), generator.integers(0, 3, 5)
    q, d = generator.integers(0, 20, 5), generator.random(5)
    got = sdm.loss_gradient(logits, labels, q, d)
    step = 1e-2
    for column in range(3):
        moved = np.eye(3)[column] * step
        up, down = (sdm.sdm_losses(logits + sign * moved, labels, q, d) for sign in (1, -1))
        np.testing.assert_allclose(got[:, column], (up - down) / (2 * step), atol=2e-3)


@given(st.integers(0, 4000), st.floats(0, 1, width=32))
def test_rescaled_similarity_lies_between_one_and_q(q: int, probability: float) -> None:
    got = float(sdm.rescaled_similarity(q, probability))
    assert got == 0 if q == 0 else 1 <= got <= q
    assert bool(sdm.is_out_of_distribution(got)) == (q == 0)


def test_a_distance_counts_only_strictly_smaller_values() -> None:
    cdfs = (np.array([1.0, 2.0, 2.0, 4.0], dtype=np.float32),)
    got = sdm.distance_quantiles(np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), cdfs)
    assert got.tolist() == [1.0, 1.0, 0.75, 0.25, 0.25, 0.0]


def test_pooling_replaces_only_small_cdfs() -> None:
    cdfs = tuple(np.array(values, dtype=np.float32) for values in ([1, 5, 9], [2], []))
    pooled, small = sdm.pool_small_cdfs(cdfs, 2)
    assert small == (1, 2)
    assert pooled[0] is cdfs[0]
    assert pooled[1].tolist() == pooled[2].tolist() == [1, 2, 5, 9]
    assert sdm.pool_small_cdfs(cdfs, 0) == (cdfs, ())


@given(st.lists(st.integers(2, 30), min_size=2, max_size=5), st.floats(0.05, 0.95), st.integers(0, 2**64 - 1))
def test_a_stratified_split_covers_the_pool_and_serves_every_class(
    rows: list[int], share: float, seed: int
) -> None:
    labels = np.repeat(np.arange(len(rows)), rows)
    training, calibration = sdm.stratified_split(labels, share, seed)
    assert sorted([*training, *calibration]) == list(range(labels.size))
    for label, count in enumerate(rows):
        kept = int((labels[training] == label).sum())
        assert 1 <= kept <= count - 1
        assert abs(kept - share * count) <= 1 or kept in (1, count - 1)


def test_a_class_of_one_row_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="class 1 has 1 row"):
        sdm.stratified_split(np.array([0, 0, 1]), 0.5, 0)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=4),
    st.floats(0.05, 0.95),
    st.integers(0, 2**64 - 1),
)
def test_rows_that_are_held_stay_and_the_others_are_split(
    rows: list[tuple[int, int, int]], share: float, seed: int
) -> None:
    labels = np.repeat(np.arange(len(rows)), [sum(counts) for counts in rows])
    held = np.concatenate([np.repeat([0, 1, 2], counts) for counts in rows])
    servable = all(
        sum(counts) == 0 or min(counts[1] + counts[0], counts[2] + counts[0], sum(counts) - 1) >= 1
        for counts in rows
    )
    if not labels.size:
        return
    if not servable:
        with pytest.raises(ValueError, match="class"):
            sdm.stratified_split(labels, share, seed, held)
        return
    training, calibration = sdm.stratified_split(labels, share, seed, held)
    assert sorted([*training, *calibration]) == list(range(labels.size))
    assert set(np.flatnonzero(held == 1)) <= set(training)
    assert set(np.flatnonzero(held == 2)) <= set(calibration)
    for label, (free, trains, calibrates) in enumerate(rows):
        own = int((labels[training] == label).sum())
        if sum((free, trains, calibrates)):
            assert trains <= own <= trains + free
            assert min(own, trains + free + calibrates - own) >= 1
            assert abs(own - trains - share * free) <= 1


def test_the_last_of_equal_losses_wins() -> None:
    assert sdm.best_iteration([0.5, 0.3, 0.3, 0.4]) == 2


def test_seeds_wrap_around() -> None:
    assert sdm.iteration_seed(2**64 - 1, 1) == 0


@pytest.mark.parametrize("labels", [[0, 1, 2, -1], [0, 1, 3], [0, 2], [[0, 1]], [0.0, 1.0]])
def test_a_split_needs_every_class_and_nothing_else(labels: list[object]) -> None:
    with pytest.raises(ValueError):
        sdm.check_split(np.array(labels), 3, "training")


def test_normalisation_uses_two_scalars() -> None:
    vectors = np.array([[1.0, 2.0], [3.0, 6.0]])
    fitted = sdm.fit_normalization(vectors)
    scaled = fitted.apply(vectors)
    assert scaled.mean() == pytest.approx(0.0, abs=1e-6)
    assert scaled.std(ddof=1) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    "vectors", [np.ones((3, 2)), np.array([[np.inf, 1.0]]), np.zeros((0, 3)), np.zeros(3)]
)
def test_vectors_without_a_scale_are_refused(vectors: np.ndarray) -> None:
    with pytest.raises(ValueError):
        sdm.fit_normalization(vectors)


def test_negative_zero_has_the_digest_of_zero() -> None:
    assert sdm.feature_digest(np.array([-0.0, 1.0])) == sdm.feature_digest(np.array([0.0, 1.0]))
    with pytest.raises(ValueError):
        sdm.feature_digest(np.array([1e39]))


def test_admission_is_cumulative() -> None:
    predictions, labels = np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0])
    high, low = sdm.admission(predictions, labels, np.array([0.9, 0.9, 0.6, 0.0]), (0.9, 0.6), 2)
    assert (high.admitted, high.accuracy.marginal.accuracy) == (2, 1.0)
    assert (low.admitted, low.share, low.accuracy.marginal.accuracy) == (3, 0.75, 2 / 3)
    assert low.accuracy.label_min() == 0.5
    assert low.accuracy.conditional_min() == 0.5
    assert sdm.conditional_accuracy(predictions, labels, labels < 0, 2).conditional_min() is None


def test_probabilities_against_being_right() -> None:
    """Two bins of two: means .15 and .95 with shares right .5 and .5; one row at the upper end."""
    fit = sdm.probability_fit(np.array([0.1, 0.2, 0.9, 1.0]), np.array([True, False, True, False]), bins=2)
    assert fit is not None
    assert [(each.lower, each.upper, each.right.count, each.right.correct) for each in fit.bins] == [
        (0.0, 0.5, 2, 1),
        (0.5, 1.0, 2, 1),
    ]
    assert fit.calibration_error == pytest.approx(0.5 * 0.35 + 0.5 * 0.45)
    assert fit.brier == pytest.approx((0.81 + 0.04 + 0.01 + 1.0) / 4)
    assert sdm.probability_fit(np.empty(0), np.empty(0, bool)) is None
    with pytest.raises(ValueError, match="probabilities"):
        sdm.probability_fit(np.array([1.1]), np.array([True]))


def test_the_interval_of_a_balanced_accuracy() -> None:
    """Exact for one class; over several it covers at least as often as it says."""
    labels = np.zeros(20, np.int64)
    one = sdm.conditional_accuracy(np.r_[labels[:17], np.ones(3, np.int64)], labels, labels == 0, 1 + 1)
    assert one.balanced_interval() == pytest.approx(sdm.clopper_pearson(17, 20))
    assert sdm.conditional_accuracy(labels, labels, labels > 0, 2).balanced_interval() == (0.0, 1.0)
    generator = np.random.default_rng(0)
    counts, shares = np.array([20, 50, 100]), np.array([0.9, 0.75, 0.97])
    held = 0
    for correct in generator.binomial(counts, shares, (500, 3)).tolist():
        cells = tuple(sdm.Cell(n, k) for n, k in zip(counts.tolist(), correct, strict=True))
        low, high = sdm.ConditionalAccuracy(sdm.Cell(170, sum(correct)), cells, cells).balanced_interval()
        held += low <= shares.mean() <= high
    assert held / 500 >= 0.95


def test_sets_against_their_classes() -> None:
    """The fourth row is of a class that the version lacks: no set can hold it."""
    found = sdm.set_coverage(
        np.array([True, True, False, False]), np.array([1, 2, 1, 2]), np.array([0, 1, 1, 2]), 2
    )
    assert found is not None
    assert (found.covered.count, found.covered.correct) == (4, 2)
    assert [(cell.count, cell.correct) for cell in found.by_label] == [(1, 1), (2, 1)]
    assert (found.mean_size, found.single_count, found.full_count) == (1.5, 2, 2)
    assert sdm.set_coverage(np.empty(0, bool), np.empty(0, int), np.empty(0, int), 2) is None
