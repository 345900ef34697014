"""Claim: scanning hidden states in the store takes at least 87 % of the speed of NumPy's product over the same bytes.

    OPENBLAS_NUM_THREADS=1 python bench/store_scan.py [--rows 100000] [--dimension 384] [--repeats 15]

Both sides multiply every row with one query: NumPy the whole matrix in memory in one call (`@`), the store block by
block out of the file's map, as a search does (`np.vecdot`, which takes one thread). They alternate, so that they meet
the same machine. The claim is of one BLAS thread; `python -m bench store-scan` runs it so, and again with as many as
NumPy likes, whose product is then beside what one thread scans. `np.vecdot` over the matrix in memory is the memory's
own speed: what the scan takes more is the store's. Prints medians, the ratios of speeds, and the times of appending
and of gathering 4,000 rows in random order.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from reexd.store import hidden_states, references, spaces
from reexd.store.environment import Environment, Txn

APPEND_ROWS = 1000  # a commit's worth
SPEED_MIN = 0.87  # of NumPy's product


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((arguments.rows, arguments.dimension)).astype(np.float32)
    query = rng.standard_normal(arguments.dimension).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        environment = Environment(Path(folder) / "project")
        result = measure(environment, vectors, query, arguments.repeats)
        environment.close()
    print(json.dumps(result))


def measure(
    environment: Environment, vectors: np.ndarray, query: np.ndarray, repeats: int
) -> dict[str, object]:
    space = environment.write(lambda txn: spaces.find_or_create(txn, "bench", vectors.shape[1]))
    append_s = seconds(lambda: fill(environment, space, vectors))
    chosen = np.random.default_rng(1).permutation(len(vectors))[:4000]
    with environment.read() as txn:
        if not np.allclose(scan(txn, space, query), vectors @ query, rtol=1e-4, atol=1e-3):
            raise SystemExit("the store's product differs from NumPy's")
        in_store, in_memory, rows_in_memory, gathered = [], [], [], []
        for _ in range(repeats):
            in_memory.append(seconds(lambda: vectors @ query))
            rows_in_memory.append(seconds(lambda: np.vecdot(vectors, query)))
            in_store.append(seconds(lambda: scan(txn, space, query)))
            gathered.append(seconds(lambda: hidden_states.gather(txn, space, chosen)))
    memory_s, store_s = statistics.median(in_memory), statistics.median(in_store)
    return {
        "blas_threads": os.environ.get("OPENBLAS_NUM_THREADS", "default"),
        "rows": len(vectors),
        "dimension": vectors.shape[1],
        "file_to_raw_bytes": round(environment.size_bytes / vectors.nbytes, 3),
        "append_rows_per_s": round(len(vectors) / append_s),
        "numpy_ms": round(1e3 * memory_s, 3),
        "store_ms": round(1e3 * store_s, 3),
        "store_to_numpy_speed": round(memory_s / store_s, 3),
        "numpy_vecdot_ms": round(1e3 * statistics.median(rows_in_memory), 3),
        "store_to_numpy_vecdot_speed": round(statistics.median(rows_in_memory) / store_s, 3),
        "gather_4000_ms": round(1e3 * statistics.median(gathered), 3),
    }


def fill(environment: Environment, space: spaces.Space, vectors: np.ndarray) -> None:
    def work(txn: Txn, start: int) -> None:
        part = vectors[start : start + APPEND_ROWS]
        numbers = np.arange(start, start + len(part))
        digests = [hidden_states.digest("bench", "", str(number)) for number in numbers]
        references.link(txn, space, numbers, hidden_states.append(txn, space, digests, part))

    for start in range(0, len(vectors), APPEND_ROWS):
        environment.write(lambda txn, start=start: work(txn, start))


def scan(txn: Txn, space: spaces.Space, query: np.ndarray) -> np.ndarray:
    """(rows,) float32: the query's product with every row."""
    return np.concatenate([np.vecdot(block.vectors, query) for block in hidden_states.scan(txn, space)])


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
