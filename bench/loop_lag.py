"""Claim: the daemon's event loop lags at most 50 ms while 20,000 rows are evaluated.

One process asks for the daemon's health every few milliseconds: an answer that only the loop gives, so that its round
trip is the loop's lag and the trip itself. First idle, then while another evaluates a split that was never embedded
(so everything runs: the language model, matching, scoring, storing), then while it is evaluated from the store.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import synthetic
from bench.daemon import ROOT, BenchFailed, Daemon, ended, succeeded
from bench.meter import percentile
from bench.report import Check, Result, Table

PROJECT, SPLIT = "watched", "incoming"
TRAINED = 900
LAG_MAX_MS = 50.0
IDLE_S = 10.0


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--documents", type=int, default=20_000, help="evaluated")


def run(options: argparse.Namespace) -> Result:
    count = 2_000 if options.quick else options.documents
    with Daemon() as daemon, tempfile.TemporaryDirectory() as name, daemon.client(timeout=3_600.0) as client:
        made = synthetic.documents(TRAINED + count, seed=0)
        client.create_project(PROJECT, synthetic.CLASSES)
        for split, lines in (("train", made[:TRAINED]), (SPLIT, made[TRAINED:])):
            client.upload(PROJECT, synthetic.write(Path(name) / f"{split}.jsonl", lines), split)
        succeeded(ended(client, client.train(PROJECT, seed=0).name))
        with Pinger(daemon) as pinger:
            time.sleep(IDLE_S)
            samples = {"idle": pinger.taken()}
            seconds = {}
            for load in ("evaluating, from text", "evaluating, from the store"):
                begun = time.perf_counter()
                evaluation = client.evaluate(PROJECT, SPLIT)
                seconds[load] = time.perf_counter() - begun
                samples[load] = pinger.taken()
                if evaluation.n != count:
                    raise BenchFailed(f"{evaluation.n} of {count} documents were evaluated")
    rows = [
        (load, f"{seconds[load]:.1f}" if load in seconds else "", len(took), *_figures(took))
        for load, took in samples.items()
    ]
    idle = percentile(samples["idle"], 50)[0]
    worst = max(max(took) for load, took in samples.items() if load in seconds)
    return Result(
        raw={"samples_ms": samples, "seconds": seconds, "documents": count},
        tables=[
            Table(
                f"Round trip of a health check while {count:,} documents are evaluated, milliseconds",
                ("", "seconds", "checks", "p50", "p99", "longest"),
                rows,
            )
        ],
        checks=[
            Check(
                f"the loop lags at most {LAG_MAX_MS:g} ms",
                f"{worst - idle:.1f} ms at worst above the idle median of {idle:.1f}",
                worst - idle <= LAG_MAX_MS,
            )
        ],
        notes=["health checks one after the other, 2 ms apart, by a process of its own"],
    )


def _figures(took: list[float]) -> tuple[str, ...]:
    return (*(f"{percentile(took, share)[0]:.1f}" for share in (50, 99)), f"{max(took):.1f}")


class Pinger:
    """A process that asks for health again and again; `taken` hands over the milliseconds since the last time."""

    def __init__(self, daemon: Daemon) -> None:
        command = [sys.executable, "-m", "bench.loop_lag", str(daemon.location.socket)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Pinger:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def taken(self) -> list[float]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise BenchFailed("the process that asks for health ended")
        return json.loads(line)


def _ping(socket: str) -> None:
    import select

    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    took: list[Any] = []
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        while True:
            begun = time.perf_counter()
            check(health_pb2.HealthCheckRequest(), timeout=60.0)
            took.append(1e3 * (time.perf_counter() - begun))
            if select.select([sys.stdin], [], [], 0.002)[0]:
                if not sys.stdin.readline():
                    return
                print(json.dumps(took), flush=True)
                took = []


if __name__ == "__main__":
    _ping(sys.argv[1])
