"""Stores in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reexd.store.environment import Environment

MAP_SIZE_BYTES = 64 << 20


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Environment]:
    opened = Environment(tmp_path / "project", MAP_SIZE_BYTES)
    yield opened
    opened.close()
