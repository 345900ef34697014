"""The bias of an adaptor over the states of a tuned model, from calibration rows.

Tuning has drawn every training row towards its class: few of them are left to say where between two classes an unseen
row changes sides, and weights that make up for frequent classes, which act through the losses of those few, no longer
do. Rows that the tuning has not seen say it. Owns that fit; must not know epochs, q and d.
"""

from __future__ import annotations

import numpy as np

STEPS_MAX, HALVINGS_MAX = 50, 30
FACTOR_MIN = 0.1  # of logits that say nothing of unseen rows


def bias_shift(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(C,) float32 to add to the logits (m, C) of rows labelled (m,) in 0..C-1, each class at least once.

    Bias-corrected temperature scaling (Alexandari, Kundaje, Shrikumar 2020, section 2), classes weighed alike: a factor
    of all logits and a bias, fitted together by Newton's method under a normal prior of unit variance around no
    change. Then the factor is divided out again: how sure an answer is, calibration says.
    """
    logits = logits.astype(np.float64)
    rows, classes = logits.shape
    weight = 1.0 / (np.bincount(labels, minlength=classes)[labels] * classes)
    target = np.eye(classes)[labels]

    def loss_of(solution: np.ndarray) -> tuple[float, np.ndarray]:
        z = (1.0 + solution[0]) * logits + solution[1:]
        z -= z.max(axis=1, keepdims=True)
        shares = np.exp(z)
        total = shares.sum(axis=1, keepdims=True)
        fit = weight @ (np.log(total[:, 0]) - (z * target).sum(axis=1))
        return fit + solution @ solution / (2 * rows), shares / total

    solution = np.zeros(classes + 1)
    loss, shares = loss_of(solution)
    for _ in range(STEPS_MAX):
        step = _newton_step(logits, shares, target, weight, solution / rows)
        for halvings in range(HALVINGS_MAX):
            tried = solution - step / 2**halvings
            tried_loss, tried_shares = loss_of(tried)
            if tried_loss < loss:
                break
        else:
            break  # as far down as the digits go
        solution, loss, shares = tried, tried_loss, tried_shares
    shift = (solution[1:] - solution[1:].mean()) / max(1.0 + solution[0], FACTOR_MIN)
    return shift.astype(np.float32)


def _newton_step(
    logits: np.ndarray, shares: np.ndarray, target: np.ndarray, weight: np.ndarray, pull: np.ndarray
) -> np.ndarray:
    """Of the factor and the bias, (1 + C,); `pull` is the prior's gradient."""
    rows, classes = logits.shape
    surplus, mean = shares - target, (shares * logits).sum(axis=1)
    gradient = np.concatenate([[weight @ (surplus * logits).sum(axis=1)], weight @ surplus]) + pull
    hessian = np.eye(classes + 1) / rows
    hessian[0, 0] += weight @ ((shares * logits**2).sum(axis=1) - mean**2)
    hessian[0, 1:] += weight @ (shares * (logits - mean[:, None]))
    hessian[1:, 0] = hessian[0, 1:]
    hessian[1:, 1:] += np.diag(weight @ shares) - (shares * weight[:, None]).T @ shares
    return np.linalg.solve(hessian, gradient)
