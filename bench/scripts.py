"""Benches that also run by themselves, as the runner runs them: own process, own options, last line of JSON."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

from bench import datasets, peers
from bench.daemon import ROOT, BenchFailed, models_folder
from bench.report import Check, Result, Table

QUICK_DOCUMENTS = 200


def run(name: str, module: str, options: argparse.Namespace, own: list[str]) -> Result:
    """Options given by hand come last, and so win."""
    arguments, read = {
        "embedding": (_embedding, _embedding_result),
        "training": (_training, _flat_result),
        "store-scan": (_store_scan, _flat_result),
    }[name]
    command = [sys.executable, "-m", module, *arguments(options), *own]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    last = ""
    for line in process.stdout:
        if not line.startswith("{"):
            print(f"  {line.rstrip()}", flush=True)
        last = line if line.strip() else last
    if process.wait():
        raise BenchFailed(f"{module} ended with exit code {process.returncode}")
    return read(json.loads(last))


def _embedding(options: argparse.Namespace) -> list[str]:
    documents = datasets.needed(datasets.PHRASEBANK, "--documents")
    size = ["--count", str(QUICK_DOCUMENTS), "--rounds", "1"] if options.quick else []
    model = models_folder() / "minilm"
    python = peers.python(options.peer_python)
    return ["--model", str(model), "--torch-python", str(python), "--documents", str(documents), *size]


def _embedding_result(found: dict[str, Any]) -> Result:
    rows = [
        (name, f"{rate['per_cpu_s']:.1f}", f"{rate['per_s']:.1f}") for name, rate in found["rates"].items()
    ]
    title = f"{found['documents']} documents, {found['rounds']} rounds, alternating"
    return Result(
        raw=found,
        tables=[Table(title, ("", "documents / CPU s", "documents / s"), rows)],
        checks=[
            Check("at least torch per CPU second", f"{found['cpu_ratio']:.2f} times", found["cpu_ratio"] >= 1)
        ],
        notes=[
            f"torch's (threads, batch size), best by each: {found['torch_threads_and_batch']}",
            f"largest difference of unit vectors: {found['largest_difference_of_unit_vectors']:.1e}",
            f"float32 products: {found['blas']}",
        ],
    )


def _training(options: argparse.Namespace) -> list[str]:
    python = peers.python(options.peer_python)
    return ["--peer-python", str(python), *(["--quick"] if options.quick else [])]


def _store_scan(options: argparse.Namespace) -> list[str]:
    return ["--rows", "20000", "--repeats", "5"] if options.quick else []


def _flat_result(found: dict[str, Any]) -> Result:
    """Every figure on a row of its own, nested ones by their path."""

    def flat(value: Any, path: str) -> list[tuple[str, str]]:
        if isinstance(value, dict):
            return [row for key, each in value.items() for row in flat(each, f"{path} {key}".strip())]
        return [(path.replace("_", " "), f"{value:.4g}" if isinstance(value, float) else str(value))]

    return Result(raw=found, tables=[Table("Figures", ("", ""), flat(found, ""))])
