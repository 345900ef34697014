"""Claim: 20,000 documents of 384 numbers train with the product's defaults (M = 1000) in at most ten minutes on two
cores, and daemon and workers together stay under 1.5 GB.

CLINC150's requests (train, calibration, and as much of test as makes 20,000; 150 classes) through a real daemon from
an empty home. Timed is the training: fit and calibration of all shuffles. Embedding is the language model's time, and
shown beside it. Memory is the sum of every process's own peak of resident bytes (VmHWM), pages of the store and of the
language model's file included, so it is never less than what they held at one moment.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from bench import machine
from bench.daemon import Daemon
from bench.datasets import SHARED, needed
from bench.meter import Phases, descendants, resident_peak_mib
from bench.reference_job import watch
from bench.report import Check, Result, Table

ROWS, QUICK_ROWS = 20_000, 3000
TRAINING_MAX_S, RESIDENT_MAX_MIB = 600.0, 1.5e9 / 2**20
PROJECT = "scale"
PHASES = ("upload", "embed", "fit", "calibrate")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, default=SHARED, help="folder with clinc150/{train,calibration,test}.jsonl"
    )
    parser.add_argument("--rows", type=int, default=ROWS)


def run(options: argparse.Namespace) -> Result:
    lines = _lines(options.data, QUICK_ROWS if options.quick else options.rows)
    classes = 1 + max(line["label"] for line in lines)
    phases = Phases()
    with Daemon() as daemon, tempfile.TemporaryDirectory() as name, daemon.client() as client:
        labels = Path(name) / "labels.jsonl"
        labels.write_text(
            "".join(json.dumps({"label": at, "name": f"request-{at}"}) + "\n" for at in range(classes))
        )
        daemon.reexctl("project", "create", PROJECT, "--labels", str(labels))
        with phases.phase("upload"):
            client.upload(PROJECT, lines, "train")
        job = watch(client, client.train(PROJECT).name, phases)
        peaks = {
            ("daemon" if pid == daemon.pid else f"worker {pid}"): peak
            for pid in (daemon.pid, *sorted(descendants(daemon.pid)))
            if (peak := resident_peak_mib(pid))
        }
    return _result(len(lines), classes, phases, job.result, peaks)


def _lines(folder: Path, count: int) -> list[dict]:
    found: list[dict] = []
    for part in ("train", "calibration", "test"):
        path = needed(folder / "clinc150" / f"{part}.jsonl", "--data")
        with path.open(encoding="utf-8") as file:
            found += [json.loads(line) for line in file]
    step = max(1, len(found) // count)  # the files stand in the order of their classes
    spread = found if step == 1 else found[::step]
    return [{key: line[key] for key in ("id", "label", "document")} for line in spread[:count]]


def _result(rows: int, classes: int, phases: Phases, training: dict, peaks: dict[str, float]) -> Result:
    trained_s = sum(phases.wall_s.get(phase, 0.0) for phase in ("fit", "calibrate"))
    cpu_s = sum(phases.cpu_s.get(phase, 0.0) for phase in ("fit", "calibrate"))
    resident = sum(peaks.values())
    result = Result(
        raw={
            "rows": rows,
            "classes": classes,
            "phases_wall_s": phases.wall_s,
            "phases_cpu_s": phases.cpu_s,
            "resident_peaks_mib": peaks,
            "training": training,
        }
    )
    times = [
        (phase, f"{phases.wall_s.get(phase, 0.0):.1f}", f"{phases.cpu_s.get(phase, 0.0):.1f}")
        for phase in PHASES
    ]
    memory = [(name.partition(" ")[0], f"{peak:.0f}") for name, peak in peaks.items()]
    result.tables = [
        Table(f"{rows} documents, {classes} classes", ("phase", "wall s", "CPU s, all processes"), times),
        Table("Peak of resident memory", ("process", "MiB"), [*memory, ("together", f"{resident:.0f}")]),
    ]
    result.checks = [
        Check(
            f"training at most {TRAINING_MAX_S / 60:g} minutes on two cores",
            f"{trained_s:.0f} s on {machine.cores()} cores ({cpu_s:.0f} CPU s)",
            trained_s <= TRAINING_MAX_S,
        )
    ]
    if resident:
        result.checks.append(
            Check("under 1.5 GB of memory", f"{resident:.0f} MiB", resident < RESIDENT_MAX_MIB)
        )
    return result
