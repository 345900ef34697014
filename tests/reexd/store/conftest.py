"""Stores in a temporary folder."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from reexd.store.environment import Environment

MAP_SIZE_BYTES = 64 << 20


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Environment]:
    opened = Environment(tmp_path / "project", MAP_SIZE_BYTES)
    yield opened
    opened.close()


@pytest.fixture
def samples() -> ModuleType:
    """The module samples.py: pytest imports tests by path, so that they cannot import each other by name."""
    location = Path(__file__).with_name("samples.py")
    spec = importlib.util.spec_from_file_location("store_samples", location)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
