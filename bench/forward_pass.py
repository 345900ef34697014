"""The bare forward pass: the language model alone, in processes set up as engine workers are.

    python -m bench.forward_pass MODEL            as the interactive worker: a line is a list of texts
    python -m bench.forward_pass MODEL --bulk     as a bulk worker: a line is {"texts": [...], "tokens": N}

Answers each line of JSON on stdin with one line. One by one: per text, the milliseconds of tokenising and of the
forward pass until its pooled vector is evaluated. In bulk: CPU seconds of tokenising and of the forward passes over
windows sorted by length, in batches of at most N padded tokens, and how many tokens those were. No daemon, no gRPC.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from reexd.engine.process import BLAS_ENVIRONMENT, worker_settings
from reexd.engine.tasks import EngineSettings

from bench.daemon import BenchFailed, models_folder

if TYPE_CHECKING:
    import numpy as np
    from reexd.engine.tokens import TextReader, Window

BATCH_TOKENS = (512, 1024, 2048)  # a bulk pass may take the best of these


class ForwardPasses:
    """`with ForwardPasses(model, processes) as bare`: children that read texts in bulk, every one its part."""

    def __init__(self, model: str, processes: int) -> None:
        self._children = [
            subprocess.Popen(
                [sys.executable, "-m", "bench.forward_pass", model, "--bulk"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, **BLAS_ENVIRONMENT},
            )
            for _ in range(processes)
        ]
        for child in self._children:
            self._answer(child)

    def __enter__(self) -> ForwardPasses:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            assert child.stdin is not None
            child.stdin.close()
            child.wait()

    def run(self, texts: Sequence[str], tokens: int) -> dict[str, float]:
        """`read_cpu_s` and `forward_cpu_s` of all children, `wall_s` of the slowest, `tokens`, `padded`, `windows`."""
        # Every so-manieth of those sorted by length, so that all have as much to do.
        ordered = sorted(texts, key=len)
        for at, child in enumerate(self._children):
            assert child.stdin is not None
            asked = {"texts": ordered[at :: len(self._children)], "tokens": tokens}
            child.stdin.write(json.dumps(asked) + "\n")
            child.stdin.flush()
        told = [self._answer(child) for child in self._children]
        summed = {name: sum(each[name] for each in told) for name in told[0]}
        return {**summed, "wall_s": max(each["wall_s"] for each in told)}

    def best(self, texts: Sequence[str]) -> int:
        """The batch, in padded tokens, that takes these texts in the fewest CPU seconds."""
        return min(BATCH_TOKENS, key=lambda tokens: self.run(texts, tokens)["forward_cpu_s"])

    def _answer(self, child: subprocess.Popen[str]) -> dict[str, Any]:
        assert child.stdout is not None
        line = child.stdout.readline()
        if not line:
            raise BenchFailed(f"a process of forward passes ended with exit code {child.wait()}")
        return json.loads(line)


def main(name: str, *, bulk: bool) -> None:
    os.environ.update(BLAS_ENVIRONMENT)
    # Before anything imports mlx: BLAS and allocator come first.
    from reexd.engine.worker import prepare

    found = prepare(worker_settings(EngineSettings(), interactive=not bulk))
    reader, embed = _model(name)

    def alone(text: str) -> tuple[float, float]:
        begun = time.perf_counter()
        windows = reader.read([text])
        read = time.perf_counter()
        embed(windows)
        return 1e3 * (read - begun), 1e3 * (time.perf_counter() - read)

    alone("warm")
    print(json.dumps({"blas": found.header["blas"]}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        told = _in_bulk(reader, embed, **asked) if bulk else [alone(text) for text in asked]
        print(json.dumps(told), flush=True)


def _model(name: str) -> tuple[TextReader, Callable[[Sequence[Window]], np.ndarray]]:
    """The reader of an installed model, and what makes pooled states (n, D) of n windows, longest first."""
    import numpy as np
    from reexd.engine import models
    from reexd.engine.encoding import Encoders
    from reexd.engine.tokens import TextReader, window_tokens
    from reexd.pooling import parse
    from reexd.registry import Registry

    files = Registry(models_folder(), offline=True).find(name)
    config = models.read_config(files.folder)
    window = window_tokens(files.folder, models.positions(config), files.window_tokens)
    reader = TextReader.open(files.folder, window, files.document_prefix)
    digests = {name: value for name, value in files.digests.items() if name.endswith(".safetensors")}
    spec = {"folder": str(files.folder), "digests": digests}
    pooling = parse(files.pooling)
    encoders = Encoders()

    def embed(windows: Sequence[Window]) -> np.ndarray:
        ids = np.zeros((len(windows), len(windows[0].ids)), np.int32)
        for row, window in zip(ids, windows, strict=True):
            row[: len(window.ids)] = window.ids
        bounds = ([getattr(each, side) for each in windows] for side in ("begin", "end"))
        lengths = np.array([len(window.ids) for window in windows])
        return encoders.embed(spec, pooling, ids, lengths, *map(np.array, bounds))

    return reader, embed


def _in_bulk(
    reader: TextReader, embed: Callable[[Sequence[Window]], np.ndarray], texts: list[str], tokens: int
) -> dict[str, float]:
    begun, cpu = time.perf_counter(), time.process_time()
    windows = sorted(reader.read(texts), key=lambda window: -len(window.ids))
    read = time.process_time()
    padded = at = 0
    while at < len(windows):
        batch = list(itertools.islice(windows, at, at + max(1, tokens // len(windows[at].ids))))
        embed(batch)
        padded += len(batch) * len(batch[0].ids)
        at += len(batch)
    return {
        "read_cpu_s": read - cpu,
        "forward_cpu_s": time.process_time() - read,
        "wall_s": time.perf_counter() - begun,
        "windows": len(windows),
        "tokens": sum(len(window.ids) for window in windows),
        "padded": padded,
    }


if __name__ == "__main__":
    main(sys.argv[1], bulk="--bulk" in sys.argv[2:])
