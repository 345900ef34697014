"""The two-sample test against SciPy and by hand, Holm's correction, and calibration rows as if they were new."""

from __future__ import annotations

import numpy as np
import pytest
from reexd import sdm


@pytest.mark.parametrize(("n", "m"), [(40, 60), (300, 500), (5_000, 700)])
@pytest.mark.parametrize("discrete", [False, True])
def test_statistic_and_effect_are_those_of_scipy(n: int, m: int, discrete: bool) -> None:
    stats = pytest.importorskip("scipy.stats")
    generator = np.random.default_rng(n)
    first, second = generator.normal(size=n), generator.normal(0.2, 1.3, size=m)
    if discrete:
        first, second = np.round(first), np.round(second)
    found = sdm.two_sample_test(first, second)
    expected = stats.ks_2samp(first, second)
    u = stats.mannwhitneyu(second, first).statistic
    assert found.effect == pytest.approx(2 * u / (n * m) - 1, abs=1e-12)
    # Above 1,000 distinct values the shares are compared on a grid: at most one group of it is lost.
    grid = 0 if discrete or n + m <= 1_000 else 1 / 1_000 * (n + m) / min(n, m)
    assert expected.statistic - grid - 1e-12 <= found.difference <= expected.statistic + 1e-12
    if not discrete:
        assert found.p_value == pytest.approx(expected.pvalue, abs=4 * 0.5 / np.sqrt(1_999) + 0.01)


def test_the_p_value_of_ties_is_the_permutation_distributions() -> None:
    """All 20 ways to choose three of six rows, two groups of ties: counted by hand."""
    found = sdm.two_sample_test(np.array([0, 0, 0]), np.array([0, 1, 1]))
    assert found.difference == pytest.approx(2 / 3)
    assert found.difference_at == 0
    assert found.effect == pytest.approx(2 / 3)
    # D >= 2/3 unless both ones fall on different sides: 2 * C(4, 3) of C(6, 3) = 8 of 20.
    assert found.p_value == pytest.approx(0.4, abs=0.04)


def test_equal_samples_differ_by_nothing_and_disjoint_ones_by_all() -> None:
    values = np.arange(50.0)
    same = sdm.two_sample_test(values, values)
    assert (same.difference, same.p_value, same.effect) == (0.0, 1.0, 0.0)
    apart = sdm.two_sample_test(values, values + 100)
    assert (apart.difference, apart.effect, apart.difference_at) == (1.0, 1.0, 49.0)
    assert apart.p_value == 1 / 2_000
    assert sdm.two_sample_test(values + 100, values).effect == -1.0
    assert sdm.two_sample_test(values, values + 3) == sdm.two_sample_test(values, values + 3)


def test_the_critical_difference_parts_what_is_found_from_what_is_not() -> None:
    generator = np.random.default_rng(5)
    first = generator.normal(size=60)
    outcomes = set()
    for shift in np.linspace(0, 1.2, 12):
        found = sdm.two_sample_test(first, generator.normal(shift, size=50), level=0.02)
        assert (found.difference > found.difference_critical) <= (found.p_value <= 0.02)
        assert (found.difference < found.difference_critical) <= (found.p_value > 0.02)
        outcomes.add(found.p_value <= 0.02)
    assert outcomes == {True, False}


@pytest.mark.parametrize(
    ("first", "second", "level"),
    [([], [1], 0.05), ([1], [], 0.05), ([1, np.nan], [1], 0.05), ([[1]], [1], 0.05), ([1], [1], 0.0)],
)
def test_what_cannot_be_compared_is_refused(first, second, level) -> None:
    with pytest.raises(ValueError, match="expected"):
        sdm.two_sample_test(np.array(first), np.array(second), level=level)


def test_holm_steps_down() -> None:
    assert sdm.holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert sdm.holm([0.9, 0.5]) == (1.0, 1.0)
    assert sdm.holm([0.2]) == (0.2,)


def _calibrated(class_count: int, rows: int, seed: int, pooled_classes_min: int = 0):
    """Calibration rows, and new ones from the same source, of an estimator whose q, d0 and logits are drawn."""
    generator = np.random.default_rng(seed)

    def draw(count: int) -> tuple[np.ndarray, ...]:
        labels = np.repeat(np.arange(class_count), count)
        logits = generator.normal(size=(labels.size, class_count)).astype(np.float32)
        logits[np.arange(labels.size), labels] += 3
        q = generator.geometric(0.05, labels.size) - 1
        return labels, logits, q, generator.exponential(size=labels.size).astype(np.float32)

    own = draw(rows)
    return own, draw(4 * rows), sdm.calibrate(*own, class_count, pooled_classes_min=pooled_classes_min)


@pytest.mark.parametrize("pooled", [0, 100])
def test_calibration_rows_are_figured_as_if_they_were_new(pooled: int) -> None:
    """Each row scored against a calibration fitted without it, one by one."""
    own, _, calibration = _calibrated(3, 12, seed=1, pooled_classes_min=pooled)
    found = sdm.held_out_q_prime(*own, calibration)
    for row in range(len(own[0])):
        rest = tuple(np.delete(column, row, axis=0) for column in own)
        without = sdm.calibrate(*rest, 3, pooled_classes_min=pooled)
        alone = tuple(column[row : row + 1] for column in own[1:])
        assert found[row] == pytest.approx(sdm.score(*alone, without).q_prime[0], rel=1e-5)


def test_many_small_classes_alone_are_no_drift() -> None:
    """Of 60 classes with 12 rows the stored q' of calibration rows lies above that of new rows; held out not."""
    own, new, calibration = _calibrated(60, 12, seed=2)
    arriving = sdm.score(*new[1:], calibration).q_prime
    assert sdm.two_sample_test(sdm.held_out_q_prime(*own, calibration), arriving).p_value > 0.05
    assert calibration.rows is not None
    naive = sdm.two_sample_test(calibration.rows.q_prime, arriving)
    assert naive.effect < 0
