"""The least that a forward pass costs: its float32 matrix products and nothing else, over the same texts.

Each text counts its own tokens: there is no padding, nothing is normalised, looked up, activated or pooled. The
products run on what the engine's workers use, one process for each of them, at the model's own sizes and number of
layers, so that weights come from memory as they do there.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROWS = 1024  # tokens multiplied at once; more make the products no faster


class Products:
    """Children that multiply: every one its part of the texts."""

    def __init__(self, model: Path, texts: Sequence[str], workers: int) -> None:
        from reexd.engine import models
        from reexd.engine.process import BLAS_ENVIRONMENT
        from reexd.engine.tokens import TextReader, window_tokens

        positions = models.positions(models.read_config(model))
        reader = TextReader.open(model, window_tokens(model, positions))
        lengths = sorted(len(window.ids) for window in reader.read(texts))
        self._children = [
            subprocess.Popen(
                [sys.executable, "-m", "bench.products", str(model)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, **BLAS_ENVIRONMENT},
            )
            for _ in range(workers)
        ]
        self._parts = [lengths[start::workers] for start in range(workers)]

    def run(self) -> dict[str, float]:
        """CPU seconds of all children, and wall seconds of the slowest."""
        for child, part in zip(self._children, self._parts, strict=True):
            assert child.stdin is not None
            child.stdin.write(json.dumps(part) + "\n")
            child.stdin.flush()
        told = [json.loads(child.stdout.readline()) for child in self._children if child.stdout is not None]
        return {"cpu_s": sum(each["cpu_s"] for each in told), "wall_s": max(each["wall_s"] for each in told)}

    def close(self) -> None:
        for child in self._children:
            assert child.stdin is not None
            child.stdin.close()
            child.wait()


def main(model: Path) -> None:
    """A child: for each line, lengths of texts as JSON, answers with the seconds that their products took."""
    # Before anything imports mlx: BLAS and allocator come first.
    from reexd.engine.process import worker_settings
    from reexd.engine.tasks import EngineSettings
    from reexd.engine.worker import prepare

    prepare(worker_settings(EngineSettings(), interactive=False))
    import mlx.core as mx

    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    hidden, inner, heads = (
        config[name] for name in ("hidden_size", "intermediate_size", "num_attention_heads")
    )
    sizes = ((hidden, 3 * hidden), (hidden, hidden), (hidden, inner), (inner, hidden))
    layers = [
        [mx.random.normal(size) * size[0] ** -0.5 for size in sizes]
        for _ in range(config["num_hidden_layers"])
    ]
    mx.eval(layers)

    def multiply(lengths: Sequence[int]) -> None:
        for _, same in itertools.groupby(sorted(lengths)):
            attended = list(same)
            t, n = attended[0], len(attended)
            q = mx.random.normal((n * heads, t, hidden // heads))
            for _ in layers:
                mx.eval((q @ q.swapaxes(-1, -2)) @ q)
        for start in range(0, sum(lengths), ROWS):
            x = mx.random.normal((min(ROWS, sum(lengths) - start), hidden))
            for qkv, out, up, down in layers:
                mixed = (x @ qkv)[:, :hidden] @ out
                x = (mixed @ up) @ down
                mx.eval(x)

    multiply([64])
    for line in sys.stdin:
        start, cpu = time.perf_counter(), time.process_time()
        multiply(json.loads(line))
        told = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - start}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
