"""One fit of the adaptor, as a generator of small steps that can be stopped and resumed (sdm.md 7, 16).

Owns: epochs, selection of the best of them, checkpoints. Must not know: processes, files, documents, J.

Events are plain tuples, so that a worker can forward them:
    ("progress", facts)             every slice of work; facts["record"] is there when an epoch ended
    ("checkpoint", (facts, arrays)) complete state between two epochs; facts are JSON-able
    ("result", (facts, arrays))     once, last
A fit resumed from a checkpoint ends in the same bits as one that ran through.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import mlx.core as mx
import numpy as np

from reexd.engine.adaptor.adam import adam_for
from reexd.engine.adaptor.bias import bias_shift
from reexd.engine.adaptor.ending import Candidate, Ending, ended
from reexd.engine.adaptor.measuring import Measurement, measure
from reexd.engine.adaptor.network import (
    Batch,
    Parameters,
    logarithm_base,
    loss_and_gradients,
    named,
    row_weights,
    unnamed,
)
from reexd.engine.adaptor.regression import Regression, as_weights, regress
from reexd.engine.adaptor.settings import FitSettings
from reexd.engine.adaptor.stepping import SLICE_S, paced, told
from reexd.errors import InvalidSetting, NotEnoughData
from reexd.sdm import (
    AdaptorWeights,
    Normalization,
    check_split,
    epoch_permutation,
    fit_normalization,
    initial_weights,
)

CHECKPOINT_INTERVAL_S = 15.0

State = tuple[dict[str, Any], dict[str, np.ndarray]]
Event = tuple[str, Any]


def fit(
    features: np.ndarray,
    labels: np.ndarray,
    training_index: np.ndarray,
    calibration_index: np.ndarray,
    settings: FitSettings,
    resume: State | None = None,
    *,
    start: tuple[AdaptorWeights, Normalization] | None = None,
    checkpoint_interval_s: float = CHECKPOINT_INTERVAL_S,
) -> Iterator[Event]:
    """Train one adaptor on features (n, D), labels (n,), rows split by two index arrays.

    `settings.seed` is this fit's own. `start` continues a saved model: its weights and normalisation, fresh
    Adam (sdm.md 7). `resume` is the payload of a checkpoint event of the same data and settings. Everything
    happens in the calling thread. Raises NotEnoughData when a split lacks a class or carries no variation,
    InvalidSetting when a checkpoint belongs to other settings.
    """
    run = _Run(features, labels, training_index, calibration_index, settings, start)
    if resume is not None:
        run.restore(*resume)
    saved_at = time.monotonic()
    while not run.finished:
        for share in run.epoch():
            yield "progress", run.progress(share)
        yield "progress", {**run.progress(1.0), "record": dict(run.history[-1])}
        if time.monotonic() - saved_at >= checkpoint_interval_s and not run.finished:
            yield "checkpoint", run.state()
            saved_at = time.monotonic()
    yield from run.finish()


class _Run:
    """The state of one fit. Training rows come first in every array over both splits."""

    def __init__(
        self,
        features: np.ndarray,
        labels: np.ndarray,
        training_index: np.ndarray,
        calibration_index: np.ndarray,
        settings: FitSettings,
        start: tuple[AdaptorWeights, Normalization] | None,
    ) -> None:
        classes = settings.class_count
        self.settings = settings
        self.features = features
        self.index = training_index, calibration_index
        try:
            self.labels = (
                check_split(labels[training_index], classes, "training"),
                check_split(labels[calibration_index], classes, "calibration"),
            )
            training = features[training_index]
            self.normalization = start[1] if start else fit_normalization(training)
            x = self.normalization.apply(features[np.concatenate(self.index)])
        except ValueError as error:
            raise NotEnoughData(str(error)) from error
        if len(training_index) < 2:
            raise NotEnoughData("the training split needs at least two rows to be matched against itself")
        self.x = mx.array(x)  # (n_train + n_calibration, D)
        self.target = mx.array(np.eye(classes, dtype=np.float32)[self.labels[0]])
        self.weight = mx.array(row_weights(self.labels[0], classes, balanced=settings.balanced))
        self.generator = np.random.default_rng(settings.seed)
        weights = start[0] if start else self._drawn(x.shape[1])
        self.regression_left = settings.regression_start and start is None
        self.regression_strength: float | None = None  # of the epoch under way
        self.parameters = Parameters.of(weights)
        self.adam = adam_for(self.parameters)
        self.q, self.d = self._cross_entropy()
        self.best: AdaptorWeights | None = None
        self.best_loss, self.best_epoch = math.inf, 0
        self.regression: Candidate | None = None
        self.cross_entropy_left = settings.cross_entropy_epochs > 1
        self.phase_start = 0  # epochs before the current phase
        self.finished = False
        self.history: list[dict[str, Any]] = []

    def _drawn(self, feature_count: int) -> AdaptorWeights:
        settings = self.settings
        return initial_weights(self.generator, feature_count, settings.exemplar_size, settings.class_count)

    def _cross_entropy(self) -> tuple[np.ndarray, np.ndarray]:
        """q = e - 2, d = 1: the loss is cross-entropy."""
        rows = self.labels[0].size
        return np.full(rows, self.settings.cross_entropy_q), np.ones(rows, dtype=np.float32)

    def progress(self, share: float) -> dict[str, Any]:
        epoch = min(len(self.history) + (share < 1.0), self.settings.epochs)
        return {"epoch": epoch, "epochs": self.settings.epochs, "share": share}

    def epoch(self) -> Iterator[float]:
        """One epoch; yields the share of it that is done, at least every slice of work."""
        started = time.perf_counter()
        plain = self.cross_entropy_left
        training_loss = yield from (self._regress() if self.regression_left else self._train())
        reached = self._reached()
        yield 0.5
        measured = yield from self._measured(reached, matched=not plain)
        if not plain:
            self.q, self.d = measured.q, measured.d
        record = {"epoch": len(self.history) + 1, "training_loss": training_loss, **measured.facts()}
        if self.regression_strength is not None:
            record["regression_strength"], self.regression_strength = self.regression_strength, None
            self.regression = Candidate(reached.to_weights(), 1, measured.calibration_loss)
        record["best"] = measured.calibration_loss <= self.best_loss and not self._forgets(measured)
        if record["best"]:
            self.best_loss, self.best_epoch = measured.calibration_loss, record["epoch"]
            self.best = reached.to_weights()
        self.history.append(record)
        if plain and self._phase_over(self.settings.cross_entropy_epochs):
            yield from self._leave_cross_entropy()
        elif not plain and self._phase_over(self.settings.epochs):
            self.finished = True
        record["seconds"] = time.perf_counter() - started

    def _forgets(self, measured: Measurement) -> bool:
        """Whether weights lost accuracy that the regression had on the calibration rows. The SDM loss goes on falling
        while they do: it rewards what is far above its threshold, and accuracy lives at the boundary. Balanced
        accuracy alone would let a class of a few calibration rows outvote the others."""
        if not self.history or "regression_strength" not in self.history[0]:
            return False
        now, names = measured.facts(), ("balanced_calibration_accuracy", "calibration_accuracy")
        return any(now[name] < self.history[0][name] for name in names)

    def _phase_over(self, last_epoch: int) -> bool:
        """Whether this epoch is the last of its phase, by count or by patience."""
        waited = len(self.history) - max(self.best_epoch, self.phase_start)
        return len(self.history) >= last_epoch or 0 < self.settings.patience <= waited

    def _leave_cross_entropy(self) -> Iterator[float]:
        """Score the cross-entropy winner with the SDM loss: the first SDM candidate (sdm.md 7).

        Its peers never compete. Training goes on from the last weights, with live Adam and q, d of those
        weights.
        """
        self.cross_entropy_left, self.phase_start = False, len(self.history)
        last = self.best_epoch == len(self.history)
        winner = Parameters.of(self.best)
        measured = yield from self._measured(winner, matched=True)
        self.best_loss = measured.calibration_loss
        self.history[self.best_epoch - 1].update(measured.facts())
        if len(self.history) >= self.settings.epochs:
            self.finished = True
            return
        if not last:
            measured = yield from self._measured(self._reached(), matched=True, training_only=True)
        self.q, self.d = measured.q, measured.d

    def _regress(self) -> Iterator[float]:
        """The first epoch of a default fit: the best regression, as weights. Returns its training loss."""
        self.regression_left = False
        training = self.labels[0].size
        x, held = self.x[:training], self.x[training:]
        steps = paced(regress(x, self.target, self.weight, held, self.labels[1]))
        found: Regression = yield from told(steps, lambda share: 0.5 * share)
        weights = as_weights(found, self.parameters.to_weights())
        if weights is None:
            return (yield from self._train())
        self.parameters = Parameters.of(weights)
        self.adam = adam_for(self.parameters)
        self.regression_strength = found.strength
        return found.training_loss

    def _reached(self) -> Parameters:
        """What an epoch is measured by, and may be kept for: with the bias of the calibration rows where the settings
        have it so. Steps go on without it, as Adam's own values do."""
        if not self.settings.calibrated_bias:
            return self.parameters
        logit_map, bias = self.parameters.logit_map()
        logits = np.array(self.x[self.labels[0].size :] @ logit_map.T + bias)
        shifted = self.parameters.classifier_bias + mx.array(bias_shift(logits, self.labels[1]))
        return self.parameters._replace(classifier_bias=shifted)

    def _train(self) -> Iterator[float]:
        """One Adam pass over the shuffled training rows; returns the row-weighted mean loss."""
        count, size = self.labels[0].size, self.settings.batch_size
        order = mx.array(epoch_permutation(self.generator, count))
        whole = Batch(
            self.x[order],
            self.target[order],
            mx.array(logarithm_base(self.q, self.settings.q_offset))[order],
            mx.array(self.d)[order],
            self.weight[order],
        )
        total = mx.array(0.0)
        begun = time.perf_counter()
        for begin in range(0, count, size):
            batch = Batch(*(array[begin : begin + size] for array in whole))
            loss, gradients = loss_and_gradients(self.parameters, batch)
            self.parameters = self.adam.update(gradients, self.settings.learning_rate)
            total = total + loss * batch.x.shape[0]
            mx.eval(total, *self.parameters)
            if time.perf_counter() - begun > SLICE_S:
                yield 0.5 * (begin + size) / (count + size)
                begun = time.perf_counter()
        loss = total.item() / count
        if not math.isfinite(loss):
            raise InvalidSetting(
                f"training loss became non-finite in epoch {len(self.history) + 1}; "
                f"use a learning rate below {self.settings.learning_rate:g}",
                name="learning_rate",
            )
        return loss

    def _measured(
        self, parameters: Parameters, *, matched: bool, training_only: bool = False
    ) -> Iterator[float]:
        steps = measure(parameters, self.x, self.labels, self.settings, matched, training_only)
        return (yield from told(steps, lambda share: 0.5 + 0.5 * share))

    def finish(self) -> Iterator[Event]:
        """Match the calibration split under the weights that may be kept, and tell of those that are."""
        candidates = [Candidate(self.best, self.best_epoch, self.best_loss)]
        if self.regression is not None and self.best_epoch != 1:
            candidates.insert(0, self.regression)
        del self.x, self.target, self.weight  # what follows needs as much memory again
        features = self.features[self.index[0]], self.features[self.index[1]]
        steps = ended(candidates, self.normalization, features, self.labels, self.settings)
        kept: Ending = yield from told(steps, lambda _: ("progress", self.progress(1.0)))
        facts = {
            **kept.facts(),
            "epochs": len(self.history),
            "stopped_early": len(self.history) < self.settings.epochs,
            "history": self.history,
            "mean": self.normalization.mean,
            "standard_deviation": self.normalization.standard_deviation,
            "class_count": self.settings.class_count,
            "settings": self.settings.to_dict(),
        }
        arrays = {
            **kept.arrays(),
            "training_index": self.index[0],
            "calibration_index": self.index[1],
            "support_labels": self.labels[0].astype(np.int32),
            "calibration_labels": self.labels[1].astype(np.int32),
        }
        yield "result", (facts, arrays)

    def state(self) -> State:
        """Everything between two epochs."""
        moments = self.adam.moments()
        facts = {
            "settings": self.settings.to_dict(),
            "random": self.generator.bit_generator.state,
            "adam_steps": self.adam.steps,
            "best_loss": self.best_loss,
            "best_epoch": self.best_epoch,
            "cross_entropy_left": self.cross_entropy_left,
            "phase_start": self.phase_start,
            "history": [dict(record) for record in self.history],
        }
        arrays = {
            **named(np.array(array) for array in self.parameters),
            **named(moments[0], "first_"),
            **named(moments[1], "second_"),
            **named(self.best.arrays(), "best_"),
            "q": self.q,
            "d": self.d,
        }
        if self.regression is not None:
            facts["regression_loss"] = self.regression.loss
            arrays |= named(self.regression.weights.arrays(), "regression_")
        return facts, arrays

    def restore(self, facts: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Take up a `state` of the same data and settings."""
        if facts["settings"] != self.settings.to_dict() or arrays["q"].shape != self.labels[0].shape:
            raise InvalidSetting("the checkpoint belongs to other settings or data; start the training anew")
        self.generator.bit_generator.state = facts["random"]
        self.parameters = Parameters(*map(mx.array, unnamed(arrays)))
        moments = unnamed(arrays, "first_"), unnamed(arrays, "second_")
        self.adam = adam_for(self.parameters, moments, facts["adam_steps"])
        self.best = AdaptorWeights(*unnamed(arrays, "best_"))
        self.best_loss, self.best_epoch = facts["best_loss"], facts["best_epoch"]
        self.regression_left = False  # checkpoints lie behind the first epoch
        if "regression_loss" in facts:
            weights = AdaptorWeights(*unnamed(arrays, "regression_"))
            self.regression = Candidate(weights, 1, facts["regression_loss"])
        self.cross_entropy_left, self.phase_start = facts["cross_entropy_left"], facts["phase_start"]
        self.history = list(facts["history"])
        self.q, self.d = arrays["q"], arrays["d"]
