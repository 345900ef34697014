"""Claim: 1.15 times the documents per CPU second of sentence-transformers on torch, same model and texts, and three
quarters of what the bare float32 matrix products allow.

    python -m bench.embedding --model ~/.local/share/reex/models/minilm --torch-python /tmp/torch/bin/python

The peer's environment is its own:

    python -m venv /tmp/torch
    /tmp/torch/bin/pip install torch --index-url https://download.pytorch.org/whl/cpu
    /tmp/torch/bin/pip install sentence-transformers

Both sides are warm and tokenise within the measured time. The peer gets its best of 1 and 2 threads and of
several batch sizes, chosen once for CPU time and once for wall time on a part of the documents; then rounds of
ours, of theirs and of the bare products (see products.py) alternate over all documents. CPU seconds are user + system
of every process involved. Run it on an idle machine. Several models: --model may be given several folders. Documents:
the second column of a CSV file without a header, or `document` in JSON Lines.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DOCUMENTS = Path(__file__).resolve().parents[2] / "shared" / "data" / "financial_phrasebank" / "all-data.csv"
BATCH_SIZES = (8, 16, 32)
THREADS = (1, 2)
CHOOSING = 300  # documents on which the peer's configuration is chosen
PRODUCTS = "bare products"


def read_documents(path: Path, count: int) -> list[str]:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        if path.suffix == ".jsonl":
            documents = [json.loads(line)["document"] for line in file]
        else:
            documents = [row[1] for row in csv.reader(file)]
    # Spread over the file, which may be sorted by class.
    step = max(1, len(documents) // count)
    return documents[::step][:count]


def cpu_s(pids: list[int]) -> float:
    """User and system seconds of processes so far (Linux)."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def peer(model: str) -> None:
    """The other side: answers a line of JSON (threads, batch, documents, out) with its CPU and wall time."""
    import numpy as np
    import torch
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(model, device="cpu")
    for line in sys.stdin:
        asked = json.loads(line)
        torch.set_num_threads(asked["threads"])
        start, cpu = time.perf_counter(), time.process_time()
        vectors = encoder.encode(
            asked["documents"], batch_size=asked["batch"], normalize_embeddings=True, show_progress_bar=False
        )
        told = {"wall_s": time.perf_counter() - start, "cpu_s": time.process_time() - cpu}
        np.save(asked["out"], vectors)
        print(json.dumps(told), flush=True)


class Peer:
    def __init__(self, python: str, model: Path, out: Path) -> None:
        self._out = out
        self._process = subprocess.Popen(
            # The peer's environment has neither this package nor its root: this file is run as it lies there.
            [python, "-P", __file__, "--peer", "--model", str(model)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, threads: int, batch: int, documents: list[str]) -> dict:
        asked = {"threads": threads, "batch": batch, "documents": documents, "out": str(self._out)}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(
                f"the peer ended: is sentence-transformers in its environment? (code {self._process.wait()})"
            )
        return json.loads(line)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def choose(peer: Peer, documents: list[str]) -> dict[str, tuple[int, int]]:
    """The peer's best (threads, batch size) for CPU time and for wall time."""
    part = documents[:: max(1, len(documents) // CHOOSING)]
    peer.run(1, 16, part[:64])
    timed = {(t, b): peer.run(t, b, part) for t in THREADS for b in BATCH_SIZES}
    for (threads, batch), told in timed.items():
        rates = f"{len(part) / told['cpu_s']:6.1f} / CPU s {len(part) / told['wall_s']:6.1f} / s"
        print(f"  torch, {threads} threads, batches of {batch:2d}: {rates}")
    return {kind: min(timed, key=lambda pair, kind=kind: timed[pair][kind]) for kind in ("cpu_s", "wall_s")}


def measure(folder: Path, arguments: argparse.Namespace, scratch: Path) -> dict:
    """The figures of one model; what they are is said in the module's docstring."""
    import numpy as np
    from reexd.engine.client import Engine, EngineSettings
    from reexd.records import ModelFiles

    from bench.products import Products  # the peer, which reads this file too, has no such package

    documents = read_documents(arguments.documents, arguments.count)
    files = ModelFiles(folder.name, folder, {})
    engine = Engine(EngineSettings(), scratch / f"engine-{folder.name}")
    engine.start()
    workers = max(1, len(engine.status().workers) - 1)
    other = Peer(arguments.torch_python, folder, scratch / "vectors.npy")
    floor = Products(folder, documents, workers)
    totals: dict[str, dict[str, float]] = {}
    try:
        engine.embed(files, documents[:: max(1, len(documents) // 64)])
        chosen = choose(other, documents)
        for _ in range(arguments.rounds):
            pids = [os.getpid(), *(worker.pid for worker in engine.status().workers)]
            start, cpu = time.perf_counter(), cpu_s(pids)
            ours = engine.embed(files, documents).vectors
            told = {"wall_s": time.perf_counter() - start, "cpu_s": cpu_s(pids) - cpu}
            add(totals, "reex", told)
            add(totals, PRODUCTS, floor.run())
            for kind, (threads, batch) in chosen.items():
                add(totals, f"torch, best by {kind}", other.run(threads, batch, documents))
        theirs = np.load(scratch / "vectors.npy")
        blas = engine.status().blas
    finally:
        other.close()
        floor.close()
        engine.stop()
    ours /= np.linalg.norm(ours, axis=1, keepdims=True)
    done = len(documents) * arguments.rounds
    rates = {
        name: {"per_cpu_s": done / total["cpu_s"], "per_s": done / total["wall_s"]}
        for name, total in totals.items()
    }
    return {
        "model": folder.name,
        "documents": len(documents),
        "rounds": arguments.rounds,
        "blas": blas,
        "torch_threads_and_batch": chosen,
        "rates": rates,
        "cpu_ratio": rates["reex"]["per_cpu_s"] / rates["torch, best by cpu_s"]["per_cpu_s"],
        "wall_ratio": rates["reex"]["per_s"] / rates["torch, best by wall_s"]["per_s"],
        "share_of_products": rates["reex"]["per_cpu_s"] / rates[PRODUCTS]["per_cpu_s"],
        "largest_difference_of_unit_vectors": float(np.abs(ours - theirs).max()),
    }


def add(totals: dict[str, dict[str, float]], name: str, told: dict[str, float]) -> None:
    total = totals.setdefault(name, {"wall_s": 0.0, "cpu_s": 0.0})
    for kind in total:
        total[kind] += told[kind]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, nargs="+", required=True, help="folders of models")
    parser.add_argument("--torch-python", default=sys.executable, help="python of the peer's environment")
    parser.add_argument("--documents", type=Path, default=DOCUMENTS)
    parser.add_argument("--count", type=int, default=900)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        peer(str(arguments.model[0]))
        return
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        for folder in arguments.model:
            results.append(measure(folder, arguments, Path(scratch)))
            for name, rate in results[-1]["rates"].items():
                rates = f"{rate['per_cpu_s']:6.1f} documents / CPU s {rate['per_s']:6.1f} documents / s"
                print(f"  {folder.name}, {name:24s} {rates}")
    print(json.dumps({"models": results}))


if __name__ == "__main__":
    main()
