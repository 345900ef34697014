"""Claim: from a JSON Lines file to stored hidden states takes at most 15 % more CPU seconds than the bare forward
passes over the same documents.

The path: `Client.upload` of the file and the embed phase of a training, through a real daemon, each round in a project
of its own; once the job goes on to its next phase it is cancelled. All processes count: the client, the daemon (gRPC,
checks, LMDB with its syncs, tokenising, queueing), the workers. The bare passes: one process per core set up as a
worker is, with the texts' tokens sorted by length, in the batches that suit it best, nothing stored and nothing sent.
Rounds of both alternate. A text that stands in the file twice would be read once by the path: none does.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from reex import Client

from bench import datasets, machine
from bench.daemon import BenchFailed, Daemon
from bench.embedding import read_documents
from bench.forward_pass import ForwardPasses
from bench.meter import descendants, spread, tree_cpu_s
from bench.report import Check, Result, Table

OVER_MAX = 0.15
COUNT, QUICK_COUNT = 4000, 300
CHOOSING = 300  # documents on which the bare passes choose their batch
PARTS = (
    "upload: client",
    "upload: daemon",
    "embed: daemon",
    "embed: workers",
    "embed: client, which watches",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--csv", type=Path, default=datasets.PHRASEBANK, help="documents: the second column, no header"
    )
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="minilm")


def run(options: argparse.Namespace) -> Result:
    csv = datasets.needed(options.csv, "--csv")
    texts = list(dict.fromkeys(read_documents(csv, QUICK_COUNT if options.quick else options.count)))
    rounds: list[dict[str, dict[str, float]]] = []
    with (
        Daemon() as daemon,
        ForwardPasses(options.model, machine.cores()) as bare,
        daemon.client() as client,
        tempfile.TemporaryDirectory() as folder,
    ):
        file = Path(folder) / "documents.jsonl"
        _write(file, texts[:CHOOSING])
        _path(daemon, client, "warm", options.model, file)
        tokens = bare.best(texts[:CHOOSING])
        _write(file, texts)
        for at in range(1 if options.quick else options.rounds):
            path = _path(daemon, client, f"round-{at}", options.model, file)
            rounds.append({"path": path, "bare": bare.run(texts, tokens)})
            print(
                f"  round {at + 1}: {_cpu_s(path):.1f} CPU s, {rounds[-1]['bare']['forward_cpu_s']:.1f} bare",
                flush=True,
            )
    return _result(options.model, len(texts), tokens, rounds)


def _write(file: Path, texts: list[str]) -> None:
    lines = ({"id": f"d{at}", "label": at % 2, "document": text} for at, text in enumerate(texts))
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def _path(daemon: Daemon, client: Client, project: str, model: str, file: Path) -> dict[str, float]:
    """CPU seconds by part and process, and wall seconds."""
    client.create_project(project, classes=("even", "odd"), model=model)
    begun, before = time.perf_counter(), _used(daemon)
    refused = client.upload(project, file, "train").rejected
    stored = _used(daemon)
    job = client.train(project)
    for seen in client.watch_job(job.name):
        if seen.phase not in ("", "embed"):
            break
    else:
        raise BenchFailed(f"{job.name} ended before its hidden states were stored")
    after, wall_s = _used(daemon), time.perf_counter() - begun
    if refused:
        raise BenchFailed(f"{refused} documents were refused")
    client.cancel_job(job.name)
    for _ in client.watch_job(job.name):
        pass
    uploaded = {name: stored[name] - before[name] for name in stored}
    embedded = {name: after[name] - stored[name] for name in after}
    spent = (
        uploaded["client"],
        uploaded["daemon"],
        embedded["daemon"],
        embedded["workers"],
        embedded["client"],
    )
    return {**dict(zip(PARTS, spent, strict=True)), "wall_s": wall_s}


def _used(daemon: Daemon) -> dict[str, float]:
    """CPU seconds so far: of this process as the client, the daemon, and all of its workers."""
    workers = sum(tree_cpu_s(pid) for pid in descendants(daemon.pid))
    return {
        "client": sum(os.times()[:2]),
        "daemon": tree_cpu_s(daemon.pid) - workers,
        "workers": workers,
    }


def _cpu_s(path: dict[str, float]) -> float:
    return sum(path[part] for part in PARTS)


def _result(model: str, count: int, tokens: int, rounds: list[dict[str, dict[str, float]]]) -> Result:
    over = [_cpu_s(each["path"]) / each["bare"]["forward_cpu_s"] - 1 for each in rounds]
    total = sum(_cpu_s(each["path"]) for each in rounds)
    bare = sum(each["bare"]["forward_cpu_s"] for each in rounds)
    rows = [(part, *_cells([each["path"][part] for each in rounds], bare)) for part in PARTS]
    rows += [
        (
            "file to stored hidden states",
            *_cells([_cpu_s(each["path"]) for each in rounds], bare),
        ),
        (
            "bare forward passes",
            *_cells([each["bare"]["forward_cpu_s"] for each in rounds], bare),
        ),
        (
            "tokenising alone",
            *_cells([each["bare"]["read_cpu_s"] for each in rounds], bare),
        ),
    ]
    walls = (f"wall s: path {spread([each['path']['wall_s'] for each in rounds])}",)
    walls += (f"bare {spread([each['bare']['wall_s'] for each in rounds])}",)
    return Result(
        raw={"model": model, "documents": count, "batch_tokens": tokens, "rounds": rounds, "over": over},
        tables=[
            Table(
                f"{model}: {count} documents, {len(rounds)} rounds, alternating",
                ("", "CPU s", "of the bare passes"),
                rows,
            )
        ],
        checks=[
            Check(
                f"at most {OVER_MAX:.0%} over the bare forward passes, CPU seconds of all processes",
                f"{total / bare - 1:+.1%}, by round {', '.join(f'{each:+.1%}' for each in over)}",
                total / bare - 1 <= OVER_MAX,
            )
        ],
        notes=[
            ", ".join(walls),
            f"the bare passes in batches of at most {tokens} padded tokens, their best",
        ],
    )


def _cells(values: list[float], bare: float) -> tuple[str, str]:
    return spread(values, ".2f"), f"{sum(values) / bare:.1%}"
