"""One tuning, as a generator of small steps that can be stopped and resumed.

Owns: epochs, the rate's schedule, early stopping on the held part, checkpoints. Must not know: processes, jobs, texts.

Events are plain tuples, so that a worker can forward them:
    ("progress", facts)             after every step; facts["record"] is there when an epoch ended
    ("checkpoint", (facts, arrays)) complete state between two steps; facts are JSON-able
    ("result", (facts, arrays))     once, last: the change of each weight that was tuned, float16
A tuning resumed from a checkpoint ends in the same bits as one that ran through.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from reexd.engine.models.form import BaseModel
from reexd.engine.tuning import batches
from reexd.engine.tuning.adamw import AdamW
from reexd.engine.tuning.network import Inputs, Network
from reexd.engine.tuning.settings import TuneSettings, held_out, row_weights, worse
from reexd.errors import InvalidSetting
from reexd.pooling import Pooling

PART_TOKENS_MAX = 1024  # padded, of one forward and backward pass: bounds its memory and how long it takes
MEASURED_WINDOWS = 256  # that say how the head's inputs are centred
CHECKPOINT_INTERVAL_S = 15.0
_RESUMED = ("weights", "first", "second")  # of the optimiser

State = tuple[dict[str, Any], dict[str, np.ndarray]]
Event = tuple[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """The training side: w windows of n documents, and what the lowest tuned layer reads of them."""

    states: np.ndarray  # (all tokens, hidden) float16 or float32, may be memory-mapped
    offsets: np.ndarray  # (w + 1,) int64, a window's tokens are states[offsets[i] : offsets[i + 1]]
    begin: np.ndarray  # (w,) the tokens of a window that are pooled
    end: np.ndarray
    context: np.ndarray  # (w,) its leading tokens that are no part of the document
    firsts: np.ndarray  # (n,) int64, a document's first window
    counts: np.ndarray  # (n,) int64, its windows
    labels: np.ndarray  # (n,) integers, 0..C-1

    def inputs(self, windows: np.ndarray) -> Inputs:
        lengths = self.offsets[windows + 1] - self.offsets[windows]
        x = np.zeros((len(windows), int(lengths.max()), self.states.shape[1]), self.states.dtype)
        for row, window, length in zip(x, windows, lengths, strict=True):
            start = self.offsets[window]
            row[:length] = self.states[start : start + length]
        return Inputs(x, lengths, self.begin[windows], self.end[windows], self.context[windows])


def tune(
    model: BaseModel,
    pooling: Pooling,
    corpus: Corpus,
    settings: TuneSettings,
    resume: State | None = None,
    *,
    checkpoint_interval_s: float = CHECKPOINT_INTERVAL_S,
) -> Iterator[Event]:
    """Tune the top layers of `model`, which is changed in place. `resume` is the payload of a checkpoint event.

    Raises NotEnoughData when a class lacks documents, InvalidSetting when the loss does not stay finite.
    """
    run = _Run(model, pooling, corpus, settings)
    if resume is not None:
        run.restore(*resume)
    saved_at = time.monotonic()
    while not run.finished:
        for facts in run.epoch():
            yield "progress", facts
            if not run.finished and time.monotonic() - saved_at >= checkpoint_interval_s:
                yield "checkpoint", run.state()
                saved_at = time.monotonic()
    yield "result", run.result()


class _Run:
    """The state of one tuning. `done` steps of the present epoch are behind it."""

    def __init__(self, model: BaseModel, pooling: Pooling, corpus: Corpus, settings: TuneSettings) -> None:
        self.settings = settings
        self.corpus = corpus
        self.lengths = np.diff(corpus.offsets)
        rows = np.arange(len(corpus.labels))
        held = held_out(corpus.labels, rows, settings.seed)
        self.rows, self.held = rows[~held], rows[held]
        self.weights = np.zeros(len(rows), np.float32)
        self.weights[self.rows] = row_weights(corpus.labels[self.rows], settings.class_count)
        self.document = np.repeat(rows, corpus.counts)  # of each window
        self.network = Network(model, pooling, settings)
        self.base = self.network.weights()
        self.network.normalise(self._some_inputs())
        self.adam = AdamW(self.base.copy(), self.network.segments())
        self.gradient = np.empty_like(self.base)
        self.best = self.base
        self.best_right, self.best_epoch = np.zeros(len(self.held)), 0
        self.steps_per_epoch = math.ceil(len(self.rows) / settings.batch_size)
        self.done, self.total_loss = 0, 0.0
        self.history: list[dict[str, Any]] = []
        self.finished = False

    def _some_inputs(self) -> list[Inputs]:
        firsts = self.corpus.firsts[self.rows]
        drawn = np.random.default_rng([self.settings.seed, 2]).permutation(firsts)[:MEASURED_WINDOWS]
        return [self.corpus.inputs(part) for part in self._parts(drawn)]

    def _parts(self, windows: np.ndarray) -> Iterator[np.ndarray]:
        ordered = windows[np.argsort(-self.lengths[windows], kind="stable")]
        return batches.parts(ordered, self.lengths, PART_TOKENS_MAX)

    def epoch(self) -> Iterator[dict[str, Any]]:
        """The rest of the present epoch; yields facts after each step."""
        settings, corpus, number = self.settings, self.corpus, len(self.history)
        order = batches.epoch(
            self.lengths,
            corpus.firsts[self.rows],
            corpus.counts[self.rows],
            settings.batch_size,
            [settings.seed, 3, number],
        )
        started = time.perf_counter()
        for batch in order[self.done :]:
            self.total_loss += self._step(batch)
            self.done += 1
            yield self._facts()
        training_loss = self.total_loss / len(self.rows)
        measured, right = self._measure()
        record = {"epoch": number + 1, "training_loss": training_loss, **measured}
        record["best"] = not worse(self.best_right, right, self.corpus.labels[self.held])
        if record["best"]:
            self.best, self.best_right, self.best_epoch = self.adam.weights.copy(), right, number + 1
        record["seconds"] = time.perf_counter() - started
        self.history.append(record)
        self.done, self.total_loss = 0, 0.0
        waited = number + 1 - self.best_epoch
        self.finished = number + 1 >= settings.epochs or 0 < settings.patience <= waited
        told = {"epoch": number + 1, "training_loss": training_loss}
        yield {**self._facts(), **told, "record": dict(record)}

    def _facts(self) -> dict[str, Any]:
        read = min(self.done * self.settings.batch_size, len(self.rows))
        return {
            "done": len(self.history) * len(self.rows) + read,
            "total": self.settings.epochs * len(self.rows),
            "epoch": len(self.history) + 1,
            "training_loss": self.total_loss / max(1, read),  # of the present epoch so far
        }

    def _step(self, batch: np.ndarray) -> float:
        """One update; returns the weighted loss summed over its documents."""
        loss, step, gradient = 0.0, self.adam.steps, self.gradient
        for place, part in enumerate(batches.parts(batch, self.lengths, PART_TOKENS_MAX)):
            rows = self.document[part]
            loss += self.network.gradient(
                self.adam.weights,
                self.corpus.inputs(part),
                self.corpus.labels[rows],
                self.weights[rows],
                int(np.random.default_rng([self.settings.seed, 4, step, place]).integers(2**32)),
                gradient,
                add=place > 0,
            )
        norm = math.sqrt(float(np.dot(gradient, gradient))) / len(batch)
        if not math.isfinite(loss + norm):
            raise InvalidSetting(
                f"the loss of tuning became non-finite in step {step + 1}; use a learning rate below"
                f" {self.settings.learning_rate:g}",
                name="learning_rate",
            )
        scale = min(1.0, self.settings.norm_max / max(norm, 1e-12)) / len(batch)
        self.adam.update(gradient, scale, self._rate(step), self.settings.weight_decay)
        return loss

    def _rate(self, step: int) -> float:
        """Linear warm-up, then linearly to zero at the last step of all epochs."""
        total = self.steps_per_epoch * self.settings.epochs
        rising = max(1, round(self.settings.warmup_share * total))
        share = (step + 1) / rising if step < rising else (total - step) / max(1, total - rising)
        return self.settings.learning_rate * share

    def _measure(self) -> tuple[dict[str, float | None], np.ndarray]:
        """Balanced cross-entropy and accuracy on the held part, each document by its first window, None when classes
        are too small to hold any out; and (n_held,) whether it is right."""
        if not len(self.held):
            return {"held_loss": None, "held_accuracy": None}, np.zeros(0)
        self.network.place(self.adam.weights)
        losses, right = np.zeros(len(self.held)), np.zeros(len(self.held))
        places = {int(self.corpus.firsts[row]): at for at, row in enumerate(self.held)}
        labels = self.corpus.labels[self.held]
        for part in self._parts(self.corpus.firsts[self.held]):
            at = np.array([places[int(window)] for window in part])
            z = self.network.logits(self.adam.weights, self.corpus.inputs(part)).astype(np.float64)
            z -= z.max(axis=1, keepdims=True)
            logs = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
            losses[at] = -logs[np.arange(len(at)), labels[at]]
            right[at] = z.argmax(axis=1) == labels[at]
        present = np.unique(labels)
        return {
            "held_loss": float(np.mean([losses[labels == label].mean() for label in present])),
            "held_accuracy": float(np.mean([right[labels == label].mean() for label in present])),
        }, right

    def state(self) -> State:
        facts = {
            "settings": self.settings.to_dict(),
            "history": self.history,
            "done": self.done,
            "total_loss": self.total_loss,
            "steps": self.adam.steps,
            "best_epoch": self.best_epoch,
        }
        arrays = {name: getattr(self.adam, name) for name in _RESUMED}
        if self.best_epoch:
            arrays |= {"best": self.best, "best_right": self.best_right}
        return facts, arrays

    def restore(self, facts: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Raises InvalidSetting when the checkpoint belongs to other settings."""
        if facts["settings"] != self.settings.to_dict() or arrays["weights"].shape != self.base.shape:
            raise InvalidSetting("the checkpoint of this tuning belongs to other settings; start it anew")
        for name in _RESUMED:
            getattr(self.adam, name)[:] = arrays[name]
        self.adam.steps = facts["steps"]
        self.history, self.done, self.total_loss = facts["history"], facts["done"], facts["total_loss"]
        self.best_epoch = facts["best_epoch"]
        if self.best_epoch:
            self.best, self.best_right = np.array(arrays["best"]), np.array(arrays["best_right"])

    def result(self) -> State:
        """What the weights of the best epoch changed, by weight; and how it went."""
        change = (self.best - self.base).astype(np.float16)
        arrays = {
            f"{leaf.layer}.{leaf.name}": change[leaf.begin : leaf.end].reshape(leaf.shape)
            for leaf in self.network.leaves
            if leaf.layer >= 0
        }
        facts = {
            "best_epoch": self.best_epoch,
            "stopped_early": len(self.history) < self.settings.epochs,
            "history": self.history,
            "tuned_on": len(self.rows),
            "held_out": len(self.held),
        }
        return facts, arrays
