"""Where a default fit begins: the class-balanced multinomial regression, put into the adaptor exactly (sdm.md 16.2).

Owns: the regression path and its factoring into W and W'. Must not know: epochs, q and d.

Logits are affine in x, so cross-entropy over them is convex in the logit map A = W' W. Solving it costs a few epochs'
worth of products and reaches what training by small steps approaches from below on small sets; the strength of the L2
penalty, which early stopping only imitates, is chosen along a path from strong to weak by the balanced cross-entropy
over calibration rows.

Solver: the Hessian of the softmax loss is at most 1/2 x x^T per class (Boehning 1992, Ann. Inst. Stat. Math. 44), so
steps by the inverse of that bound descend without a line search; in the eigenbasis of the weighted covariance the
bound is diagonal. Momentum is Nesterov's, restarted when it points uphill (O'Donoghue, Candes 2015).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from reexd.engine.adaptor.stepping import told
from reexd.sdm import AdaptorWeights, class_balanced_mean

STRENGTHS = tuple(10.0 ** (-k / 3) for k in range(16))  # of the penalty, tried in turn
WORSE_MAX = 3  # strengths in a row that do worse before the path ends
ITERATIONS_MAX = 60
TOLERANCE = 1e-3  # of an iteration's largest move, to the largest coefficient
SPREAD_SHARE = 0.5  # variance of exemplars along the regression's directions, to that along all others


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """z' = A x + c, and how it was chosen."""

    logit_map: np.ndarray  # A (C, D) float32, columns of mean 0
    bias: np.ndarray  # c (C,) float32
    covariance: np.ndarray  # of the rows, weighted (D, D) float64
    strength: float
    training_loss: float  # weighted mean cross-entropy


def regress(
    x: mx.array, target: mx.array, weight: mx.array, held: mx.array, held_labels: np.ndarray
) -> Iterator[float]:
    """Fit the path on x (n, D), one-hot target (n, C), weight (n,) of mean 1; yields the share done, returns the
    Regression with the smallest balanced cross-entropy on held (m, D), held_labels (m,)."""
    share = weight / x.shape[0]
    centre = share @ x
    centred = x - centre
    curvature = np.array((centred * share[:, None]).T @ centred, dtype=np.float64)
    eigenvalues, basis = np.linalg.eigh(curvature)
    rotation = mx.array(basis.astype(np.float32))
    rotated, held = centred @ rotation, (held - centre) @ rotation
    curve = mx.array(np.maximum(eigenvalues, 0.0).astype(np.float32) / 2.0)
    coefficients, bias = mx.zeros((target.shape[1], x.shape[1])), mx.zeros((target.shape[1],))
    best: tuple[float, float, mx.array, mx.array] | None = None
    worse = 0
    for place, strength in enumerate(STRENGTHS):
        solving = _solve(rotated, target, share, curve, strength, (coefficients, bias))
        coefficients, bias = yield from told(solving, lambda share, at=place: (at + share) / len(STRENGTHS))
        loss = _balanced_cross_entropy(held @ coefficients.T + bias, held_labels)
        if best is None or loss < best[0]:
            best, worse = (loss, strength, coefficients, bias), 0
        else:
            worse += 1
        if worse >= WORSE_MAX:
            break
    _, strength, coefficients, bias = best
    logit_map = coefficients @ rotation.T
    logit_map = logit_map - logit_map.mean(axis=0)  # softmax does not see what all classes share
    training = _log_softmax(rotated @ coefficients.T + bias)
    loss = -((training * target).sum(axis=1) * share).sum()
    bias = bias - logit_map @ centre
    return Regression(np.array(logit_map), np.array(bias), curvature, strength, loss.item())


def as_weights(found: Regression, drawn: AdaptorWeights) -> AdaptorWeights | None:
    """The regression as an adaptor: its logits exactly; None when M is under min(C - 1, D), which cannot hold it.

    With A = U S V^T the first rows of W become e sqrt(S) V^T and W' U sqrt(S) / e there, 0 elsewhere. The rest of W
    stays as `drawn`, nearly a multiple of the identity: distances keep sensing what tells no class apart, which is how
    a document from elsewhere is noticed. e balances both: neighbours that differ in what no class needs make q small,
    and where they differ in little else d is blind (docs/calibration.md has figures for other shares).
    """
    classes, features = found.logit_map.shape
    rank = min(classes - 1, features)
    if rank > drawn.projection_weight.shape[0]:
        return None
    outer, scale, inner = np.linalg.svd(found.logit_map.astype(np.float64), full_matrices=False)
    own = np.sqrt(scale[:rank])[:, None] * inner[:rank]
    projection = drawn.projection_weight.copy()
    spread, rest = _spread(own, found.covariance), _spread(projection[rank:], found.covariance)
    emphasis = math.sqrt(SPREAD_SHARE * rest / spread) if rest and spread else 1.0
    projection[:rank] = emphasis * own
    classifier = np.zeros_like(drawn.classifier_weight)
    classifier[:, :rank] = outer[:, :rank] * np.sqrt(scale[:rank]) / emphasis
    bias = found.bias - classifier @ drawn.projection_bias
    return AdaptorWeights(projection, drawn.projection_bias, classifier, bias.astype(np.float32))


def _spread(projection: np.ndarray, covariance: np.ndarray) -> float:
    """The variance of rows of this covariance under a projection (k, D), summed over its k components."""
    return float(np.sum((projection @ covariance) * projection))


def _solve(
    rotated: mx.array,
    target: mx.array,
    share: mx.array,
    curve: mx.array,
    strength: float,
    start: tuple[mx.array, mx.array],
) -> Iterator[float]:
    """Coefficients (C, D) in the eigenbasis and bias (C,) at one strength, from those of the one before."""
    step = 1.0 / (curve + strength)
    coefficients, bias = ahead, ahead_bias = start
    pace = 1.0
    for iteration in range(ITERATIONS_MAX):
        logits = rotated @ ahead.T + ahead_bias
        residual = (mx.softmax(logits, axis=1) - target) * share[:, None]
        gradient = residual.T @ rotated + strength * ahead
        moved, moved_bias = ahead - gradient * step, ahead_bias - 2.0 * residual.sum(axis=0)
        change, change_bias = moved - coefficients, moved_bias - bias
        uphill = (gradient * change).sum()
        largest, size = mx.abs(change).max(), mx.abs(moved).max()
        mx.eval(moved, moved_bias, uphill, largest, size)
        following = (1.0 + math.sqrt(1.0 + 4.0 * pace * pace)) / 2.0
        momentum, pace = ((pace - 1.0) / following, following) if uphill.item() <= 0 else (0.0, 1.0)
        coefficients, bias = moved, moved_bias
        ahead, ahead_bias = moved + momentum * change, moved_bias + momentum * change_bias
        yield iteration / ITERATIONS_MAX
        if largest.item() <= TOLERANCE * size.item():
            break
    return coefficients, bias


def _log_softmax(logits: mx.array) -> mx.array:
    return logits - mx.logsumexp(logits, axis=1, keepdims=True)


def _balanced_cross_entropy(logits: mx.array, labels: np.ndarray) -> float:
    losses = -np.array(_log_softmax(logits))[np.arange(labels.size), labels]
    return float(class_balanced_mean(losses, labels, logits.shape[1]))
