"""The bias from calibration rows: what it minimises, what it mends, and that few rows do not run away with it."""

from __future__ import annotations

import numpy as np
import pytest
from reexd.engine.adaptor.bias import bias_shift
from reexd.sdm import class_balanced_mean


def balanced_loss(solution: np.ndarray, logits: np.ndarray, labels: np.ndarray) -> float:
    z = (1 + solution[0]) * logits + solution[1:]
    losses = np.log(np.exp(z).sum(axis=1)) - z[np.arange(labels.size), labels]
    prior = solution @ solution / (2 * labels.size)
    return float(class_balanced_mean(losses, labels, logits.shape[1])) + prior


@pytest.fixture(scope="module")
def shares():
    """1,200 rows of three classes as 1 : 2 : 9, and the logits of their true probabilities."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [100, 200, 900])
    states = rng.standard_normal((1200, 2)) + np.array([[1.5, 0], [0, 1.5], [0, 0]])[labels]
    logits = states @ np.array([[1.5, 0, 0], [0, 1.5, 0]]) - np.array([1.125, 1.125, 0])
    return logits, labels


def test_it_makes_up_for_classes_that_are_frequent(shares):
    logits, labels = shares
    prior = np.log([1 / 12, 2 / 12, 9 / 12])
    skewed = 2 * (logits + prior)  # as if they knew the shares, and too sure
    shift = bias_shift(skewed, labels)
    assert np.ptp(shift + 2 * prior) < 0.5  # back to where classes are as frequent as each other
    before, after = (z.argmax(axis=1) == labels for z in (skewed, skewed + shift))
    assert class_balanced_mean(after, labels, 3) > class_balanced_mean(before, labels, 3) + 0.1
    assert np.abs(bias_shift(logits, labels)).max() < 0.1


def test_no_other_solution_is_better(shares):
    """The shift is a bias over a factor; with that factor at its best, moving any bias raises the loss."""
    logits, labels = shares
    shift = bias_shift(logits, labels).astype(float)
    factors = np.linspace(0.8, 1.2, 401)
    solutions = [np.concatenate([[factor - 1], factor * shift]) for factor in factors]
    best = min(solutions, key=lambda solution: balanced_loss(solution, logits, labels))
    least = balanced_loss(best, logits, labels)
    for place in range(1, 4):
        for change in (-0.02, 0.02):
            moved = best.copy()
            moved[place] += change
            assert balanced_loss(moved, logits, labels) > least


def test_rows_that_are_all_right_move_little():
    labels = np.array([0, 0, 1, 1])
    shift = bias_shift(np.array([[9.0, 0], [8, 0], [0, 7], [0, 9]]), labels)
    assert np.abs(shift).max() < 0.1
    wrong = bias_shift(np.array([[0.0, 9], [0, 9], [9, 0], [9, 0]]), labels)  # logits that say the opposite
    assert np.isfinite(wrong).all()
