"""Fit: the J shuffles of the adaptor over a frozen pool, checkpointed; the best by calibration loss is kept."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass

import numpy as np

from reexd import sdm
from reexd.engine.adaptor.settings import FitSettings
from reexd.engine.client import Engine
from reexd.engine.tasks import FitTask, Shuffle, State
from reexd.jobs import RunningJob
from reexd.store import checkpoints
from reexd.store.environment import Environment

FIRST_SLOT = 1  # slots of the shuffles' checkpoints follow the pool's


@dataclass(frozen=True, eq=False)
class Fitted:
    """The shuffle that was kept, and what all of them came to."""

    shuffle: Shuffle
    outcome: State
    losses: list[float]  # best balanced calibration loss of each shuffle
    number: int  # 0-based


class Fit:
    def __init__(self, engine: Engine, checkpoint_s: float) -> None:
        self._engine = engine
        self._checkpoint_s = checkpoint_s

    def run(
        self,
        running: RunningJob,
        environment: Environment,
        features: np.ndarray,
        labels: np.ndarray,
        settings: FitSettings,
    ) -> Fitted:
        """Fit every shuffle, from its checkpoint where there is one. Raises NotEnoughData, JobCancelled, EngineDied."""
        job = running.job.number
        shuffles = tuple(
            Shuffle(*settings.split(labels, number), seed=settings.iteration_seed(number))
            for number in range(settings.shuffles)
        )
        resume = {}
        with environment.read() as txn:
            for number in range(settings.shuffles):
                checkpoint = checkpoints.get(txn, job, slot=FIRST_SLOT + number)
                if checkpoint is not None:
                    resume[number] = State(checkpoint.arrays, json.loads(checkpoint.state_json))
        progress = _Progress(running, settings)

        def keep(number: int, state: State) -> None:
            text = json.dumps(state.facts)
            environment.write(
                lambda txn: checkpoints.put(txn, job, text, state.arrays, slot=FIRST_SLOT + number)
            )

        task = FitTask(features, labels.astype(np.int32), shuffles, settings.to_dict(), resume)
        result = self._engine.fit(
            task,
            on_progress=progress.tell,
            on_checkpoint=keep,
            checkpoint_s=self._checkpoint_s,
            cancel=running.cancel,
        )
        losses = [float(outcome.facts["best_loss"]) for outcome in result.outcomes]
        best = sdm.best_iteration(losses)
        return Fitted(shuffles[best], result.outcomes[best], losses, best)


class _Progress:
    """Epochs over all shuffles, reported as one count. Shuffles tell from several threads."""

    def __init__(self, running: RunningJob, settings: FitSettings) -> None:
        self._running = running
        self._total = settings.epochs * settings.shuffles
        self._epochs = [0] * settings.shuffles
        self._lock = threading.Lock()

    def tell(self, number: int, facts: dict) -> None:
        """One epoch of one shuffle has ended, or (`ended`) the shuffle stopped early."""
        with self._lock:
            self._epochs[number] = (
                self._total // len(self._epochs) if facts.get("ended") else int(facts["epoch"])
            )
            message = ""
            if "calibration_loss" in facts:
                message = (
                    f"shuffle {number + 1}, epoch {facts['epoch']}: calibration loss {facts['calibration_loss']:.4f},"
                    f" balanced accuracy {facts['calibration_accuracy']:.3f}"
                )
            self._running.report("fit", sum(self._epochs), self._total, message)
