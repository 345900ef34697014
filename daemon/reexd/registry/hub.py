"""The Hugging Face hub as a source. Owns the two questions put to it: what is there, and send it.

The library runs in a child process (`hub_child.py`): it retries a dead network for twenty seconds, cannot be
cancelled, and brings an HTTP stack the daemon has no other use for. HF_ENDPOINT and HF_TOKEN work as always.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reexd.errors import InvalidInput, ModelCorrupt, ModelNotFound, SourceUnreachable
from reexd.registry import child
from reexd.registry.references import OnHub

STALL_S = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a revision holds. `digests` covers the files the hub keeps as large files."""

    revision: str  # the commit
    sizes: dict[str, int]
    digests: dict[str, str]
    licence: str


def plan(source: OnHub, *, deadline_s: float, endpoint: str | None, cancel: threading.Event | None) -> Plan:
    """Ask what the revision holds.

    Raises SourceUnreachable within `deadline_s`, ModelNotFound for an unknown repository or revision.
    """
    answer = _ask("plan", source, endpoint=endpoint, cancel=cancel, deadline_s=deadline_s)
    try:
        return Plan(
            revision=str(answer["revision"]),
            sizes={str(name): int(size) for name, size in answer["sizes"].items()},
            digests={str(name): str(digest) for name, digest in answer["digests"].items()},
            licence=str(answer["licence"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelCorrupt(f"{source}: the hub's answer cannot be read: {error}") from error


def fetch(
    source: OnHub,
    sizes: dict[str, int],
    folder: Path,
    *,
    endpoint: str | None,
    cancel: threading.Event | None,
    on_bytes: Callable[[int], None],
) -> None:
    """Download the files of `sizes` (bytes) into `folder`; what an earlier try left there is continued.

    `source` names a commit, so that what was there before belongs to the same files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _ask(
        "fetch",
        source,
        endpoint=endpoint,
        cancel=cancel,
        stall_s=STALL_S,
        growing=folder,
        on_bytes=on_bytes,
        sizes=sizes,
        folder=str(folder),
    )


def _ask(
    verb: str,
    source: OnHub,
    *,
    endpoint: str | None,
    cancel: threading.Event | None,
    deadline_s: float | None = None,
    stall_s: float | None = None,
    growing: Path | None = None,
    on_bytes: Callable[[int], None] | None = None,
    **request: object,
) -> dict:
    request |= {
        "verb": verb,
        "repository": source.repository,
        "revision": source.revision,
        "endpoint": endpoint,
    }
    ended = child.run(
        [sys.executable, "-P", "-m", "reexd.registry.hub_child", json.dumps(request)],
        source=str(source),
        cancel=cancel,
        deadline_s=deadline_s,
        stall_s=stall_s,
        growing=growing,
        on_bytes=on_bytes,
    )
    try:
        answer = json.loads(ended.output.splitlines()[-1])
    except (IndexError, ValueError):
        answer = {"error": ended.last_line, "kind": "unreachable"}
    if "error" not in answer:
        return answer
    what = f"{source}: {answer['error']}"
    if answer.get("kind") == "missing":
        raise ModelNotFound(f"{what}. Check the repository and the revision.", source=source)
    if answer.get("kind") == "refused":
        raise InvalidInput(f"{what}. Accept its terms on the hub and set HF_TOKEN.", source=source)
    raise SourceUnreachable(what, source=source)
