"""Clopper-Pearson intervals for a share. Exact for the binomial; needs no table and no SciPy."""

from __future__ import annotations

import math
from functools import lru_cache

_ITERATIONS = 300
_TINY = 1e-300
_STEPS = 100
_PRECISION = 1e-14
_KEPT = 4096  # an evaluation asks for the same few counts again and again


@lru_cache(_KEPT)
def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The central interval for a binomial share at `confidence` in (0, 1). (0, 1) when there are no trials.

    Source: Clopper and Pearson, Biometrika 26 (1934): the beta quantiles B(a/2; k, n-k+1) and B(1-a/2; k+1, n-k).
    Raises ValueError unless 0 <= successes <= trials.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"expected 0 <= successes <= trials; received {successes} of {trials}")
    if not 0 < confidence < 1:
        raise ValueError(f"expected a confidence in (0, 1); received {confidence}")
    if trials == 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    lower = 0.0 if successes == 0 else _beta_quantile(tail, successes, trials - successes + 1)
    upper = 1.0 if successes == trials else _beta_quantile(1 - tail, successes + 1, trials - successes)
    return lower, upper


def _beta_quantile(share: float, a: float, b: float) -> float:
    """Newton's steps on I_x(a, b), kept inside a bracket that each evaluation narrows."""
    low, high = 0.0, 1.0
    norm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    x = a / (a + b)
    for _ in range(_STEPS):
        error = _beta_cdf(x, a, b) - share
        if error < 0:
            low = x
        else:
            high = x
        density = math.exp(norm + (a - 1) * math.log(x) + (b - 1) * math.log1p(-x))
        step = x - error / density if density > 0 else low
        after = step if low < step < high else (low + high) / 2
        if abs(after - x) <= _PRECISION * x:
            return after
        x = after
    return x


def _beta_cdf(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function I_x(a, b), by the continued fraction of DLMF 8.17.22 (Lentz)."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast only on this side
        return 1.0 - _beta_cdf(1 - x, b, a)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    fraction, upper, lower = 1.0, 1.0, 0.0
    for step in range(_ITERATIONS):
        half = step // 2
        if step == 0:
            term = 1.0
        elif step % 2 == 0:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        else:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        lower = 1.0 / max(1.0 + term * lower, _TINY)
        upper = max(1.0 + term / upper, _TINY)
        fraction *= upper * lower
        if step > 0 and abs(1.0 - upper * lower) < 1e-15:
            break
    return math.exp(front) * (fraction - 1.0) / a
