"""docs/cli.md is what the program says of itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from reex.cli import exits

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_is_fresh():
    command = [sys.executable, ROOT / "tools" / "write_cli_docs.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_exit_code_is_explained():
    page = (ROOT / "docs" / "cli.md").read_text()
    for name, code in vars(exits).items():
        if name.isupper() and isinstance(code, int):
            assert f"| {code} |" in page, name
