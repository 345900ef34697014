"""The calibrated probability that a prediction is right, as a function of q, distance and magnitude.

Owns: the three features, the map from them to a probability with its interval, and its fit to calibration rows.
Must not know: where the rows come from, or which documents they are beyond a number.

    r    nearness: the share of calibration rows at least as far from the support, in (0, 1]; `nearness.py`
    l    magnitude: the log-odds of the prediction in softmax(z' / T); `magnitude.py`
    eta  a + b_q ln(2 + q) + (b_m + b_d r) l, with b >= 0: distance scales the magnitude as in act Eq. 6

With b_m = 1 and the others 0 this is temperature scaling (Guo et al., ICML 2017). r and l are in units that do not
depend on the model they were measured under, so that rows of several shuffles can be fitted together: each shuffle's
calibration rows under its own weights, which never trained on them (cross-fitting). The logistic map of eta is then
corrected by what the rows around a score really came to. docs/calibration.md has the evidence and the limits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reexd.sdm.activation import Q_OFFSET
from reexd.sdm.intervals import clopper_pearson
from reexd.sdm.magnitude import fit_magnitude
from reexd.sdm.nearness import fit_nearness

FAR_SHARE = 0.02  # rows less near than this share of calibration count less and less, in proportion
RIDGE = 1.0  # penalty on the slopes of standardised features, in documents
SHRINKAGE = 10.0  # documents' weight of the logistic map against what a window came to
WINDOW_BOUNDS = 20, 500  # documents in a window; between, their number to the power of 2/3
_RATE_MIN = 1e-6  # keeps log-odds finite
_NEWTON_STEPS = 100


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Calibration rows of one model, ready to be fitted together with those of others (n rows)."""

    documents: np.ndarray  # (n,) int64: rows of one document in several models count as one document
    right: np.ndarray  # (n,) bool
    q: np.ndarray  # (n,) int32
    nearness: np.ndarray  # (n,) float32, r
    magnitude: np.ndarray  # (n,) float32, l


@dataclass(frozen=True, slots=True, eq=False)
class ProbabilityMap:
    """A fitted map. G knots; shifts are in log-odds and added to eta."""

    coefficients: np.ndarray  # (4,) float64: a, b_q, b_m, b_d
    knots: np.ndarray  # (G, 5) float64: eta, shift, lower shift, upper shift, documents in the window


@dataclass(frozen=True, slots=True, eq=False)
class Probabilities:
    """n rows. Where nothing like a row was calibrated: 1 / C, 0 to 1, and no documents."""

    value: np.ndarray  # (n,) float64
    lower: np.ndarray  # (n,) float64, of a 95 % interval
    upper: np.ndarray  # (n,) float64
    documents: np.ndarray  # (n,) int64, calibration documents behind them


def evidence(
    documents: np.ndarray, labels: np.ndarray, logits: np.ndarray, q: np.ndarray, d0: np.ndarray
) -> Evidence:
    """Measure the calibration rows of one model against themselves; (n,) each, and z' (n, C), n >= 1."""
    return Evidence(
        documents=np.asarray(documents, dtype=np.int64),
        right=np.asarray(logits).argmax(axis=1) == np.asarray(labels),
        q=np.asarray(q, dtype=np.int32),
        nearness=fit_nearness(d0).among(d0).astype(np.float32),
        magnitude=fit_magnitude(labels, logits)(logits).astype(np.float32),
    )


def fit_probability(blocks: Sequence[Evidence]) -> ProbabilityMap:
    """Fit the map to the calibration rows of one or several models; O(n log n), deterministic.

    A document that is calibration for k models counts 1/k in each. Raises ValueError without any row.
    """
    documents = np.concatenate([block.documents for block in blocks]) if blocks else np.empty(0)
    if documents.size == 0:
        raise ValueError("a probability needs calibration rows; received none")
    _, place, times = np.unique(documents, return_inverse=True, return_counts=True)
    weight = 1.0 / times[place]
    right = np.concatenate([block.right for block in blocks]).astype(np.float64)
    features = np.concatenate([_features(block.q, block.nearness, block.magnitude) for block in blocks])
    coefficients = _fit_logistic(features, right, weight)
    score = coefficients[0] + features @ coefficients[1:]
    order = np.argsort(score, kind="stable")
    return ProbabilityMap(coefficients, _fit_knots(score[order], right[order], weight[order]))


def probabilities(
    fitted: ProbabilityMap,
    nearness: np.ndarray,
    magnitude: np.ndarray,
    q: np.ndarray,
    class_count: int,
) -> Probabilities:
    """Of n rows: r, l and q, (n,) each, measured against the calibration rows of the model that predicted.

    A row whose nearness is below `FAR_SHARE` is drawn towards ignorance, 1 / C in [0, 1], in proportion.
    """
    intercept, by_q, by_magnitude, by_both = fitted.coefficients
    score = (
        intercept + by_q * np.log(Q_OFFSET + np.asarray(q)) + (by_magnitude + by_both * nearness) * magnitude
    )
    shifts, behind = _between(fitted.knots, score)
    value, lower, upper = _logistic(score + shifts)
    like = np.minimum(nearness / FAR_SHARE, 1.0)
    ignorance = 1.0 / class_count
    return Probabilities(
        value=ignorance + (value - ignorance) * like,
        lower=lower * like,
        upper=1.0 - (1.0 - upper) * like,
        documents=np.floor(behind * like + 1e-9).astype(np.int64),
    )


def _between(knots: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shifts (3, n) and documents (n,) at scores (n,): linear between knots, constant beyond the outermost."""
    last = len(knots) - 1
    after = np.searchsorted(knots[:, 0], score).clip(min(1, last), last)
    before = np.maximum(after - 1, 0)
    left, right = knots[before], knots[after]
    width = right[:, 0] - left[:, 0]
    share = ((score - left[:, 0]) / np.where(width > 0, width, 1.0)).clip(0.0, 1.0)
    row = left + share[:, None] * (right - left)
    return row[:, 1:4].T, row[:, 4]


def _features(q: np.ndarray, nearness: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
    """(n, 3): ln(2 + q), l, r l."""
    magnitude = np.asarray(magnitude, dtype=np.float64)
    return np.column_stack([np.log(Q_OFFSET + np.asarray(q)), magnitude, nearness * magnitude])


def _fit_logistic(features: np.ndarray, right: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(4,) intercept and slopes >= 0: penalised maximum likelihood by Newton steps, dropping slopes below 0.

    Targets are Platt's (k+ + 1) / (k+ + 2) and 1 / (k- + 2) (Advances in Large Margin Classifiers, 1999), so that
    rows that were all right do not promise certainty.
    """
    total = weight.sum()
    wins = float(weight @ right)
    target = np.where(right > 0, (wins + 1) / (wins + 2), 1 / (total - wins + 2))
    centre = weight @ features / total
    scale = np.sqrt(weight @ (features - centre) ** 2 / total)
    free = scale > 1e-9
    scale = np.where(free, scale, 1.0)
    while True:
        design = np.column_stack([np.ones(len(features)), (features - centre) / scale * free])
        penalty = np.r_[0.0, np.full(free.size, RIDGE)]
        found = _newton(design, target, weight, penalty)
        negative = free & (found[1:] < 0)
        if not negative.any():
            break
        free = free & ~negative
    slopes = found[1:] / scale
    return np.r_[found[0] - slopes @ centre, slopes]


def _newton(design: np.ndarray, target: np.ndarray, weight: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """The minimum of a convex function; steps are bounded, so that it cannot run away."""
    found = np.zeros(design.shape[1])
    for _ in range(_NEWTON_STEPS):
        rate = _logistic(design @ found)
        gradient = design.T @ (weight * (rate - target)) + penalty * found
        curvature = (design * (weight * rate * (1 - rate))[:, None]).T @ design + np.diag(penalty + 1e-9)
        step = np.linalg.solve(curvature, gradient)
        found = found - np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-10:
            break
    return found


def _fit_knots(score: np.ndarray, right: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(G, 5) as in `ProbabilityMap`, from rows in ascending order of their score.

    Each knot looks at a window of documents with the nearest scores. Its rate, shrunk towards the logistic map, and
    its Clopper-Pearson interval are kept as shifts against the map's own mean there: within the window, and beyond
    the outermost, the map's slope goes on. Corrected scores are made ascending (pool adjacent violators).
    """
    cumulative = np.r_[0.0, np.cumsum(weight)]
    total = cumulative[-1]
    size = min(max(WINDOW_BOUNDS[0], min(total ** (2 / 3), WINDOW_BOUNDS[1])), total)
    count = math.ceil(2 * (total - size) / size) + 1
    wins = np.r_[0.0, np.cumsum(weight * right)]
    expected = np.r_[0.0, np.cumsum(weight * _logistic(score))]
    scores = np.r_[0.0, np.cumsum(weight * score)]
    knots = []
    for start in np.linspace(0.0, total - size, count):
        low = int(np.searchsorted(cumulative, start, side="left"))
        high = int(np.searchsorted(cumulative, start + size, side="left"))
        low, high = min(low, len(score) - 1), min(max(high, low + 1), len(score))
        seen = cumulative[high] - cumulative[low]
        rate, mean = (wins[high] - wins[low]) / seen, (expected[high] - expected[low]) / seen
        trials = max(round(seen), 1)
        bounds = clopper_pearson(min(round(rate * trials), trials), trials)
        shrunk = (rate * seen + SHRINKAGE * mean) / (seen + SHRINKAGE)
        shrunk = min(max(shrunk, bounds[0]), bounds[1])
        shifts = [_logit(share) - _logit(mean) for share in (shrunk, *bounds)]
        knots.append([(scores[high] - scores[low]) / seen, *shifts, float(trials)])
    table = np.array(knots)
    table = table[np.r_[True, np.diff(table[:, 0]) > 1e-9]]  # equal scores share the first window
    corrected = _ascending(table[:, 0] + table[:, 1])
    table[:, 1] = corrected - table[:, 0]
    table[:, 2] = np.minimum(table[:, 2], table[:, 1])
    table[:, 3] = np.maximum(table[:, 3], table[:, 1])
    return table


def _ascending(values: np.ndarray) -> np.ndarray:
    """The nearest ascending sequence in squared error, by pooling adjacent violators."""
    means: list[float] = []
    sizes: list[int] = []
    for value in values.tolist():
        means.append(value)
        sizes.append(1)
        while len(means) > 1 and means[-2] > means[-1]:
            size = sizes.pop()
            mean = means.pop()
            means[-1] = (means[-1] * sizes[-1] + mean * size) / (sizes[-1] + size)
            sizes[-1] += size
    return np.repeat(means, sizes)


def _logistic(value: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(0.5 * value))


def _logit(share: float) -> float:
    share = min(max(share, _RATE_MIN), 1 - _RATE_MIN)
    return math.log(share / (1 - share))
