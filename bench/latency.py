"""Claim: `query` costs the forward pass and at most 3 ms; p99 while training is at most five times the idle p99.

A daemon with the classifier of the reference job (with --quick, or without the PhraseBank, of the shipped corpus)
answers one text a call. Clients are processes with a channel of their own; no text is stored, so each is read by the
language model. The bare forward pass runs in one more process, set up as a worker is, on the same texts, in turns
with the single client. Loaded: the same while a training job embeds 20,000 documents, and while one fits. Besides:
documents uploaded per second.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reex import Client

from bench import datasets, synthetic
from bench.daemon import ROOT, BenchFailed, Daemon, ended, succeeded
from bench.meter import percentile, spread
from bench.report import Check, Result, Table

PROJECT, BULK = "asked", "bulk"
MANY = 16
OVERHEAD_MAX_MS, LOADED_MAX_TIMES = 3.0, 5.0
TURN_S = 0.5  # of the single client, before the forward pass has its turn


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--csv", type=Path, default=datasets.PHRASEBANK, help="all-data.csv, as it is downloaded"
    )
    parser.add_argument("--seconds", type=float, default=15.0, help="of each measurement")
    parser.add_argument("--documents", type=int, default=20_000, help="uploaded and then embedded")


def run(options: argparse.Namespace) -> Result:
    seconds = 2.0 if options.quick else options.seconds
    count = 4_000 if options.quick else options.documents
    result = Result()
    with Daemon() as daemon, tempfile.TemporaryDirectory() as name, daemon.client() as client:
        folder = Path(name)
        uploads = _uploads(daemon, client, folder, count, 1 if options.quick else 3)
        texts, what = _trained(daemon, client, folder, options)
        print(f"  classifier ready; {seconds:g} s a measurement", flush=True)
        samples, forward = _idle(daemon, texts, seconds)
        samples |= _loaded(daemon, client, texts, seconds)
    result.raw |= {"uploads": uploads, "samples_ms": samples, "forward": forward, "classifier": what}
    result.tables = [_queries(samples, forward), _uploads_table(uploads, count)]
    result.checks = _checks(samples, forward)
    result.notes = [
        f"classifier: {what}; clients are processes with their own channel",
        "p50 and p99 with their range over five parts of the sample",
        f"forward pass: {forward['blas']}, threads as the worker kept for questions; in turns with the single client",
    ]
    return result


# What is asked


def _trained(daemon: Daemon, client: Client, folder: Path, options: argparse.Namespace) -> tuple[Path, str]:
    """A trained project, and a file of texts that it does not hold."""
    if options.quick or not options.csv.is_file():
        source, what = datasets.CORPUS, "the shipped corpus"
    else:
        source, what = folder / "phrasebank", "the reference job"
        daemon.reexctl("prepare", "financial-phrasebank", str(options.csv.resolve()), "--out", str(source))
    daemon.reexctl("project", "create", PROJECT, "--labels", str(source / "labels.jsonl"))
    for split in ("train", "calibration"):
        client.upload(PROJECT, source / f"{split}.jsonl", split)
    job = succeeded(ended(client, client.train(PROJECT, seed=0).name))
    return source / "test.jsonl", f"{what}, {sum(job.result['support_rows'])} support rows"


# Queries


class Clients:
    """Processes that query when told to."""

    def __init__(self, daemon: Daemon, texts: Path, count: int) -> None:
        command = [
            sys.executable,
            "-m",
            "bench.query_client",
            str(daemon.location.socket),
            PROJECT,
            str(texts),
        ]
        self._processes = [_child([*command, str(17 * at)]) for at in range(count)]
        for process in self._processes:
            _line(process)

    def query(self, seconds: float) -> list[float]:
        """Milliseconds of every query, of all clients in the order of time within each."""
        for process in self._processes:
            _tell(process, f"{seconds}")
        took = [json.loads(_line(process)) for process in self._processes]
        # Interleaved, so that a part of the sample is a part of the time.
        return [each[at] for at in range(max(map(len, took))) for each in took if at < len(each)]

    def close(self) -> None:
        for process in self._processes:
            _end(process)


def _idle(daemon: Daemon, texts: Path, seconds: float) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """One client in turns with the bare forward pass, then many clients."""
    forward: list[list[float]] = []
    one: list[float] = []
    asked = datasets.documents(texts)
    process = _child([sys.executable, "-m", "bench.forward_pass", "minilm"], daemon.environment)
    clients = Clients(daemon, texts, 1)
    try:
        blas = json.loads(_line(process))["blas"]
        while sum(one) < 1e3 * seconds:
            turn = clients.query(TURN_S)
            at = len(one)
            _tell(process, json.dumps([asked[(at + place) % len(asked)] for place in range(len(turn))]))
            forward += json.loads(_line(process))
            one += turn
    finally:
        clients.close()
        _end(process)
    with _clients(daemon, texts, MANY) as many:
        samples = {"idle, 1": one, f"idle, {MANY}": many.query(seconds)}
    tokenising, passing = ([pair[place] for pair in forward] for place in (0, 1))
    return samples, {"blas": blas, "forward_ms": passing, "tokenising_ms": tokenising}


def _loaded(daemon: Daemon, client: Client, texts: Path, seconds: float) -> dict[str, list[float]]:
    """The same while a job embeds, and while one fits; the job's phase is checked before and after."""
    samples = {}
    with _clients(daemon, texts, 1) as one, _clients(daemon, texts, MANY) as many:
        for phase, project in (("embed", BULK), ("fit", PROJECT)):
            # Long enough to outlast the measurement, then cancelled.
            name = client.train(project, epochs=10_000, patience=0).name
            _reach(client, name, phase)
            for clients, count in ((one, 1), (many, MANY)):
                samples[f"{phase}, {count}"] = clients.query(seconds)
                _reach(client, name, phase)
            client.cancel_job(name)
            ended(client, name)
    return samples


def _reach(client: Client, name: str, phase: str) -> None:
    """Wait until the job is in the midst of `phase`. Raises BenchFailed when it is beyond."""
    for job in client.watch_job(name):
        if job.phase == phase and job.done:
            return
        if job.ended or (job.phase == "fit" and phase == "embed"):
            raise BenchFailed(
                f"{name} left phase {phase} before the measurement ended; give it more --documents"
            )


@contextmanager
def _clients(daemon: Daemon, texts: Path, count: int) -> Iterator[Clients]:
    clients = Clients(daemon, texts, count)
    try:
        yield clients
    finally:
        clients.close()


# Uploads


def _uploads(
    daemon: Daemon, client: Client, folder: Path, count: int, repeats: int
) -> list[dict[str, float]]:
    """A file of short documents into an empty project, through the command line as a person would."""
    file = synthetic.write(folder / "bulk.jsonl", synthetic.documents(count, seed=0))
    found = []
    for at in range(repeats):
        name = f"{BULK}-{at}" if at else BULK
        client.create_project(name, synthetic.CLASSES)
        begun = time.perf_counter()
        stored = client.upload(name, file, "train").added
        library_s = time.perf_counter() - begun
        client.create_project(f"{name}-cli", synthetic.CLASSES)
        begun = time.perf_counter()
        daemon.reexctl("upload", f"{name}-cli", str(file), "--split", "train")
        found.append({"library_s": library_s, "command_s": time.perf_counter() - begun})
        if stored != count:
            raise BenchFailed(f"{stored} of {count} documents were stored")
    return found


# Children


def _child(command: list[str], environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise BenchFailed(f"{process.args} ended with exit code {process.wait()}")
    return line


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


# Tables


def _ms(samples: Sequence[float], share: float) -> str:
    value, low, high = percentile(samples, share)
    return f"{value:.1f} ({low:.1f} to {high:.1f})"


def _queries(samples: dict[str, list[float]], forward: dict[str, Any]) -> Table:
    passes = forward["forward_ms"]
    rows = [("forward pass alone", "-", len(passes), _ms(passes, 50), _ms(passes, 99))]
    names = {"idle": "idle", "embed": "while a training embeds", "fit": "while a training fits"}
    for name, took in samples.items():
        load, _, clients = name.partition(", ")
        rows.append((names[load], clients, len(took), _ms(took, 50), _ms(took, 99)))
    return Table("One `query`, milliseconds", ("", "clients", "queries", "p50", "p99"), rows)


def _uploads_table(uploads: list[dict[str, float]], count: int) -> Table:
    rows = [
        (way, spread([count / each[key] for each in uploads], ",.0f"))
        for way, key in (("Client.upload", "library_s"), ("reexctl upload, start-up included", "command_s"))
    ]
    return Table(f"Upload of {count:,} short documents, JSON Lines", ("", "documents / s"), rows)


def _checks(samples: dict[str, list[float]], forward: dict[str, Any]) -> list[Check]:
    bare, one = percentile(forward["forward_ms"], 50)[0], percentile(samples["idle, 1"], 50)[0]
    checks = [
        Check(
            f"one client: forward pass plus at most {OVERHEAD_MAX_MS:g} ms (p50)",
            f"{one:.1f} ms, {one - bare:.1f} above {bare:.1f}",
            one - bare <= OVERHEAD_MAX_MS,
        )
    ]
    for count in (1, MANY):
        idle = percentile(samples[f"idle, {count}"], 99)[0]
        worst = max(percentile(samples[f"{phase}, {count}"], 99)[0] for phase in ("embed", "fit"))
        claim = f"{count} clients: p99 while training at most {LOADED_MAX_TIMES:g} times idle p99"
        figure = f"{worst:.1f} ms, {worst / idle:.1f} times {idle:.1f}"
        checks.append(Check(claim, figure, worst <= LOADED_MAX_TIMES * idle))
    return checks
