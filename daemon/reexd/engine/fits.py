"""Fits as the daemon sees them: J shuffles spread over the workers, events and results back by files."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from reexd import sdm
from reexd.engine import states
from reexd.engine.call import Call
from reexd.engine.pool import error_of
from reexd.engine.tasks import FitResult, FitTask, State


@dataclass(frozen=True, slots=True)
class FitHandlers:
    """Whom to tell, in the calling thread. All take the shuffle's number first."""

    progress: Callable[[int, dict], None]
    checkpoint: Callable[[int, State], None]
    outcome: Callable[[int, State], None] | None


def run(call: Call, task: FitTask, folder: Path, handlers: FitHandlers) -> FitResult:
    """Fit all shuffles; see `Engine.fit`. `folder` does not exist yet, and is to be removed after the call was left."""
    outcomes, groups = dict(task.finished), sdm.twins(task.features)
    states.save(folder, State({"features": task.features, "labels": task.labels}, {}))
    if task.start is not None:
        weights, normalization = task.start
        states.save(folder / states.START, State(asdict(weights), asdict(normalization)))
    for number in range(task.settings.shuffles):
        if number not in outcomes:
            _submit(call, task, number, groups, folder)
    while call.outstanding:
        number, frame = call.next(ends=False)
        if "error" in frame.header:
            raise error_of(frame)
        if frame.header["event"] == "progress":
            handlers.progress(number, frame.header["facts"])
            continue
        state = states.load(Path(frame.header["folder"]))
        shutil.rmtree(frame.header["folder"], ignore_errors=True)
        if frame.header["event"] == "checkpoint":
            handlers.checkpoint(number, state)
            continue
        call.ended()
        outcomes[number] = state
        if handlers.outcome is not None:
            handlers.outcome(number, state)
    ordered = tuple(outcomes[number] for number in range(task.settings.shuffles))
    best = sdm.best_iteration([outcome.facts["best_loss"] for outcome in ordered])
    return FitResult(ordered, best, sdm.twin_count(groups))


def _submit(call: Call, task: FitTask, number: int, groups: np.ndarray, folder: Path) -> None:
    training, calibration = task.settings.split(task.labels, number, task.held, groups)
    own = folder / f"shuffle-{number}"
    indexes = {"training_index": training, "calibration_index": calibration}
    states.save(own, State(indexes, {"checkpoint_s": task.checkpoint_s}))
    if number in task.resume:
        states.save(own / states.RESUME, task.resume[number])
    settings = dataclasses.replace(task.settings, seed=task.settings.iteration_seed(number))
    call.submit_fit(number, own, settings.to_dict())
