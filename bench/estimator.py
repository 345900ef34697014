"""Claim: on the same hidden states our defaults are at least as accurate as the published package, keep the promise of
each rung, and are better calibrated and more reserved off distribution than the package and the usual baselines.

Financial PhraseBank, trec6, clinc150 and the sentences of film reviews (sst2), three seeds each; hidden states of
minilm, made once. Each contender trains in a process of its own on one thread and splits the pool itself. Ours runs
the product's defaults through the code of the daemon's workers and steps, without a daemon: the claim is about the
estimator. The package runs once as it is published (learning rate 1e-5, 20 epochs) and once with a learning rate at
which its epochs suffice; its time grows with the square of the rows, so it gets at most --package-rows of the pool,
and where that is less than all, ours is shown on the very rows too. The baselines stand on the same adaptor, trained
with cross-entropy to the end.

Foreign texts are of the classes but from another source, or of no class at all. Probability is what a contender says
of its own prediction; Brier is its mean squared error against being right, ECE has 15 bins of equal mass. Admitted:
a region of at least alpha (SDM), probability >= alpha (softmax, temperature), a prediction set of one class at
coverage alpha (APS, RAPS). Prediction sets are asked for at coverage .9: label-conditional ones of ours, APS and
RAPS. Figures are means over the seeds, intervals Clopper-Pearson, 95 %, of the mean counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from bench import baselines, contenders, estimator_data, machine, peers
from bench.daemon import BenchFailed
from bench.datasets import SHARED
from bench.estimator_claims import checks
from bench.estimator_data import Task
from bench.estimator_figures import ALPHAS, Answers, Trial, collected, notes, raw, tables
from bench.report import Result
from bench.seeds import seeds

SEEDS = 3
PACKAGE_ROWS_MAX = 4000
QUICK_TASKS, QUICK_ROWS = ("phrasebank", "trec6"), 1200

OURS_CAPPED = "reex, the package's rows"
# Shown name -> (name in contenders.py, whether it gets the package's rows)
TRAINED = {
    "reex": ("reex", False),
    OURS_CAPPED: ("reex", True),
    "package as published": ("package", True),
    "package, sensible rate": ("package-sensible", True),
    "cross-entropy": ("cross-entropy", False),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, default=SHARED, help="folder of the data sets, one folder each")
    parser.add_argument("--tasks", nargs="+", choices=estimator_data.TASKS, default=[*estimator_data.TASKS])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--package-rows", type=int, default=PACKAGE_ROWS_MAX)


def run(options: argparse.Namespace) -> Result:
    python = peers.python(options.peer_python)
    tasks = estimator_data.tasks(options.data, [*QUICK_TASKS] if options.quick else options.tasks)
    if options.quick:
        tasks = [task.with_pool(task.pool.some(QUICK_ROWS, 0)) for task in tasks]
    most = options.package_rows
    wanted = [
        (task, seed, shown)
        for task in tasks
        for seed in seeds(1 if options.quick else options.seeds)
        for shown in TRAINED
        if shown != OURS_CAPPED or len(task.pool.labels) > most
    ]
    with ThreadPoolExecutor(machine.cores()) as threads:
        groups = list(threads.map(lambda each: _trials(*each, python, most), wanted))
    found = collected(tasks, [trial for group in groups for trial in group])
    return Result(
        raw=raw(found),
        tables=[table for task in tasks for table in tables(found, task)],
        checks=checks(found),
        notes=notes(found, most),
    )


def _trials(task: Task, seed: int, shown: str, python: Path, package_rows: int) -> list[Trial]:
    """Train one contender and ask it; cross-entropy becomes one trial for each baseline that stands on it."""
    contender, capped = TRAINED[shown]
    pool = task.pool.some(package_rows, seed) if capped else task.pool
    interpreter = python if contender.startswith("package") else Path(sys.executable)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "pool.npz", features=pool.vectors, labels=pool.labels)
        asked = {"test": task.test, **task.foreign}
        np.savez(folder / "asked.npz", **{each: rows.vectors for each, rows in asked.items()})
        (folder / "job.json").write_text(json.dumps({"seed": seed, "class_count": task.class_count}))
        _run(interpreter, contender, folder)
        facts = json.loads((folder / "told.json").read_text())
        with np.load(folder / "answers.npz") as found:
            told = {key: found[key] for key in found.files}
    print(f"  {task.name}, seed {seed}, {shown}: {facts['training_cpu_s']:.1f} CPU s", flush=True)
    facts["pool_rows"] = len(pool.labels)
    if contender != "cross-entropy":
        answers = {each: _of_regions(told, each) for each in asked}
        return [Trial(shown, task.name, seed, facts, answers)]
    return [
        Trial(baseline, task.name, seed, facts, {each: answer(told, each) for each in asked})
        for baseline, answer in BASELINES.items()
    ]


def _run(interpreter: Path, contender: str, folder: Path) -> None:
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    # Our modules beside the script must not stand in for a package's own.
    environment = os.environ | one | {"PYTHONSAFEPATH": "1"}
    command = [str(interpreter), contenders.__file__, contender, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchFailed(f"{contender}: {done.stderr.strip()[-2000:]}")


def _of_regions(told: dict[str, np.ndarray], name: str) -> Answers:
    return Answers(
        told[f"{name}/prediction"],
        told[f"{name}/probability"],
        {alpha: told[f"{name}/alpha"] >= alpha for alpha in ALPHAS},
        told.get(f"{name}/sets"),
    )


def _softmax(told: dict[str, np.ndarray], name: str, temperature: float = 1.0) -> Answers:
    """Admitted where it is as sure as alpha."""
    probabilities = baselines.softmax(told[f"{name}/logits"], temperature)
    probability = probabilities.max(axis=1)
    return Answers(
        probabilities.argmax(axis=1), probability, {alpha: probability >= alpha for alpha in ALPHAS}
    )


def _temperature(told: dict[str, np.ndarray], name: str) -> Answers:
    found = baselines.temperature(told["calibration_logits"], told["calibration_labels"])
    return _softmax(told, name, found)


def _adaptive(fit: Callable[..., baselines.AdaptiveSets], told: dict[str, np.ndarray], name: str) -> Answers:
    """Admitted where the set at coverage alpha is the prediction alone; it brings no probability of its own."""
    calibration = baselines.softmax(told["calibration_logits"])
    asked = baselines.softmax(told[f"{name}/logits"])
    prediction = asked.argmax(axis=1)
    admitted, kept = {}, None
    for alpha in ALPHAS:
        sets = fit(calibration, told["calibration_labels"], alpha)(asked)
        admitted[alpha] = (sets.sum(axis=1) == 1) & sets[np.arange(len(sets)), prediction]
        kept = sets if alpha == contenders.COVERAGE else kept
    return Answers(prediction, None, admitted, kept)


BASELINES = {
    "softmax": _softmax,
    "temperature": _temperature,
    "APS": partial(_adaptive, baselines.fit_aps),
    "RAPS": partial(_adaptive, baselines.fit_raps),
}
