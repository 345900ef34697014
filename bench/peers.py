"""The environment of the peers, apart from the project's own: torch (CPU build) and what is measured against.

python -m bench peers [--folder DIR]        builds it below .cache/peers, once
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from pathlib import Path

from bench.daemon import ROOT

FOLDER = ROOT / ".cache" / "peers"
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"  # PyPI's own build for Linux brings gigabytes of CUDA
PACKAGES = ("sentence-transformers>=5", "reexpress_sdm==0.4.8", "scikit-learn>=1.5", "numpy>=2.0")


class PeersAbsent(Exception):
    """The peers' environment is not there; the message says how to make it."""


def python(asked: str = "") -> Path:
    """The interpreter of the peers. Raises PeersAbsent."""
    found = Path(asked) if asked else FOLDER / "bin" / "python"
    if not found.exists():
        raise PeersAbsent(
            f"{found} is absent; build it: python -m bench peers, or name one: --peer-python PATH"
        )
    return found.absolute()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, default=FOLDER)
    folder = parser.parse_args(arguments).folder
    if not (folder / "bin" / "python").exists():
        print(f"making {folder}", flush=True)
        venv.create(folder, with_pip=True)
    install = [
        str(folder / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    index = ["--index-url", TORCH_INDEX] if sys.platform == "linux" else []
    for command in ([*install, *index, "torch"], [*install, *PACKAGES]):
        print(" ".join(command[1:]), flush=True)
        if code := subprocess.run(command, check=False).returncode:
            return code
    print(f"ready: {folder / 'bin' / 'python'}")
    return 0
