"""A download as a child process: it can be cancelled at once, timed out, and watched by the bytes it writes.

Owns the process and the waiting; knows neither hub nor index. The child inherits the environment, and with
it the user's proxies, certificates, mirrors and credentials.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reexd.errors import JobCancelled, SourceUnreachable

POLL_S = 0.1
ERROR_TAIL_CHARACTERS = 2000
OUTPUT_MAX_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    output: str
    errors: str  # the last characters of standard error

    @property
    def last_line(self) -> str:
        lines = [line.strip() for line in self.errors.splitlines() if line.strip()]
        return lines[-1] if lines else f"exit code {self.code}"


def run(
    command: Sequence[str],
    *,
    source: str,
    cancel: threading.Event | None = None,
    deadline_s: float | None = None,
    stall_s: float | None = None,
    growing: Path | None = None,
    on_bytes: Callable[[int], None] | None = None,
) -> Ended:
    """Run `command` to its end.

    `growing` is the folder it writes into; `on_bytes` hears its size. Raises JobCancelled, or
    SourceUnreachable when `deadline_s` has passed or nothing was written for `stall_s`; the child and its
    children are gone then.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,  # never written to: it ends with this process, however that ends
            stdout=output,
            stderr=errors,
            cwd="/",
            start_new_session=True,
        )
        try:
            _wait(child, source, cancel, deadline_s, stall_s, growing, on_bytes)
        finally:
            _end(child)
        output.seek(0)
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - 4 * ERROR_TAIL_CHARACTERS))
        return Ended(
            code=child.returncode,
            output=output.read(OUTPUT_MAX_BYTES).decode("utf-8", "replace"),
            errors=errors.read().decode("utf-8", "replace")[-ERROR_TAIL_CHARACTERS:],
        )


def _wait(
    child: subprocess.Popen,
    source: str,
    cancel: threading.Event | None,
    deadline_s: float | None,
    stall_s: float | None,
    growing: Path | None,
    on_bytes: Callable[[int], None] | None,
) -> None:
    started = moved = time.monotonic()
    last = -1
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(POLL_S)
            return
        now = time.monotonic()
        if cancel is not None and cancel.is_set():
            raise JobCancelled(
                f"the download from {source} was cancelled; pull again to go on", source=source
            )
        size = folder_size(growing) if growing is not None else 0
        if size != last:
            last, moved = size, now
            if on_bytes is not None and growing is not None:
                on_bytes(size)
        if deadline_s is not None and now - started > deadline_s:
            raise SourceUnreachable(f"{source} did not answer within {deadline_s:.0f} s", source=source)
        if stall_s is not None and now - moved > stall_s:
            raise SourceUnreachable(
                f"{source} sent nothing for {stall_s:.0f} s; pull again to go on", source=source
            )


def _end(child: subprocess.Popen) -> None:
    """Nothing of the child's session is left, whether it ended by itself or not."""
    if child.stdin is not None:
        child.stdin.close()
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(2)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def folder_size(folder: Path) -> int:
    """Bytes in the files below a folder that another process is changing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118
    return total
