"""`reexd serve` as a program: what it takes at its start, and a line where it cannot."""

from __future__ import annotations

import resource
import shlex
import subprocess
import sys
from pathlib import Path

import pytest


def test_a_start_on_a_full_disk_is_told_in_a_line(daemons, models_folder):
    daemon = daemons.Daemon(models_folder)
    command = shlex.join([sys.executable, "-m", "reexd", "serve"])
    try:
        done = subprocess.run(
            ["sh", "-c", f"ulimit -f 0; exec {command}"],
            env=dict(daemon.environ),
            capture_output=True,
            timeout=60,
            check=False,
        )
    finally:
        daemon.__exit__()
    assert done.returncode == 1
    assert b"could not write" in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "occupy", [Path.mkdir, lambda log: log.symlink_to("elsewhere")], ids=["folder", "link"]
)
def test_a_start_without_its_log_is_told_in_a_line(daemons, models_folder, occupy):
    daemon = daemons.Daemon(models_folder)
    log = daemon.location.logs / "reexd.log"
    log.parent.mkdir(mode=0o700)
    occupy(log)
    try:
        with daemons.sent(daemon.spawn()) as process:
            _, said = process.communicate(timeout=60)
    finally:
        daemon.__exit__()
    assert process.returncode == 1
    assert str(log) in said.decode() and len(said.splitlines()) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are read from /proc")
def test_a_low_limit_of_open_files_is_raised(daemons, models_folder):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, soft), hard))
    try:
        with daemons.Daemon(models_folder) as daemon:
            limits = Path(f"/proc/{daemon.pid}/limits").read_text()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    allowed = next(line for line in limits.splitlines() if line.startswith("Max open files")).split()[3]
    assert int(allowed) == min(4096, hard if hard != resource.RLIM_INFINITY else 4096)
