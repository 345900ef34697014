"""The regression that a default fit begins with: solved, factored exactly, and kept when later epochs lose it."""

from __future__ import annotations

from dataclasses import replace

import mlx.core as mx
import numpy as np
import pytest
from reexd.engine.adaptor import regression
from reexd.engine.adaptor.fit import fit
from reexd.engine.adaptor.network import row_weights
from reexd.engine.adaptor.settings import choose
from reexd.engine.adaptor.shuffles import run_to_end
from reexd.sdm import initial_weights

CLASSES, FEATURES = 4, 12


def sample(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(CLASSES), generator.integers(0, CLASSES, count - CLASSES)])
    centres = np.random.default_rng(9).normal(size=(CLASSES, FEATURES))
    scales = np.linspace(0.2, 3.0, FEATURES)
    return ((centres[labels] + generator.normal(size=(count, FEATURES))) * scales).astype(np.float32), labels


def solved(monkeypatch: pytest.MonkeyPatch, strength: float) -> tuple[regression.Regression, tuple]:
    monkeypatch.setattr(regression, "STRENGTHS", (strength,))
    monkeypatch.setattr(regression, "ITERATIONS_MAX", 400)
    monkeypatch.setattr(regression, "TOLERANCE", 1e-6)
    x, labels = sample(200)
    weight = row_weights(labels, CLASSES, balanced=True)
    target = np.eye(CLASSES, dtype=np.float32)[labels]
    held, held_labels = sample(80, seed=1)
    steps = regression.regress(mx.array(x), mx.array(target), mx.array(weight), mx.array(held), held_labels)
    return run_out(steps), (x, target, weight / len(x))


def run_out(steps):
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


@pytest.mark.parametrize("strength", [0.3, 0.003])
def test_the_gradient_of_the_penalised_loss_vanishes(
    monkeypatch: pytest.MonkeyPatch, strength: float
) -> None:
    found, (x, target, share) = solved(monkeypatch, strength)
    logits = x.astype(np.float64) @ found.logit_map.T + found.bias
    outputs = np.exp(logits - logits.max(axis=1, keepdims=True))
    residual = (outputs / outputs.sum(axis=1, keepdims=True) - target) * share[:, None]
    gradient = residual.T @ x + strength * found.logit_map
    assert np.abs(gradient).max() < 1e-3 * np.abs(residual.T @ x).max() + 1e-4
    assert np.abs(residual.sum(axis=0)).max() < 1e-4


@pytest.mark.parametrize("exemplars", [CLASSES - 1, 30])
def test_the_adaptor_has_the_regression_s_logits(monkeypatch: pytest.MonkeyPatch, exemplars: int) -> None:
    found, (x, *_) = solved(monkeypatch, 0.01)
    drawn = initial_weights(np.random.default_rng(0), FEATURES, exemplars, CLASSES)
    weights = regression.as_weights(found, drawn)
    exemplar = x @ weights.projection_weight.T + weights.projection_bias
    logits = exemplar @ weights.classifier_weight.T + weights.classifier_bias
    np.testing.assert_allclose(logits, x @ found.logit_map.T + found.bias, atol=1e-3)
    np.testing.assert_array_equal(
        weights.projection_weight[CLASSES - 1 :], drawn.projection_weight[CLASSES - 1 :]
    )


def test_distances_hear_the_regression_and_the_rest_in_the_share_that_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, (x, _, share) = solved(monkeypatch, 0.01)
    drawn = initial_weights(np.random.default_rng(0), FEATURES, 30, CLASSES)
    weights = regression.as_weights(found, drawn)
    exemplar = x @ weights.projection_weight.T
    variance = share @ np.square(exemplar - share @ exemplar)
    own, rest = variance[: CLASSES - 1].sum(), variance[CLASSES - 1 :].sum()
    assert own / rest == pytest.approx(regression.SPREAD_SHARE, rel=1e-3)


def test_a_regression_that_tells_no_class_apart_still_is_an_adaptor(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = solved(monkeypatch, 0.01)
    flat = replace(found, logit_map=np.zeros_like(found.logit_map))
    drawn = initial_weights(np.random.default_rng(0), FEATURES, 30, CLASSES)
    weights = regression.as_weights(flat, drawn)
    assert all(np.isfinite(each).all() for each in weights.arrays())


def test_too_few_exemplar_components_train_by_steps_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = solved(monkeypatch, 0.01)
    drawn = initial_weights(np.random.default_rng(0), FEATURES, CLASSES - 2, CLASSES)
    assert regression.as_weights(found, drawn) is None


def test_no_epoch_is_kept_that_lost_the_regression_s_accuracy() -> None:
    x, labels = sample(300)
    settings = choose(np.bincount(labels).tolist(), exemplar_size=16, shuffles=1, epochs=8, learning_rate=0.3)
    training, calibration = settings.split(labels, 0)
    facts, _ = run_to_end(fit(x, labels, training, calibration, settings))
    history = facts["history"]
    assert history[0]["regression_strength"] in regression.STRENGTHS
    for name in ("balanced_calibration_accuracy", "calibration_accuracy"):
        least = history[0][name] - 0.005
        assert min(each[name] for each in history) < least  # such a rate does lose it
        assert all(each[name] >= least for each in history if each["best"])
    assert history[facts["best_epoch"] - 1]["best"]


def test_a_fit_taken_up_after_the_regression_ends_in_the_same_bits() -> None:
    x, labels = sample(300)
    settings = replace(
        choose(np.bincount(labels).tolist(), exemplar_size=16, shuffles=1, epochs=6), patience=0
    )
    split = settings.split(labels, 0)
    whole = run_to_end(fit(x, labels, *split, settings))
    saved = next(
        payload
        for kind, payload in fit(x, labels, *split, settings, checkpoint_interval_s=0.0)
        if kind == "checkpoint"
    )
    again = run_to_end(fit(x, labels, *split, settings, saved))
    np.testing.assert_array_equal(again[1]["projection_weight"], whole[1]["projection_weight"])
    assert again[0]["best_epoch"] == whole[0]["best_epoch"]
