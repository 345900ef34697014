"""The fit as a worker runs it: events, resumption to the bit, selection, errors."""

from __future__ import annotations

import json
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from reexd import sdm
from reexd.engine.adaptor.adam import DeviceAdam, HostAdam
from reexd.engine.adaptor.fit import fit
from reexd.engine.adaptor.network import Batch, Parameters, logarithm_base, loss_and_gradients, row_weights
from reexd.engine.adaptor.settings import FitSettings, choose
from reexd.engine.adaptor.shuffles import fit_shuffles, run_to_end
from reexd.errors import InvalidSetting, NotEnoughData

Data = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def data(count: int = 240, classes: int = 3, width: int = 10) -> Data:
    """Overlapping classes: features, labels, training rows, calibration rows."""
    generator = np.random.default_rng(11)
    labels = np.arange(count) % classes
    features = generator.normal(size=(count, width)) + 1.5 * np.eye(classes, width)[labels]
    return features.astype(np.float32), labels, np.arange(0, count // 2), np.arange(count // 2, count)


SETTINGS = FitSettings(3, exemplar_size=16, epochs=6, batch_size=16, learning_rate=0.01)


def events(settings: FitSettings = SETTINGS, **options: Any) -> list[tuple[str, Any]]:
    return list(fit(*data(), settings, **options))


def test_a_fit_reports_each_epoch_and_ends_in_its_result() -> None:
    kinds = events()
    records = [facts["record"] for kind, facts in kinds if kind == "progress" and "record" in facts]
    kind, (facts, arrays) = kinds[-1]
    assert kind == "result"
    assert [record["epoch"] for record in records] == [1, 2, 3, 4, 5, 6]
    assert facts["history"] == records
    assert facts["best_loss"] == min(record["balanced_calibration_loss"] for record in records)
    assert json.loads(json.dumps(facts)) == facts
    shares = [facts["share"] for kind, facts in kinds if kind == "progress"]
    assert min(shares) > 0
    assert max(shares) == 1.0
    expected = sdm.calibrate(
        *(arrays[f"calibration_{name}"] for name in ("labels", "logits", "q", "d0")), 3
    ).rows
    loss = sdm.balanced_loss(expected.logits, expected.labels, expected.q, expected.d, 3)
    assert loss == pytest.approx(facts["best_loss"], abs=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"cross_entropy_epochs": 3},
        {"patience": 1, "balanced": True},
        {"calibrated_bias": True},
        {"calibrated_bias": True, "cross_entropy_epochs": 3},
        {"regression_start": True, "calibrated_bias": True, "calibrated_scale": True, "certified": True},
    ],
)
def test_a_resumed_fit_ends_in_the_same_bits(change: dict[str, Any]) -> None:
    settings = FitSettings.from_dict({**SETTINGS.to_dict(), **change})
    whole = events(settings, checkpoint_interval_s=0.0)
    checkpoints = [payload for kind, payload in whole if kind == "checkpoint"]
    assert checkpoints
    for facts, arrays in checkpoints:
        stored = json.loads(json.dumps(facts))
        *_, (kind, (resumed, got)) = fit(*data(), settings, resume=(stored, arrays))
        assert kind == "result"
        expected_facts, expected = whole[-1][1]
        for name, array in expected.items():
            np.testing.assert_array_equal(got[name], array, err_msg=name)
        assert without_time(resumed) == without_time(expected_facts)


def without_time(facts: dict[str, Any]) -> dict[str, Any]:
    history = [{k: v for k, v in record.items() if k != "seconds"} for record in facts["history"]]
    return {**facts, "history": history}


def test_the_same_seed_gives_the_same_classifier_and_another_does_not() -> None:
    one, two = events()[-1][1][1], events()[-1][1][1]
    other = events(FitSettings.from_dict({**SETTINGS.to_dict(), "seed": 1}))[-1][1][1]
    np.testing.assert_array_equal(one["projection_weight"], two["projection_weight"])
    assert not np.array_equal(one["projection_weight"], other["projection_weight"])


def test_a_checkpoint_of_other_settings_is_refused() -> None:
    checkpoint = next(p for kind, p in events(checkpoint_interval_s=0.0) if kind == "checkpoint")
    other = FitSettings.from_dict({**SETTINGS.to_dict(), "learning_rate": 0.02})
    with pytest.raises(InvalidSetting, match="checkpoint"):
        events(other, resume=checkpoint)


def test_patience_ends_a_fit_that_no_longer_improves() -> None:
    settings = FitSettings.from_dict(
        {**SETTINGS.to_dict(), "epochs": 60, "patience": 2, "learning_rate": 0.05}
    )
    facts, _ = run_to_end(fit(*data(), settings))
    assert facts["stopped_early"]
    assert facts["epochs"] == facts["best_epoch"] + 2


def test_cross_entropy_epochs_look_for_no_neighbours() -> None:
    settings = FitSettings.from_dict({**SETTINGS.to_dict(), "cross_entropy_epochs": 4})
    facts, _ = run_to_end(fit(*data(), settings))
    matched = [record["epoch"] for record in facts["history"] if "balanced_calibration_q" in record]
    assert set(matched) == {5, 6} | {winner(facts["history"][:4])}


def winner(history: list[dict[str, Any]]) -> int:
    return min(history, key=lambda record: record["balanced_calibration_cross_entropy"])["epoch"]


def test_continuation_keeps_the_saved_normalisation() -> None:
    features, labels, training, calibration = data()
    facts, arrays = run_to_end(fit(features, labels, training, calibration, SETTINGS))
    saved = sdm.AdaptorWeights.among(arrays)
    start = saved, sdm.Normalization(facts["mean"] + 1.0, facts["standard_deviation"])
    again, _ = run_to_end(fit(features, labels, training, calibration, SETTINGS, start=start))
    assert again["mean"] == facts["mean"] + 1.0


def test_rare_classes_weigh_as_much_as_common_ones() -> None:
    labels = np.array([0] * 9 + [1])
    weights = row_weights(labels, 2, balanced=True)
    assert weights[labels == 0].sum() == pytest.approx(weights[labels == 1].sum())
    assert weights.mean() == pytest.approx(1.0)
    assert row_weights(labels, 2, balanced=False).tolist() == [1.0] * 10


def test_a_runaway_rate_is_named() -> None:
    settings = FitSettings.from_dict({**SETTINGS.to_dict(), "learning_rate": 1e30})
    with np.errstate(all="ignore"), pytest.raises(InvalidSetting, match="learning rate below"):
        events(settings)


@pytest.mark.parametrize("broken", ["class", "constant", "alone"])
def test_data_that_cannot_train_are_refused(broken: str) -> None:
    features, labels, training, calibration = data()
    if broken == "class":
        labels = np.where(labels == 2, 0, labels)
    if broken == "constant":
        features = np.ones_like(features)
    if broken == "alone":
        training = training[:1]
    with pytest.raises(NotEnoughData):
        list(fit(features, labels, training, calibration, SETTINGS))


def test_shuffles_are_independent_fits_with_seeds_of_their_own() -> None:
    features, labels, *_ = data()
    settings = FitSettings.from_dict({**SETTINGS.to_dict(), "shuffles": 2, "epochs": 2})
    results = fit_shuffles(features, labels, settings)
    assert [facts["settings"]["seed"] for facts, _ in results] == [0, 1]
    assert not np.array_equal(results[0][1]["training_index"], results[1][1]["training_index"])


def test_many_small_classes_train_without_collapse() -> None:
    """Forty classes of nine rows: each F_c would be tiny; the pooled one keeps d above zero."""
    features, labels, *_ = data(360, 40, 60)
    settings = choose(np.bincount(labels).tolist(), shuffles=1, epochs=8, exemplar_size=64)
    training, calibration = settings.split(labels, 0)
    _, arrays = run_to_end(fit(features * 3, labels, training, calibration, settings))
    products = sdm.calibrate(
        *(arrays[f"calibration_{name}"] for name in ("labels", "logits", "q", "d0")),
        40,
        pooled_classes_min=settings.pooled_classes_min,
    )
    assert products.pooled_classes
    assert (products.rows.d > 0).mean() > 0.5


@pytest.mark.parametrize("rows", [5, 400])
def test_both_orders_of_multiplication_give_the_gradient(rows: int) -> None:
    """5 rows take the layers one after the other, 400 the affine shortcut; differences must agree with both."""
    generator = np.random.default_rng(rows)
    weights = sdm.initial_weights(generator, 7, 9, 4)
    x = generator.normal(size=(rows, 7)).astype(np.float32)
    labels = generator.integers(0, 4, rows)
    q, d = generator.integers(0, 30, rows), generator.random(rows).astype(np.float32)
    share = generator.random(rows).astype(np.float32)
    target = np.eye(4, dtype=np.float32)[labels]
    batch = Batch(*(mx.array(array) for array in (x, target, logarithm_base(q), d, share)))
    loss, gradients = loss_and_gradients(Parameters.of(weights), batch)

    exemplars = x @ weights.projection_weight.T + weights.projection_bias
    logits = exemplars @ weights.classifier_weight.T + weights.classifier_bias
    assert loss.item() == pytest.approx((sdm.sdm_losses(logits, labels, q, d) * share).mean(), rel=1e-5)
    residual = sdm.loss_gradient(logits, labels, q, d) * share[:, None] / rows
    backward = residual @ weights.classifier_weight
    expected = backward.T @ x, backward.sum(axis=0), residual.T @ exemplars, residual.sum(axis=0)
    for got, wanted in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(np.array(got), wanted, atol=2e-6)


def test_both_forms_of_adam_take_the_same_steps() -> None:
    generator = np.random.default_rng(0)
    parameters = Parameters.of(sdm.initial_weights(generator, 5, 6, 2))
    zeros = tuple(np.zeros(array.shape, dtype=np.float32) for array in parameters)
    both = DeviceAdam(parameters, (zeros, zeros)), HostAdam(parameters, (zeros, zeros))
    for _ in range(5):
        gradients = Parameters(*(mx.array(generator.normal(size=p.shape)) for p in parameters))
        device, host = (adam.update(gradients, 0.01) for adam in both)
    for one, two in zip(device, host, strict=True):
        np.testing.assert_allclose(np.array(one), np.array(two), atol=1e-6)
    for one, two in zip(both[0].moments(), both[1].moments(), strict=True):
        for a, b in zip(one, two, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5)
