"""The reference job, step by step against a private daemon: what `phrasebank` and `off_distribution` both run."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reex import Client
from reex.figures import Evaluation
from reex.types import Job

from bench.daemon import Daemon, succeeded
from bench.meter import Phases

PROJECT = "phrasebank"
SPLITS = ("train", "calibration", "test")
ALPHA = 0.9  # the rung that the claims are about


@dataclass(slots=True)
class Run:
    """One training and what it came to."""

    seed: int
    phases: Phases
    job: Job
    evaluation: Evaluation
    wall_s: float = 0.0
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def training(self) -> dict[str, Any]:
        return self.job.result

    def rung(self, alpha: float) -> tuple[int, int]:
        return admitted_at(self.evaluation, alpha)


def admitted_at(evaluation: Evaluation, alpha: float) -> tuple[int, int]:
    """(admitted, right) among the documents of the evaluated split at `alpha` or higher."""
    reached = [region for region in evaluation.regions if region.alpha >= alpha - 1e-9]
    if not reached:
        return 0, 0
    lowest = min(reached, key=lambda region: region.alpha)
    return lowest.admitted, lowest.correct


def prepare_and_upload(daemon: Daemon, csv: Path, folder: Path, phases: Phases, model: str = "") -> None:
    """The commands of the README, each as a process of its own; with the default language model or another."""
    chosen = ("--model", model) if model else ()
    with phases.phase("prepare"):
        daemon.reexctl("prepare", "financial-phrasebank", str(csv), "--out", str(folder))
    with phases.phase("upload"):
        daemon.reexctl("project", "create", PROJECT, "--labels", str(folder / "labels.jsonl"), *chosen)
        for split in SPLITS:
            daemon.reexctl("upload", PROJECT, str(folder / f"{split}.jsonl"), "--split", split)


def train_and_evaluate(
    client: Client, seed: int, phases: Phases, *, project: str = PROJECT, **settings: Any
) -> Run:
    """Product defaults but for the seed and `settings`. The job's phases are told apart by when they are reported."""
    begun = time.perf_counter()
    job = watch(client, client.train(project, seed=seed, **settings).name, phases)
    with phases.phase("evaluate"):
        evaluation = client.evaluate(project, "test")
    return Run(seed, phases, job, evaluation, time.perf_counter() - begun)


def watch(client: Client, name: str, phases: Phases) -> Job:
    """Follow a job to its end, its phases into `phases`. Raises BenchFailed unless it succeeds."""
    wall, cpu = phases.now()
    present = ""
    for job in client.watch_job(name):
        if job.phase and job.phase != present:
            if present:
                wall, cpu = phases.add(present, wall, cpu)
            present = job.phase
    phases.add(present or "train", wall, cpu)
    return succeeded(job)
