"""Fit: the J shuffles of the adaptor over a frozen pool, checkpointed; the best on calibration is kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reexd import sdm
from reexd.engine.adaptor.settings import FitSettings
from reexd.engine.client import Engine
from reexd.engine.tasks import FitTask, State
from reexd.jobs import RunningJob
from reexd.steps import pool as pool_record
from reexd.steps.pool import Pool
from reexd.store import checkpoints
from reexd.store.environment import Environment

FIRST_SLOT = 1  # slots of the shuffles' checkpoints follow the pool's


@dataclass(frozen=True, eq=False)
class Fitted:
    """One of the shuffles of a training, by default the one that was kept, beside all the others."""

    outcomes: tuple[State, ...]  # of the shuffles in their order
    number: int  # 0-based
    twins: int = 0  # rows of the pool that are equal to another

    @property
    def outcome(self) -> State:
        return self.outcomes[self.number]

    @property
    def losses(self) -> list[float]:
        """Best balanced calibration loss of each shuffle."""
        return [float(outcome.facts["best_loss"]) for outcome in self.outcomes]

    def shuffle(self, number: int) -> Fitted:
        """Another one of them, 0-based."""
        return replace(self, number=number)

    @property
    def training(self) -> np.ndarray:
        """(n_train,) int64: rows of the pool that became the support."""
        return self.outcome.arrays["training_index"]

    @property
    def calibration(self) -> np.ndarray:
        """(n_calibration,) int64: the other rows of the pool."""
        return self.outcome.arrays["calibration_index"]


class Fit:
    def __init__(self, engine: Engine, checkpoint_s: float) -> None:
        self._engine = engine
        self._checkpoint_s = checkpoint_s

    def run(
        self,
        running: RunningJob,
        environment: Environment,
        features: np.ndarray,
        pool: Pool,
        settings: FitSettings,
    ) -> Fitted:
        """Fit every shuffle, from its checkpoint where there is one. Raises NotEnoughData, JobCancelled, EngineDied."""
        continued = pool.continued
        job = running.job.number
        # A shuffle that was split by other rules would calibrate on rows that its weights were fitted to.
        resume, finished = _saved(environment, job) if pool.form == pool_record.FORM else ({}, {})
        progress = _Progress(running, settings)

        def keep(number: int, state: State, *, ended: bool) -> None:
            text = json.dumps({"ended": ended, "facts": dict(state.facts)})
            slot = FIRST_SLOT + number
            environment.write(lambda txn: checkpoints.put(txn, job, text, state.arrays, slot=slot))

        result = self._engine.fit(
            FitTask(
                features,
                pool.labels.astype(np.int64),
                settings,
                resume,
                finished,
                self._checkpoint_s,
                start=continued.start if continued else None,
                held=pool.held,
            ),
            on_progress=progress.tell,
            on_checkpoint=lambda number, state: keep(number, state, ended=False),
            on_outcome=lambda number, state: keep(number, state, ended=True),
            cancel=running.cancel,
        )
        return Fitted(result.outcomes, chosen(result.outcomes, settings), result.twins)


def chosen(outcomes: Sequence[State], settings: FitSettings) -> int:
    """Which shuffle is kept, 0-based: the one with the smallest calibration loss (sdm.md 7), the last of equals.

    Where rungs are certified class by class, first the one that admits most at `sdm.ADMITTING_ALPHA` or higher: the
    mean over classes of the share of calibration rows admitted rightly. A small loss is no promise of that: of six
    shuffles of the PhraseBank the smallest had the second-smallest admission.
    """
    losses = [float(outcome.facts["best_loss"]) for outcome in outcomes]
    if not settings.certified:
        return sdm.best_iteration(losses)
    admitted = [float(outcome.facts["admitted_rightly"]) for outcome in outcomes]
    tied = [number for number, share in enumerate(admitted) if share == max(admitted)]
    return tied[sdm.best_iteration([losses[number] for number in tied])]


def _saved(environment: Environment, job: int) -> tuple[dict[int, State], dict[int, State]]:
    """Shuffles that a checkpoint has under way, and those that had ended."""
    resume: dict[int, State] = {}
    finished: dict[int, State] = {}
    with environment.read() as txn:
        for slot in checkpoints.slots(txn, job):
            checkpoint = checkpoints.get(txn, job, slot=slot) if slot >= FIRST_SLOT else None
            if checkpoint is not None:
                saved = json.loads(checkpoint.state_json)
                state = State(checkpoint.arrays, saved["facts"])
                (finished if saved["ended"] else resume)[slot - FIRST_SLOT] = state
    return resume, finished


class _Progress:
    """Epochs over all shuffles, reported as one count; a shuffle that stops early leaves its rest undone."""

    def __init__(self, running: RunningJob, settings: FitSettings) -> None:
        self._running = running
        self._total = settings.epochs * settings.shuffles
        self._epochs = [0.0] * settings.shuffles
        self._message = ""

    def tell(self, number: int, facts: dict) -> None:
        """One slice of one shuffle's work; `record` is there when an epoch ended."""
        self._epochs[number] = facts["epoch"] - 1 + facts["share"]
        if record := facts.get("record"):
            loss = record.get("balanced_calibration_loss", record.get("balanced_calibration_cross_entropy"))
            accuracy = record["balanced_calibration_accuracy"]
            place = f"shuffle {number + 1}, epoch {record['epoch']}"
            self._message = f"{place}: calibration loss {loss:.4f}, accuracy {accuracy:.3f}"
        self._running.report("fit", int(sum(self._epochs)), self._total, self._message)
