"""Killing a bench's daemon, and what is noted of it. Owns when, and that its workers follow it."""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from bench.daemon import Daemon

SPREAD_TO = 0.92  # of the work: the last kill lands before its end, unless this run is the quicker one
WORKERS_END_MAX_S = 10.0


@dataclass(slots=True)
class Trial:
    """One kill. `problems` is empty when the contract held."""

    after: str  # what the kill came after
    early: bool = False  # before the work was done
    acknowledged: int = 0
    stored: int = 0
    phase: str = ""  # that the job was in
    outcome: str = ""
    restart_s: float = 0.0
    finish_s: float = 0.0  # from serving again to the end of the job
    problems: list[str] = field(default_factory=list)


def counted(words: list[str]) -> str:
    return ", ".join(f"{words.count(word)} {word}" for word in sorted(set(words)))


def shares(kills: int, rng: random.Random) -> list[float]:
    """Shares of the whole, one in each of equal parts, in random order."""
    found = [SPREAD_TO * (at + rng.random()) / kills for at in range(kills)]
    rng.shuffle(found)
    return found


def kill_in(daemon: Daemon, seconds: float) -> threading.Thread:
    """From a thread: the caller is in the midst of a call."""
    timer = threading.Timer(seconds, daemon.kill)
    timer.start()
    return timer


def restart(daemon: Daemon, workers: set[int], trial: Trial) -> None:
    trial.restart_s = daemon.start()
    deadline = time.monotonic() + WORKERS_END_MAX_S
    while left := {pid for pid in workers if _runs(pid)}:
        if time.monotonic() > deadline:
            trial.problems.append(f"{len(left)} workers outlived their daemon")
            return
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False
