"""Engines for the tests: one that they share, and one apiece for those that kill workers."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from reexd.engine.client import Engine, EngineSettings
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
