"""One tuning inside a worker: arrays from files, a generator advanced step by step, checkpoints beside them.

Owns where checkpoints lie and how often they are written. The newest complete one is gone on from.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import mlx.core as mx
import numpy as np

from reexd.engine import blas, states
from reexd.engine.encoding import Encoders, pooled
from reexd.engine.frames import Frame
from reexd.engine.models import kernels
from reexd.engine.models.form import BaseModel
from reexd.engine.tasks import State
from reexd.engine.tuning import adapters, corpus
from reexd.engine.tuning.settings import TuneSettings
from reexd.engine.tuning.tune import Corpus, tune
from reexd.pooling import Pooling, parse

_CHECKPOINT = "checkpoint-"
_WRITING_SHARE_MAX = 1 / 20  # of the time may go into checkpoints


class Tuning:
    """The tuning laid out in `folder` by `reexd.engine.tunings`. Its products run on every core."""

    def __init__(self, identity: int, folder: Path, settings: dict, encoders: Encoders) -> None:
        self.identity = identity
        self._folder = folder
        self._settings = settings
        self._encoders = encoders
        self._steps = None
        self._saved_at, self._save_s = 0.0, 0.0

    def advance(self) -> Frame | None:
        """Work for one step of at most `batch_size` documents; the frame to send, if there is something to tell."""
        try:
            if self._steps is None:
                self._steps = self._begin()
                return None
            kind, payload = next(self._steps)
        except Exception:
            self.close()
            raise
        if kind == "checkpoint":
            self._save(State(payload[1], payload[0]))
            return None
        if kind == "progress":
            return Frame({"event": "progress", "facts": payload})
        folder = self._folder / corpus.RESULT
        shutil.rmtree(folder, ignore_errors=True)  # what an earlier attempt left incomplete
        states.save(folder, State(payload[1], payload[0]))
        states.sync(folder)
        self.close()
        return Frame({"event": "result", "folder": str(folder)})

    def close(self) -> None:
        """Stop where it stands, and give the cores back."""
        if self._steps is not None:
            self._steps.close()
        blas.set_threads(1)

    def _begin(self):
        blas.set_threads(os.cpu_count() or 1)
        resume = self._last()
        self._saved_at = time.monotonic()
        return tune(
            adapters.copied(self._encoders.open(self._settings["model"]).model),
            parse(self._settings["pooling"]),
            _read(self._folder),
            TuneSettings.from_dict(self._settings["tune"]),
            None if resume is None else (dict(resume.facts), dict(resume.arrays)),
            checkpoint_interval_s=float(self._settings["checkpoint_s"]),
        )

    def _checkpoints(self) -> list[Path]:
        """Complete ones, oldest first."""
        found = [path for path in self._folder.glob(f"{_CHECKPOINT}*") if states.complete(path)]
        return sorted(found, key=lambda path: int(path.name.removeprefix(_CHECKPOINT)))

    def _last(self) -> State | None:
        found = self._checkpoints()
        return states.load(found[-1]) if found else None

    def _save(self, state: State) -> None:
        started = time.monotonic()
        if started - self._saved_at < self._save_s / _WRITING_SHARE_MAX:
            return
        older = list(self._folder.glob(f"{_CHECKPOINT}*"))
        folder = self._folder / f"{_CHECKPOINT}{state.facts['steps']}"
        shutil.rmtree(folder, ignore_errors=True)  # what an earlier attempt left incomplete
        states.save(folder, state)
        states.sync(folder)
        for path in older:
            if path != folder:
                shutil.rmtree(path, ignore_errors=True)
        self._saved_at = time.monotonic()
        self._save_s = self._saved_at - started


def _read(folder: Path) -> Corpus:
    given = corpus.windows(folder)
    names = ("offsets", "begin", "end", "context", "firsts", "counts", "labels")
    return Corpus(corpus.lower_states(folder), **{name: np.array(given[name]) for name in names})


def fill(model: BaseModel, folder: Path, layers: int, chosen: np.ndarray) -> None:
    """Run windows (m,) through all but the top `layers` layers, into the file of their outputs."""
    given = corpus.windows(folder)
    offsets = given["offsets"]
    lengths = offsets[chosen + 1] - offsets[chosen]
    width = int(lengths.max())
    ids = np.zeros((len(chosen), width), np.int32)
    for row, window, length in zip(ids, chosen, lengths, strict=True):
        row[:length] = given["ids"][offsets[window] : offsets[window] + length]
    mask = None if lengths.min() == width else kernels.additive_mask(mx.array(lengths), width)
    x = model.embed(mx.array(ids))
    walked = model.states(x, mask)
    for _ in range(len(model.layers) - layers):
        x = next(walked)
    outputs = np.array(x.astype(mx.float32))  # NumPy knows no bfloat16
    target = corpus.lower_states(folder, writable=True)
    for row, window, length in zip(outputs, chosen, lengths, strict=True):
        target[offsets[window] : offsets[window] + length] = row[:length]


def upper(model: BaseModel, pooling: Pooling, folder: Path, layers: int, chosen: np.ndarray) -> np.ndarray:
    """(m, W D) float32: windows (m,) through the top `layers` layers alone, from the outputs that `fill` left."""
    given = _read(folder).inputs(chosen)
    own = model.embed(mx.zeros((1, 1), mx.int32)).dtype  # nothing is computed: what the layers take
    walked = model.states(mx.array(given.x).astype(own), given.mask(), len(model.layers) - layers)
    return np.array(pooled(model, walked, pooling, given.lengths, given.begin, given.end, given.context))
