"""All J fits of a training one after the other, in this process: for tests, benches and notebooks.

The daemon spreads them over its workers instead; the results are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from reexd.engine.adaptor.fit import Event, State, fit
from reexd.engine.adaptor.settings import FitSettings
from reexd.sdm import twins


def fit_shuffles(features: np.ndarray, labels: np.ndarray, settings: FitSettings) -> list[State]:
    """Run all J shuffles one after the other in this process: the results' payloads, in order.

    `reexd.sdm.best_iteration` of their best losses chooses among them. The daemon spreads them over workers.
    """
    results, groups = [], twins(features)
    for iteration in range(settings.shuffles):
        training, calibration = settings.split(labels, iteration, groups=groups)
        own = replace(settings, seed=settings.iteration_seed(iteration))
        results.append(run_to_end(fit(features, labels, training, calibration, own)))
    return results


def run_to_end(events: Iterator[Event]) -> State:
    """The payload of the result event."""
    for kind, payload in events:
        if kind == "result":
            return payload
    raise AssertionError("a fit ends in a result")
