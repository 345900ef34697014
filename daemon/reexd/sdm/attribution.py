"""What each token of a text adds to a logit: exact, for the adaptor is affine and pooling adds up (sdm.md 3).

Owns the sums. Knows nothing of models and texts.

The logit is z = A h + c of the features h = (pooled states, attributes), with A = W' W / standard deviation. A pooled
vector is a sum of one part for each token: x / T of a mean, the components in which it is the largest of a maximum, all
of a first or last state; with a scale that the whole vector has where only its direction is kept. Each part is measured
against the same part of a baseline, the average support document, so that what all texts share speaks for no class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np


class Attribution(NamedTuple):
    tokens: np.ndarray  # (T,) float64, what each adds to the logit
    outside: float  # what a first or last state adds that is none of the tokens
    baseline: float  # the logit of the baseline's states with the text's own attributes


def attribute(
    states: np.ndarray,
    words: Sequence[str],
    unit: bool,
    outermost: Mapping[str, tuple[np.ndarray, int | None]],
    weights: np.ndarray,
    baseline: np.ndarray,
    baseline_logit: float,
) -> Attribution:
    """States (T, D) of the tokens that are pooled; pooling `words`, and whether only directions are kept; for `first`
    and `last` the state (D,) and its place among the tokens, if it is one; weights A (W D,) of one logit and the
    baseline (W D,), both over the W pooled words side by side. tokens + outside + baseline is the logit.
    """
    count, dimension = states.shape
    states = states.astype(np.float64)
    tokens, outside = np.zeros(count), 0.0
    parts = zip(words, weights.reshape(-1, dimension), baseline.reshape(-1, dimension), strict=True)
    for word, weight, base in parts:
        if word == "mean":
            scale = _scale(states.mean(axis=0)) if unit else 1.0
            tokens += (scale * (states @ weight) - base @ weight) / count
        elif word == "max":
            largest = states.max(axis=0)
            scale = _scale(largest) if unit else 1.0
            np.add.at(tokens, states.argmax(axis=0), (scale * largest - base) * weight)
        else:
            state, place = outermost[word]
            scale = _scale(state) if unit else 1.0
            value = float((scale * state.astype(np.float64) - base) @ weight)
            if place is None:
                outside += value
            else:
                tokens[place] += value
    return Attribution(tokens, outside, baseline_logit)


def _scale(vector: np.ndarray) -> float:
    """What gives components a mean square of one."""
    square = float(np.mean(np.square(vector, dtype=np.float64)))
    return 1.0 / np.sqrt(square) if square > 0 else 1.0
