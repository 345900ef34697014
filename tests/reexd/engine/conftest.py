"""Engines for the tests: one that they share, and one apiece for those that kill workers."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from reexd.engine.client import Engine, EngineSettings
from reexd.engine.tuning.network import Inputs, Network
from reexd.engine.tuning.settings import TuneSettings
from reexd.pooling import parse
from reexd.records import ModelFiles


@pytest.fixture(scope="session")
def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine with one bulk worker that nobody may break."""
    settings = EngineSettings(workers=1)
    engine = Engine(settings, tmp_path_factory.mktemp("scratch"))
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture
def start_engine(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """Starts an engine of the test's own; fields of EngineSettings as keywords."""
    engines: list[Engine] = []

    def start(**settings: object) -> Engine:
        chosen = dataclasses.replace(
            EngineSettings(workers=1),
            **settings,
        )
        engine = Engine(chosen, tmp_path / f"scratch-{len(engines)}")
        engines.append(engine)
        engine.start()
        return engine

    yield start
    for engine in engines:
        engine.stop()


@pytest.fixture(scope="session")
def tiny_llama(tiny_models: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    """A llama of two layers whose tokens are words (`LLAMA_WORDS` of models.py), with a chat template."""
    return tiny_models.write_tiny_llama(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture(scope="session")
def minilm() -> ModelFiles:
    """The default model, where this machine has it: REEX_TEST_MINILM, or `minilm` below REEX_MODELS or the home."""
    candidates = [
        Path(os.environ.get("REEX_TEST_MINILM") or "/nonexistent"),
        Path(os.environ.get("REEX_MODELS") or "/nonexistent") / "minilm",
        Path.home() / ".local" / "share" / "reex" / "models" / "minilm",
    ]
    for folder in candidates:
        if (folder / "config.json").is_file():
            return ModelFiles("minilm", folder, {})
    pytest.skip("minilm is not on this machine: reexctl models pull minilm, or set REEX_TEST_MINILM")


@pytest.fixture(scope="session")
def assert_slope() -> Callable[..., None]:
    def assert_slope(model: Any, settings: TuneSettings, pooling: str) -> None:
        """The gradient is the slope of the loss along random directions, by central differences."""
        rng = np.random.default_rng(1)
        settings = dataclasses.replace(settings, class_count=3, layers=2, dropout=0.0)
        network = Network(model, parse(pooling), settings)
        lengths = np.array([9, 7, 4])
        x = rng.standard_normal((3, 9, model.args.hidden_size)).astype(np.float32)
        inputs = Inputs(x, lengths, np.array([0, 1, 2]), lengths, np.array([0, 1, 2]))
        vector = network.weights()
        vector[network.leaves[-2].begin :] = rng.standard_normal(len(vector) - network.leaves[-2].begin)
        labels, weights = np.array([2, 0, 1]), np.array([1.0, 0.5, 2.0], np.float32)
        slope, scratch = np.empty_like(vector), np.empty_like(vector)

        def loss(at: np.ndarray) -> float:
            return network.gradient(at, inputs, labels, weights, 0, scratch, add=False)

        network.gradient(vector, inputs, labels, weights, 0, slope, add=False)
        for _ in range(3):
            direction = rng.standard_normal(len(vector)).astype(np.float32)
            direction *= 0.05 / np.linalg.norm(direction)
            difference = (loss(vector + direction) - loss(vector - direction)) / 2
            assert difference == pytest.approx(float(slope @ direction), rel=0.03, abs=1e-4)
        twice = slope.copy()
        network.gradient(vector, inputs, labels, weights, 0, twice, add=True)
        assert np.allclose(twice, 2 * slope, rtol=1e-4, atol=1e-6)

    return assert_slope
