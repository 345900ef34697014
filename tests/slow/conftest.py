"""The official package, in an environment of its own (REEX_PEER_PYTHON names its interpreter; `make slow` does)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def peer() -> Callable[..., dict]:
    """Runs one command of the official package; returns the JSON that it prints."""
    interpreter = os.environ.get("REEX_PEER_PYTHON", "")
    if not interpreter:
        pytest.skip("REEX_PEER_PYTHON names no interpreter with reexpress_sdm; `make slow` builds one")

    def run(*arguments: str | Path) -> dict:
        command = [interpreter, "-m", "reexpress_sdm", *map(str, arguments)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
        return json.loads(ended.stdout) if ended.stdout.strip().startswith("{") else {}

    return run
