"""A download's process ends when it should."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest
from reexd.errors import JobCancelled, SourceUnreachable
from reexd.registry import child

SLEEP = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"]


def run(command, **options):
    return child.run(command, source="a source", **options)


def test_what_it_said(tmp_path):
    ended = run(
        [sys.executable, "-c", "import sys; print('out'); print('why', file=sys.stderr); sys.exit(3)"]
    )
    assert (ended.code, ended.output.strip(), ended.last_line) == (3, "out", "why")


def test_its_bytes_are_counted_while_it_runs(tmp_path):
    program = (
        "import sys, time, pathlib; f = pathlib.Path(sys.argv[1], 'x').open('wb')\n"
        "for _ in range(5): f.write(bytes(1000)); f.flush(); time.sleep(0.2)"
    )
    seen = []
    run([sys.executable, "-c", program, str(tmp_path)], growing=tmp_path, on_bytes=seen.append)
    assert seen == sorted(set(seen))
    assert any(0 < size < 5000 for size in seen)


@pytest.mark.parametrize("limit", [{"deadline_s": 0.3}, {"stall_s": 0.3}])
def test_a_silent_source_is_given_up(tmp_path, limit):
    with pytest.raises(SourceUnreachable, match="a source"):
        run(SLEEP, growing=tmp_path, **limit)


def test_cancelling_ends_it_and_its_children(tmp_path):
    cancel = threading.Event()
    program = (
        "import os, pathlib, subprocess, sys, time\n"
        "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "pathlib.Path(sys.argv[1], 'pids').write_text(f'{os.getpid()} {inner.pid}'); time.sleep(600)"
    )
    with pytest.raises(JobCancelled):
        run(
            [sys.executable, "-c", program, str(tmp_path)],
            cancel=cancel,
            growing=tmp_path,
            on_bytes=lambda size: cancel.set() if size else None,
        )
    outer, inner = map(int, (tmp_path / "pids").read_text().split())
    with pytest.raises(ProcessLookupError):
        os.kill(outer, 0)
    # Gone, or dead and waiting for its reaper; a busy machine takes its time to let a killed process die.
    deadline = time.monotonic() + 20
    while (state := _state(inner)) not in ("", "Z") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert state in ("", "Z")


def _state(pid: int) -> str:
    """One letter of the kernel's; empty for a process that is gone, or where there is no /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0]
    except OSError:
        return ""
