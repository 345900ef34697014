"""One engine process: owns MLX and nothing else. Reads frames, answers them, and ends with its socket.

One thread and one stream touch MLX. Operations are short; the long ones, fit and tune, are generators that are
advanced step by step, and between two steps whatever came in is answered first. Started by `pool`.
"""

from __future__ import annotations

import gc
import json
import os
import select
import socket
import sys
import time
import traceback
from collections import deque
from pathlib import Path

import numpy as np

from reexd.engine import blas
from reexd.engine.direction import unit
from reexd.engine.frames import Frame, receive, send
from reexd.errors import ReexError
from reexd.pooling import parse

_REST_AFTER_S = 10.0


class Worker:
    """The loop of one process."""

    def __init__(self, connection: socket.socket) -> None:
        # Imported here, in the process that prepared the libraries they link to.
        from reexd.engine.classifying import Classifiers
        from reexd.engine.encoding import Encoders

        self._connection = connection
        self._encoders = Encoders()
        self._classifiers = Classifiers()
        self._fit = None
        self._held: deque[Frame] = deque()  # bulk work that came during the fit's turn
        self._turn_ends = 0.0  # of the fit, by the performance counter
        self._operations = {
            "open": self._open,
            "close": self._close,
            "embed": self._embed,
            "match": self._match,
            "states": self._states,
            "fit": self._start_fit,
            "lower": self._lower,
            "upper": self._upper,
            "tune": self._start_tuning,
            "cancel": self._cancel,
        }

    def run(self) -> None:
        """Serve until the other side closes.

        Bulk units and a fit take turns: after a unit the fit goes on for as long as that took, at least a step.
        Whatever else comes is answered before the fit's next step.
        """
        while True:
            idle = self._fit is None and not self._held
            if idle and not self._readable(_REST_AFTER_S):
                self._rest()
            if idle or (self._fit is not None and self._readable(0)):
                frame = receive(self._connection)
                if frame is None:
                    return
                if not frame.header.get("bulk"):
                    self._answer(frame)
                    continue
                self._held.append(frame)
            self._take_turns()

    def _take_turns(self) -> None:
        now = time.perf_counter()
        if self._held and (self._fit is None or now >= self._turn_ends):
            self._answer(self._held.popleft())
            done = time.perf_counter()
            self._turn_ends = done + (done - now)
        if self._fit is not None:
            self._advance()

    def _readable(self, timeout_s: float) -> bool:
        return bool(select.select([self._connection], [], [], timeout_s)[0])

    def _rest(self) -> None:
        import mlx.core as mx

        gc.collect()
        mx.clear_cache()
        blas.return_freed_memory()

    def _answer(self, frame: Frame) -> None:
        identity = frame.header["id"]
        start = time.perf_counter()
        try:
            reply = self._operations[frame.header["op"]](frame)
        except Exception as error:
            reply = Frame({"error": _described(error)})
        if reply is not None:
            self._send(identity, reply, time.perf_counter() - start)

    def _send(self, identity: int, reply: Frame, seconds: float = 0.0) -> None:
        facts = {"id": identity, "seconds": seconds, "memory": memory_bytes()}
        send(self._connection, Frame({**reply.header, **facts}, reply.arrays))

    def _open(self, frame: Frame) -> Frame:
        loaded = self._encoders.open(frame.header["model"])
        return Frame(
            {
                "architecture": loaded.architecture,
                "hidden_size": loaded.hidden_size,
                "layers": loaded.layers,
                "parameters": loaded.parameters,
                "multiplied": loaded.multiplied,
                "size_bytes": loaded.size_bytes,
                "reads_prompts": loaded.model.reads_prompts,
            }
        )

    def _close(self, frame: Frame) -> Frame:
        self._encoders.close(frame.header["model"])
        self._rest()
        return Frame({})

    def _embed(self, frame: Frame) -> Frame:
        given, wanted = frame.arrays, frame.header.get("match")
        pooling = parse(frame.header["pooling"])
        vectors = self._encoders.embed(
            frame.header["model"],
            pooling,
            *(given[name] for name in ("ids", "lengths", "begin", "end")),
            frame.header["context"],
        )
        if wanted is None:
            return Frame({}, {"vectors": vectors})
        # What leaves here are parts of texts, whose length counts until all are there; these are whole ones.
        whole = unit(vectors, len(pooling.words)) if pooling.unit else vectors
        rows = np.concatenate([whole, given["attributes"]], axis=1)
        return Frame({}, {"vectors": vectors, **self._matched(wanted, rows, None)})

    def _match(self, frame: Frame) -> Frame:
        return Frame({}, self._matched(frame.header, frame.arrays["vectors"], frame.arrays["exclude"]))

    def _matched(
        self, wanted: dict, vectors: np.ndarray, exclude: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        return self._classifiers.match(
            wanted["key"], Path(wanted["folder"]), vectors, exclude, wanted["neighbors"]
        )

    def _states(self, frame: Frame) -> Frame:
        told = frame.header
        states = self._encoders.states(
            told["model"], parse(told["pooling"]), frame.arrays["ids"], told["context"]
        )
        return Frame({}, {"states": states.astype(np.float32)})

    def _start_fit(self, frame: Frame) -> None:
        from reexd.engine.fitting import Fit

        self._fit = Fit(frame.header["id"], Path(frame.header["folder"]), frame.header["settings"])

    def _lower(self, frame: Frame) -> Frame:
        from reexd.engine.tuning.running import fill

        told = frame.header
        fill(
            self._encoders.open(told["model"]).model,
            Path(told["folder"]),
            told["layers"],
            frame.arrays["windows"],
        )
        return Frame({})

    def _upper(self, frame: Frame) -> Frame:
        from reexd.engine.tuning.running import upper

        told = frame.header
        vectors = upper(
            self._encoders.open(told["model"]).model,
            parse(told["pooling"]),
            Path(told["folder"]),
            told["layers"],
            frame.arrays["windows"],
        )
        return Frame({}, {"vectors": vectors})

    def _start_tuning(self, frame: Frame) -> None:
        from reexd.engine.tuning.running import Tuning

        told = frame.header
        self._fit = Tuning(told["id"], Path(told["folder"]), told["settings"], self._encoders)

    def _advance(self) -> None:
        fit = self._fit
        try:
            event = fit.advance()
        except Exception as error:
            event = Frame({"error": _described(error)})
        if event is not None:
            if "error" in event.header or event.header.get("event") == "result":
                self._fit = None
            self._send(fit.identity, event)

    def _cancel(self, frame: Frame) -> Frame:
        if self._fit is not None and self._fit.identity == frame.header["fit"]:
            self._fit.close()
            self._fit = None
        return Frame({})


def memory_bytes() -> int:
    """MLX's active and cached memory in this process."""
    import mlx.core as mx

    return mx.get_active_memory() + mx.get_cache_memory()


def _described(error: Exception) -> dict:
    """An error as the daemon can raise it again."""
    if isinstance(error, ReexError):
        return {"type": type(error).__name__, "message": error.message, "metadata": error.metadata}
    traceback.print_exception(error, file=sys.stderr)
    return {"type": "ReexError", "message": f"{type(error).__name__}: {error}", "metadata": {}}


# Buffers beyond these go back to glibc, which keeps their pages for whoever asks next, NumPy too: as fast, and less.
CACHE_CPU_MAX_BYTES = 32 << 20


def prepare(settings: dict) -> Frame:
    """Set the process up, in the order the libraries need; what was found is the first frame it sends."""
    os.nice(settings["niceness"])
    found = blas.load(settings["openblas"], settings["blas_threads"])
    blas.keep_freed_memory()
    os.environ["MLX_ENABLE_TF32"] = (
        "0"  # newer Apple GPUs would round products; matching needs all of Float32
    )
    import mlx.core as mx

    from reexd.engine.models import kernels

    metal = kernels.on_metal()
    mx.set_cache_limit(min(settings["cache_max_bytes"], sys.maxsize if metal else CACHE_CPU_MAX_BYTES))
    if not metal:
        mx.disable_compile()  # it would run a C++ compiler, and load what it left in a folder that all can write
    return Frame(
        {
            "id": 0,
            "pid": os.getpid(),
            "backend": "metal" if metal else "cpu",
            "blas": "MLX on Metal" if metal else found.text,
            "blas_fast": metal or found.fast,
            "memory": memory_bytes(),
        }
    )


def main(arguments: list[str]) -> int:
    """`python -m reexd.engine.worker DESCRIPTOR SETTINGS`: serve the socket with that number."""
    connection = socket.socket(fileno=int(arguments[0]))
    try:
        send(connection, prepare(json.loads(arguments[1])))
        Worker(connection).run()
    except (BrokenPipeError, ConnectionResetError):
        return 0  # the daemon went away in the middle of an answer
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
