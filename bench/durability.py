"""Claim: kill -9 of the daemon, in mid-upload and in mid-training, loses and doubles nothing that was acknowledged.

Upload: 20,000 documents are streamed; the daemon is killed a random moment after a number of them, spread over the
whole, was acknowledged. After a restart every acknowledged document must be there as it was sent, none twice; sending
the whole file again must add exactly the rest. Training: the daemon is killed at an instant spread over the time of an
undisturbed training with the same seed. After a restart the one acknowledged job must be resumed and end in the same
classifier, or be failed with a reason; there must be one version, live and whole. Workers must not outlive their
daemon.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reex import Client
from reex.errors import ReexError
from reex.types import Job, UploadProgress

from bench import synthetic
from bench.daemon import BenchFailed, Daemon, ended, succeeded
from bench.killing import Trial, counted, kill_in, restart, shares
from bench.meter import descendants, spread
from bench.report import Check, Result, Table

PROJECT = "killed"
MOMENT_MAX_S = 0.05  # between an acknowledgement and the kill: anywhere within the next commits
EARLY_SHARE = 0.75  # of the kills must land before the work was done
CHECKPOINT_S = 0.5  # instead of 15: so that also these short fits are resumed from the midst of one
SETTINGS = {"seed": 5, "epochs": 60, "patience": 0, "shuffles": 2}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", type=int, default=20, help="of each kind")
    parser.add_argument("--documents", type=int, default=20_000, help="of an upload")
    parser.add_argument("--training-documents", type=int, default=400)


def run(options: argparse.Namespace) -> Result:
    kills = 3 if options.quick else options.kills
    rng = random.Random(7)
    uploads = _upload_kills(kills, 5_000 if options.quick else options.documents, rng)
    trainings, undisturbed_s = _training_kills(
        kills, 200 if options.quick else options.training_documents, rng
    )
    result = Result(raw={"uploads": [asdict(each) for each in uploads]})
    result.raw |= {"trainings": [asdict(each) for each in trainings], "training_s": undisturbed_s}
    result.tables = [_table(uploads, trainings)]
    for name, trials in (("upload", uploads), ("training", trainings)):
        problems = [problem for trial in trials for problem in trial.problems]
        figure = "; ".join(problems[:5]) if problems else "0 lost, 0 doubled, 0 changed"
        result.checks.append(
            Check(f"{name}: nothing acknowledged lost or doubled", figure, not problems, must=True)
        )
        early = sum(trial.early for trial in trials)
        claim = f"{name}: at least {EARLY_SHARE:.0%} of the kills before the work was done"
        result.checks.append(Check(claim, f"{early} of {len(trials)}", early >= EARLY_SHARE * len(trials)))
    resumed = [trial for trial in trainings if trial.early]
    figure = ", ".join(
        f"{sum(t.outcome == way for t in resumed)} {way}" for way in sorted({t.outcome for t in resumed})
    )
    well = all(trial.outcome in ("same classifier", "failed with a reason") for trial in resumed)
    result.checks.append(
        Check("an interrupted job resumes, or says why not", figure or "none", well, must=True)
    )
    result.notes = [
        f"undisturbed training: {undisturbed_s:.1f} s; at the kill: {counted([t.phase for t in trainings])}",
        "SIGKILL goes to the daemon alone; its workers end by themselves",
        f"a checkpoint every {CHECKPOINT_S:g} s, so that fits are resumed from their midst",
    ]
    return result


# Uploads


def _upload_kills(kills: int, count: int, rng: random.Random) -> list[Trial]:
    lines = synthetic.documents(count, seed=1)
    print(f"  upload: {count:,} documents, {kills} kills", flush=True)
    with tempfile.TemporaryDirectory() as name:
        file = synthetic.write(Path(name) / "documents.jsonl", lines)
        return [
            _upload_kill(file, lines, int(share * count), rng.uniform(0, MOMENT_MAX_S))
            for share in shares(kills, rng)
        ]


def _upload_kill(file: Path, lines: list[dict[str, Any]], due: int, moment_s: float) -> Trial:
    """Kill `moment_s` after `due` documents were acknowledged."""
    trial = Trial(f"{due} documents and {1e3 * moment_s:.0f} ms", early=True)
    killers: list[threading.Thread] = []

    with Daemon() as daemon:

        def told(progress: UploadProgress) -> None:
            trial.acknowledged = progress.documents
            if progress.documents >= due and not killers:
                killers.append(kill_in(daemon, moment_s))

        with daemon.client() as client:
            client.create_project(PROJECT, synthetic.CLASSES)
            workers = descendants(daemon.pid)
            try:
                client.upload(PROJECT, file, "train", on_progress=told)
                trial.early = False
            except ReexError as error:
                trial.outcome = type(error).__name__
        for killer in killers:
            killer.join()
        restart(daemon, workers, trial)
        with daemon.client() as client:
            _check_upload(client, file, lines, trial)
        daemon.stop()
    return trial


def _check_upload(client: Client, file: Path, lines: list[dict[str, Any]], trial: Trial) -> None:
    sent = {line["id"]: (line["label"], line["document"]) for line in lines}
    found = [(each.id, (each.label, each.text)) for each in client.list_documents(PROJECT)]
    stored, trial.stored = dict(found), len(found)
    lost = sum(line["id"] not in stored for line in lines[: trial.acknowledged])
    changed = sum(sent.get(name) != content for name, content in found)
    counted = sum(split.documents for split in client.split_summary(PROJECT))
    again = client.upload(PROJECT, file, "train")
    after = [(each.id, (each.label, each.text)) for each in client.list_documents(PROJECT)]
    for many, what in (
        (lost, "acknowledged and lost"),
        (changed, "not as they were sent"),
        (len(found) - len(stored), "stored twice"),
        (abs(counted - len(found)), "miscounted in the summary"),
        (abs(again.unchanged - len(found)) + again.replaced, "changed by sending them again"),
        (abs(again.added - (len(lines) - len(found))), "added wrongly by sending them again"),
        (int(len(after) != len(sent) or dict(after) != sent), "final state that differs from what was sent"),
    ):
        if many:
            trial.problems.append(f"{many} {what}, kill after {trial.after}")


# Trainings


def _training_kills(kills: int, count: int, rng: random.Random) -> tuple[list[Trial], float]:
    with tempfile.TemporaryDirectory(prefix="reex-bench-") as name:
        filled, lines = Path(name) / "filled", synthetic.documents(count, seed=2)
        filled.mkdir()
        with Daemon(filled) as daemon:
            with daemon.client() as client:
                client.create_project(PROJECT, synthetic.CLASSES)
                client.upload(PROJECT, lines, "train")
            daemon.stop()
        reference, whole_s = _in_copy(filled, _undisturbed)
        print(f"  training: {whole_s:.1f} s undisturbed, {kills} kills", flush=True)
        trials = []
        for share in shares(kills, rng):
            after_s = share * whole_s
            trials.append(
                _in_copy(
                    filled, lambda daemon, after_s=after_s: _training_kill(daemon, count, reference, after_s)
                )
            )
    return trials, whole_s


def _in_copy(filled: Path, work: Callable[[Daemon], Any]) -> Any:
    """`work` with a daemon on a copy of a home."""
    home = Path(tempfile.mkdtemp(prefix="reex-bench-"))
    try:
        shutil.copytree(filled, home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock", "stderr"))
        with Daemon(home, checkpoint_s=CHECKPOINT_S) as daemon:
            return work(daemon)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _undisturbed(daemon: Daemon) -> tuple[str, float]:
    """Digest of the classifier's weights, and the seconds it took."""
    with daemon.client() as client:
        begun = time.perf_counter()
        job = succeeded(ended(client, client.train(PROJECT, **SETTINGS).name))
        return job.result["weights_sha256"], time.perf_counter() - begun


def _training_kill(daemon: Daemon, count: int, reference: str, after_s: float) -> Trial:
    trial = Trial(f"{after_s:.2f} s")
    with daemon.client() as client:
        workers = descendants(daemon.pid)
        name = client.train(PROJECT, **SETTINGS).name  # acknowledged
        killer = kill_in(daemon, after_s)
        with suppress(ReexError):
            for job in client.watch_job(name):
                trial.phase = job.phase or "queued"
        killer.join()
    restart(daemon, workers, trial)
    with daemon.client() as client:
        begun = time.perf_counter()
        job = _ended(client, name)
        trial.finish_s = time.perf_counter() - begun
        trial.early = job.attempts > 1 or job.state == "failed"
        _check_training(client, job, count, reference, trial)
    daemon.stop()
    return trial


def _ended(client: Client, name: str) -> Job:
    try:
        return ended(client, name)
    except ReexError as error:
        raise BenchFailed(f"an acknowledged job is gone: {error}") from error


def _check_training(client: Client, job: Job, count: int, reference: str, trial: Trial) -> None:
    (status,) = client.status(PROJECT).projects
    versions = int(job.state == "succeeded")
    if job.state == "failed":
        trial.outcome = "failed with a reason" if job.error else "failed without a reason"
    elif job.state == "succeeded" and job.result["weights_sha256"] == reference:
        trial.outcome = "same classifier"
    else:
        trial.outcome = f"{job.state}, another classifier"
    jobs = list(client.list_jobs(PROJECT))
    for wrong, what in (
        (len(jobs) != 1, f"{len(jobs)} jobs instead of 1"),
        (status.version_count != versions, f"{status.version_count} versions instead of {versions}"),
        (sum(split.documents for split in status.splits) != count, "documents lost or doubled"),
        (bool(status.problem), f"the project has a problem: {status.problem}"),
        (versions and status.project.live_version != 1, "the version is not live"),
    ):
        if wrong:
            trial.problems.append(f"{what}, kill after {trial.after} in {trial.phase}")
    if versions:
        # The live version must be whole: it answers.
        (answer,) = client.query(PROJECT, "a text")
        if answer.classifier != "v1" or len(answer.sdm) != len(synthetic.CLASSES):
            trial.problems.append(f"the live version does not answer, kill after {trial.after}")


def _table(uploads: list[Trial], trainings: list[Trial]) -> Table:
    rows = []
    for name, trials in (("upload", uploads), ("training", trainings)):
        held = sum(not trial.problems for trial in trials)
        early = sum(trial.early for trial in trials)
        restart = spread([trial.restart_s for trial in trials], ".2f")
        finish = (
            spread([trial.finish_s for trial in trials if trial.early] or [0.0])
            if name == "training"
            else "-"
        )
        rows.append((name, len(trials), early, held, restart, finish))
    columns = (
        "kill -9 during",
        "kills",
        "before the end",
        "contract held",
        "serving again, s",
        "resumed job, s",
    )
    return Table("The daemon killed", columns, rows)
