"""One fit inside a worker: arrays from files, a generator advanced step by step, events for the daemon.

Owns how the events of `adaptor.fit` become frames and files; the fit itself knows neither.
"""

from __future__ import annotations

import time
from pathlib import Path

from reexd.engine import states
from reexd.engine.adaptor.fit import fit
from reexd.engine.adaptor.settings import FitSettings
from reexd.engine.frames import Frame
from reexd.engine.tasks import State
from reexd.sdm import AdaptorWeights, Normalization

_PROGRESS_INTERVAL_S = 0.25


class Fit:
    """The fit laid out in `folder` by `reexd.engine.fits`."""

    def __init__(self, identity: int, folder: Path, settings: dict) -> None:
        self.identity = identity
        self._folder = folder
        self._written = 0
        self._told_at = 0.0
        self._settings = settings
        self._steps = None

    def advance(self) -> Frame | None:
        """Work for one step, at most about 100 ms; the frame to send, if there is something to tell."""
        if self._steps is None:
            self._steps = self._begin()
            return None
        kind, payload = next(self._steps)
        if kind == "progress":
            return self._progress(payload)
        facts, arrays = payload
        self._written += 1
        folder = self._folder / f"told-{self._written}"
        states.save(folder, State(arrays, facts))
        return Frame({"event": kind, "folder": str(folder)})

    def close(self) -> None:
        """Stop where it stands."""
        if self._steps is not None:
            self._steps.close()

    def _begin(self):
        pool = states.load(self._folder.parent, mapped=True).arrays
        own = states.load(self._folder)
        resume = start = None
        if (self._folder / states.RESUME).is_dir():
            state = states.load(self._folder / states.RESUME)
            resume = dict(state.facts), dict(state.arrays)
        if (self._folder.parent / states.START).is_dir():
            state = states.load(self._folder.parent / states.START)
            start = AdaptorWeights(**state.arrays), Normalization(**state.facts)
        return fit(
            pool["features"],
            pool["labels"],
            own.arrays["training_index"],
            own.arrays["calibration_index"],
            FitSettings.from_dict(self._settings),
            resume,
            start=start,
            checkpoint_interval_s=float(own.facts["checkpoint_s"]),
        )

    def _progress(self, facts: dict) -> Frame | None:
        """Every finished epoch is told, and of the slices between as many as a person can see."""
        if "record" not in facts and time.monotonic() - self._told_at < _PROGRESS_INTERVAL_S:
            return None
        self._told_at = time.monotonic()
        return Frame({"event": "progress", "facts": facts})
