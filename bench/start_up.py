"""Claim: `reexctl --help` costs what Typer costs, and at most 100 ms of CPU more.

Short programs in turns, from the start of the process to its end: the interpreter alone, Typer alone, the command line
asked for help. The bytecode is compiled and the files are in the page cache after the first turn, which is not counted.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from bench.daemon import BenchFailed
from bench.meter import percentile
from bench.report import Check, Result, Table

ABOVE_TYPER_MAX_S = 0.1
INTERPRETER, TYPER, HELP = "python -c pass", "python -c 'import typer'", "reexctl --help"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--starts", type=int, default=30, help="of each program")


def run(options: argparse.Namespace) -> Result:
    script = str(Path(sys.executable).with_name("reexctl"))
    commands = {
        INTERPRETER: [sys.executable, "-c", "pass"],
        TYPER: [sys.executable, "-c", "import typer"],
        HELP: [script, "--help"],
        "reexctl query --help": [script, "query", "--help"],
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for turn in range(1 + (5 if options.quick else options.starts)):
        for name, command in commands.items():
            took = _timed(name, command)
            if turn:
                found[name].append(took)
    rows = [
        (name, *(_median([1e3 * each[clock] for each in starts]) for clock in ("wall_s", "cpu_s")))
        for name, starts in found.items()
    ]
    typer_s, help_s = (percentile([each["cpu_s"] for each in found[name]], 50)[0] for name in (TYPER, HELP))
    above = f"{1e3 * (help_s - typer_s):.0f} ms of CPU above {1e3 * typer_s:.0f}"
    holds = help_s - typer_s <= ABOVE_TYPER_MAX_S
    return Result(
        raw={"starts": found},
        tables=[Table("Milliseconds, median and its range over five parts", ("", "wall", "CPU"), rows)],
        checks=[Check("reexctl --help: Typer's own cost plus at most 100 ms", above, holds)],
    )


def _timed(name: str, command: list[str]) -> dict[str, float]:
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchFailed(f"{name} ended with exit code {process.returncode}")
    return {"wall_s": wall, "cpu_s": used.ru_utime + used.ru_stime}


def _median(milliseconds: list[float]) -> str:
    value, low, high = percentile(milliseconds, 50)
    return f"{value:.0f} ({low:.0f} to {high:.0f})"
