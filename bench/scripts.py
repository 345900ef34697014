"""Benches that also run by themselves, as the runner runs them: own processes, own options, their last line of JSON."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from typing import Any

from bench import datasets, peers
from bench.daemon import ROOT, BenchFailed, installed, models_folder
from bench.meter import spread
from bench.report import Check, Result, Table

QUICK_DOCUMENTS = 200
EMBEDDING_MODELS = ("minilm", "mpnet")  # those that are installed are measured
TRAINING_ROUNDS = 2


def run(name: str, module: str, options: argparse.Namespace, own: list[str]) -> Result:
    """Options given by hand come last, and so win."""
    if name == "training":
        return _training(options, own)
    if name == "embedding":
        return _embedding_result(_script(module, [*_embedding(options), *own]))
    return _store_scan(module, options, own)


def _script(module: str, arguments: list[str], **environment: str) -> dict[str, Any]:
    """Run it, show what it prints as it comes, and take its last line as JSON."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    last = ""
    for line in process.stdout:
        if not line.startswith("{"):
            print(f"  {line.rstrip()}", flush=True)
        last = line if line.strip() else last
    if process.wait():
        raise BenchFailed(f"{module} ended with exit code {process.returncode}")
    return json.loads(last)


def _embedding(options: argparse.Namespace) -> list[str]:
    documents = datasets.needed(datasets.PHRASEBANK, "--documents")
    size = ["--count", str(QUICK_DOCUMENTS), "--rounds", "1"] if options.quick else []
    python = peers.python(options.peer_python)
    models = [str(models_folder() / name) for name in installed(EMBEDDING_MODELS)]
    return ["--model", *models, "--torch-python", str(python), "--documents", str(documents), *size]


def _embedding_result(found: dict[str, Any]) -> Result:
    result = Result(raw=found)
    for model in found["models"]:
        name = model["model"]
        rows = [
            (side, f"{rate['per_cpu_s']:.1f}", f"{rate['per_s']:.1f}")
            for side, rate in model["rates"].items()
        ]
        title = f"{name}: {model['documents']} documents, {model['rounds']} rounds, alternating"
        result.tables.append(Table(title, ("", "documents / CPU s", "documents / s"), rows))
        ratio, share = model["cpu_ratio"], model["share_of_products"]
        difference = model["largest_difference_of_unit_vectors"]
        result.checks += [
            Check(f"{name}: 1.15 times torch per CPU second", f"{ratio:.2f} times", ratio >= 1.15),
            Check(f"{name}: 75 % of the bare products per CPU second", f"{share:.0%}", share >= 0.75),
            Check(f"{name}: vectors within 1e-4", f"{difference:.1e}", difference <= 1e-4, must=True),
        ]
        chosen = model["torch_threads_and_batch"]
        result.notes.append(f"{name}: torch's (threads, batch size), best by each: {chosen}")
    result.notes.append(f"float32 products: {found['models'][0]['blas']}")
    return result


def _training(options: argparse.Namespace, own: list[str]) -> Result:
    """Each size with a check of its own; one that is given by hand alone."""
    from bench import training_vs_official as bench

    # Our modules beside the script must not stand in for the peer's own.
    os.environ["PYTHONSAFEPATH"] = "1"
    peer = str(peers.python(options.peer_python))
    by_hand = argparse.ArgumentParser(add_help=False)
    by_hand.add_argument("--rows", type=int, action="append")
    given, rest = by_hand.parse_known_args(own)
    sizes = given.rows or (list(bench.RATIOS_MIN)[:1] if options.quick else list(bench.RATIOS_MIN))
    result = Result()
    for rows in sizes:
        _training_at(rows, 1 if options.quick else TRAINING_ROUNDS, peer, rest, result)
    return result


def _training_at(rows: int, repeats: int, peer: str, own: list[str], result: Result) -> None:
    """Rounds of every side in turns; the data, the seeds and hence the losses are the same in each."""
    from bench import training_vs_official as bench

    found: dict[str, list[dict[str, Any]]] = {role: [] for role in bench.SIDES}
    for at in range(repeats):
        for role, rounds in found.items():
            python = sys.executable if role == "ours" else peer
            rounds.append(bench.run(python, role, ["--rows", str(rows), *own]))
            said = f"{rows:,} documents, round {at + 1}, {role}"
            print(f"  {said}: {rounds[-1]['cpu_s']:.2f} CPU s", flush=True)
    ratios = {
        role: [theirs["cpu_s"] / ours["cpu_s"] for theirs, ours in zip(rounds, found["ours"], strict=True)]
        for role, rounds in found.items()
    }
    apart = max(abs(rounds[0]["loss"] - found["ours"][0]["loss"]) for rounds in found.values())
    claimed, least = sum(ratios["official"]) / len(ratios["official"]), bench.ratio_min(rows)
    result.raw[str(rows)] = {"rounds": found, "ratios": ratios, "losses_apart": apart}
    result.tables.append(_training_table(rows, found, ratios))
    result.checks += [
        Check(
            f"{rows:,} documents: at least {least:g} times less CPU time",
            f"{spread(ratios['official'])} times",
            claimed >= least,
        ),
        Check(
            f"{rows:,} documents: losses within {bench.LOSS_TOLERANCE}",
            f"{apart:.4f} apart",
            apart <= bench.LOSS_TOLERANCE,
        ),
    ]


def _training_table(
    documents: int, found: dict[str, list[dict[str, Any]]], ratios: dict[str, list[float]]
) -> Table:
    names = {
        "ours": "reex, one thread",
        "official": "reexpress_sdm as it comes",
        "official-one": "reexpress_sdm, one thread",
    }
    rows = [
        (
            names[role],
            spread([each["cpu_s"] for each in rounds], ".2f"),
            spread(ratios[role]),
            spread([each["wall_s"] for each in rounds], ".2f"),
            f"{max(each['resident_peak_mib'] for each in rounds):.0f}",
            f"{rounds[0]['loss']:.4f}",
            " ".join(map(str, rounds[0]["alphas"])) or "none",
        )
        for role, rounds in found.items()
    ]
    columns = ("", "CPU s", "times ours", "wall s", "peak MiB", "balanced calibration loss", "rungs")
    title = f"The same training of {documents:,} documents; mean and range over the rounds"
    return Table(title, columns, rows)


def _store_scan(module: str, options: argparse.Namespace, own: list[str]) -> Result:
    """On one BLAS thread, which is what is claimed, and on as many as NumPy likes."""
    from bench.store_scan import SPEED_MIN

    size = ["--rows", "20000", "--repeats", "5"] if options.quick else []
    threads = {"one BLAS thread": "1", "all cores": str(os.cpu_count() or 1)}
    found = {
        name: _script(module, [*size, *own], OPENBLAS_NUM_THREADS=count) for name, count in threads.items()
    }
    speed, rows = found["one BLAS thread"]["store_to_numpy_speed"], []
    for name in found["one BLAS thread"]:
        rows.append((name.replace("_", " "), *(f"{side[name]}" for side in found.values())))
    return Result(
        raw=found,
        tables=[Table("Figures", ("", *found), rows)],
        checks=[
            Check(
                f"a scan takes at least {SPEED_MIN:.0%} of the speed of NumPy's product, one thread each",
                f"{speed:.0%}",
                speed >= SPEED_MIN,
            )
        ],
    )
