"""Fits as the daemon sees them: J shuffles spread over the workers, events and results back by files."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reexd.engine import states
from reexd.engine.call import Call
from reexd.engine.pool import error_of
from reexd.engine.tasks import FitResult, FitTask, State

RESUME = "resume"


@dataclass(frozen=True, slots=True)
class FitHandlers:
    """Whom to tell, in the calling thread. Both take the shuffle's number first."""

    progress: Callable[[int, dict], None]
    checkpoint: Callable[[int, State], None]


def run(call: Call, task: FitTask, scratch: Path, handlers: FitHandlers) -> FitResult:
    """Fit all shuffles; see `Engine.fit`."""
    folder = scratch / "fits" / uuid.uuid4().hex
    try:
        states.save(folder, State({"features": task.features, "labels": task.labels}, {}))
        for number in range(len(task.shuffles)):
            _submit(call, task, number, folder)
        outcomes: dict[int, State] = {}
        while len(outcomes) < len(task.shuffles):
            number, frame = call.next(ends=False)
            if "error" in frame.header:
                raise error_of(frame)
            event = frame.header["event"]
            if event == "progress":
                handlers.progress(number, frame.header["facts"])
                continue
            state = states.load(Path(frame.header["folder"]))
            shutil.rmtree(frame.header["folder"], ignore_errors=True)
            if event == "checkpoint":
                handlers.checkpoint(number, state)
            else:
                call.ended()
                outcomes[number] = state
        return FitResult(tuple(outcomes[number] for number in range(len(task.shuffles))))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _submit(call: Call, task: FitTask, number: int, folder: Path) -> None:
    shuffle = task.shuffles[number]
    own = folder / f"shuffle-{number}"
    states.save(
        own,
        State(
            {
                "training_index": shuffle.training_index,
                "calibration_index": shuffle.calibration_index,
            },
            {"seed": shuffle.seed},
        ),
    )
    if number in task.resume:
        states.save(own / RESUME, task.resume[number])
    call.submit_fit(number, own, dict(task.settings))
