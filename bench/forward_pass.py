"""The bare forward pass of the latency bench: the language model alone, in a process set up as an engine worker is.

    python -m bench.forward_pass MODEL

For each line of JSON on stdin, a list of texts, answers with one line: per text, the milliseconds of tokenising and of
the forward pass until its pooled vector is evaluated. No daemon, no gRPC, no other process.
"""

from __future__ import annotations

import json
import os
import sys
import time

from reexd.engine.process import BLAS_ENVIRONMENT, worker_settings
from reexd.engine.tasks import EngineSettings

from bench.daemon import models_folder


def main() -> None:
    os.environ.update(BLAS_ENVIRONMENT)
    # Before anything imports mlx: BLAS and allocator come first.
    from reexd.engine.worker import prepare

    found = prepare(worker_settings(EngineSettings(), interactive=True))
    import numpy as np
    from reexd.engine import models
    from reexd.engine.encoding import Encoders
    from reexd.engine.tokens import TextReader, window_tokens
    from reexd.pooling import parse
    from reexd.registry import Registry

    files = Registry(models_folder(), offline=True).find(sys.argv[1])
    config = models.read_config(files.folder)
    reader = TextReader.open(
        files.folder, window_tokens(files.folder, models.positions(config), files.window_tokens)
    )
    digests = {name: value for name, value in files.digests.items() if name.endswith(".safetensors")}
    spec = {"folder": str(files.folder), "digests": digests}
    pooling = parse(files.pooling)
    encoders = Encoders()

    def forward(text: str) -> tuple[float, float]:
        begun = time.perf_counter()
        (window,) = reader.read([text])
        ids, lengths = window.ids[None, :], np.array([len(window.ids)])
        read = time.perf_counter()
        encoders.embed(spec, pooling, ids, lengths, np.array([window.begin]), np.array([window.end]))
        return 1e3 * (read - begun), 1e3 * (time.perf_counter() - read)

    forward("warm")
    print(json.dumps({"blas": found.header["blas"]}), flush=True)
    for line in sys.stdin:
        print(json.dumps([forward(text) for text in json.loads(line)]), flush=True)


if __name__ == "__main__":
    main()
