"""Clopper-Pearson intervals against SciPy's beta quantiles, and their corners."""

from __future__ import annotations

import pytest
from reexd.sdm import clopper_pearson


@pytest.mark.parametrize("trials", [1, 2, 5, 30, 900, 20_000])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_bounds_are_the_beta_quantiles(trials: int, confidence: float) -> None:
    beta = pytest.importorskip("scipy.stats").beta
    tail = (1 - confidence) / 2
    for successes in sorted({0, 1, trials // 3, trials // 2, trials - 1, trials}):
        lower, upper = clopper_pearson(successes, trials, confidence)
        low = 0.0 if successes == 0 else beta.ppf(tail, successes, trials - successes + 1)
        high = 1.0 if successes == trials else beta.ppf(1 - tail, successes + 1, trials - successes)
        assert (lower, upper) == (pytest.approx(low, abs=1e-10), pytest.approx(high, abs=1e-10))


def test_nothing_tried_says_nothing() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "trials", "confidence"), [(2, 1, 0.95), (-1, 3, 0.95), (1, 3, 1.0)])
def test_what_is_no_share_is_refused(successes: int, trials: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        clopper_pearson(successes, trials, confidence)
