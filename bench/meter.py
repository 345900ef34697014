"""Clocks: CPU seconds of a process and all below it, phases in wall and CPU seconds, percentiles with spread."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

PARTS = 5  # a percentile's spread is its range over this many parts of the sample


def tree_cpu_s(root: int) -> float:
    """User and system seconds of `root`, its living descendants, and what it has reaped."""
    times = _linux_times() if sys.platform == "linux" else _ps_times()
    below, total = {root}, 0.0
    changed = True
    while changed:
        grown = below | {pid for pid, (parent, _) in times.items() if parent in below}
        changed, below = grown != below, grown
    for pid in below:
        total += times.get(pid, (0, 0.0))[1]
    return total


def descendants(root: int) -> set[int]:
    times = _linux_times() if sys.platform == "linux" else _ps_times()
    below: set[int] = set()
    while grown := {pid for pid, (parent, _) in times.items() if parent in below | {root}} - below:
        below |= grown
    return below


def resident_peak_mib(pid: int) -> float:
    """VmHWM of a process; 0 where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")] or ["VmHWM: 0 kB"]
    return int(line.split()[1]) / 2**10


def _linux_times() -> dict[int, tuple[int, float]]:
    """pid -> (parent, user + system seconds, reaped children included)"""
    tick = os.sysconf("SC_CLK_TCK")
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                found[int(folder.name)] = (int(fields[1]), sum(map(int, fields[11:15])) / tick)
    return found


def _ps_times() -> dict[int, tuple[int, float]]:
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,time="], capture_output=True, text=True, check=True
    )
    found = {}
    for line in listing.stdout.splitlines():
        pid, parent, clock = line.split()
        seconds = 0.0
        for part in clock.replace("-", ":").split(":"):
            seconds = 60 * seconds + float(part)
        found[int(pid)] = (int(parent), seconds)
    return found


@dataclass(slots=True)
class Phases:
    """Wall and CPU seconds by phase; CPU is that of the daemon, its workers, this process and its commands."""

    wall_s: dict[str, float] = field(default_factory=dict)
    cpu_s: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        wall, cpu = self.now()
        yield
        self.add(name, wall, cpu)

    def now(self) -> tuple[float, float]:
        # This process is the daemon's parent: its tree holds the daemon, the workers and the commands.
        return time.perf_counter(), tree_cpu_s(os.getpid())

    def add(self, name: str, wall: float, cpu: float) -> tuple[float, float]:
        """Close a phase that began at (wall, cpu); the present moment."""
        now = self.now()
        self.wall_s[name] = self.wall_s.get(name, 0.0) + now[0] - wall
        self.cpu_s[name] = self.cpu_s.get(name, 0.0) + now[1] - cpu
        return now


def percentile(samples: Sequence[float], share: float) -> tuple[float, float, float]:
    """The percentile over all samples, and its range over `PARTS` consecutive parts."""
    values = np.asarray(samples)
    parts = [np.percentile(part, share) for part in np.array_split(values, PARTS) if len(part)]
    return float(np.percentile(values, share)), float(min(parts)), float(max(parts))


def spread(values: Sequence[float], form: str = ".1f") -> str:
    """Mean and range."""
    mean = sum(values) / len(values)
    if len(values) == 1:
        return f"{mean:{form}}"
    return f"{mean:{form}} ({min(values):{form}} to {max(values):{form}})"
