"""Defaults from the data's size, their bounds, and the splits they make."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from reexd.engine.adaptor.settings import FitSettings, choose, official
from reexd.errors import InvalidSetting, NotEnoughData


def test_official_settings_are_the_package_s() -> None:
    settings = official(3)
    assert (settings.epochs, settings.batch_size, settings.learning_rate) == (20, 64, 1e-5)
    assert (settings.exemplar_size, settings.neighbors_max, settings.shuffles) == (1000, 2048, 1)
    assert (settings.balanced, settings.stratified, settings.patience) == (False, False, 0)
    assert settings.pooled_classes_min == 0
    assert (settings.regression_start, settings.certified) == (False, False)


@pytest.mark.parametrize(
    "class_rows", [[20, 20, 20], [100, 100], [2579, 1063, 304], [120] * 150, [50_000, 50_000]]
)
def test_every_size_gets_enough_steps_and_a_bounded_batch(class_rows: list[int]) -> None:
    settings = choose(class_rows)
    rows = settings.training_share * sum(class_rows)
    steps = settings.epochs * -(-rows // settings.batch_size)
    assert steps >= 120
    assert steps * settings.learning_rate >= 0.04  # fewer rows, larger steps
    assert 16 <= settings.batch_size <= 256
    assert settings.balanced
    assert settings.stratified
    assert settings.patience


def test_what_the_caller_fixes_stays() -> None:
    settings = choose([50, 50], epochs=2, shuffles=7, seed=9)
    assert (settings.epochs, settings.shuffles, settings.seed) == (2, 7, 9)


@pytest.mark.parametrize("tuned", [False, True])
def test_a_regression_comes_first_at_any_size_and_over_a_tuned_model_calibration_sets_the_bias(
    tuned: bool,
) -> None:
    for rows in (30, 5000):
        settings = choose([rows, rows], tuned=tuned)
        assert settings.regression_start
        assert settings.calibrated_bias == tuned


def test_a_class_without_rows_is_named() -> None:
    with pytest.raises(NotEnoughData, match="class 1 has 1"):
        choose([5, 1])


@pytest.mark.parametrize(
    "change",
    [
        {"class_count": 1},
        {"epochs": 0},
        {"cross_entropy_epochs": 21},
        {"learning_rate": 0.0},
        {"learning_rate": 1e-60},
        {"learning_rate": float("nan")},
        {"seed": -1},
        {"seed": 2**64},
        {"training_share": 1.0},
        {"neighbors_max": 1},
        {"q_offset": 3.0},
        {"q_offset": 1.0},
        {"batch_size": 2.5},
        {"unheard_of": 1},
    ],
)
def test_settings_out_of_bounds_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(InvalidSetting):
        FitSettings.from_dict({"class_count": 2, **change})


def test_settings_survive_a_mapping() -> None:
    settings = choose([30, 40], seed=3)
    assert FitSettings.from_dict(settings.to_dict()) == settings


def test_official_halves_follow_the_recipe() -> None:
    labels = np.arange(11) % 2
    training, calibration = official(2, seed=5).split(labels, 2)
    order = np.random.default_rng(7).permutation(11)
    assert training.tolist() == order[:5].tolist()
    assert calibration.tolist() == order[5:].tolist()


def test_a_split_that_lacks_a_class_is_refused() -> None:
    with pytest.raises(NotEnoughData, match="shuffle 1"):
        official(2).split(np.array([0] * 20 + [1]), 0)


def test_settings_need_no_mlx() -> None:
    """The daemon reads them, and never loads MLX."""
    code = (
        "import sys, reexd.engine.adaptor.settings; sys.exit(any(m.startswith('mlx') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
