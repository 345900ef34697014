"""AdamW over one flat vector (Loshchilov and Hutter 2019, algorithm 2): decoupled decay, bias-corrected moments.

NumPy in blocks that stay in the processor's cache: a fifth of the time that a dozen passes over whole arrays take.
Owns moments and the step count; knows no model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_FIRST, _SECOND, _EPSILON = 0.9, 0.999, 1e-8
_BLOCK = 1 << 15


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of the vector with its own rate and decay, both relative to those of a step."""

    begin: int
    end: int
    rate: float
    decay: float


class AdamW:
    """Updates `weights` (n,) float32 in place."""

    def __init__(self, weights: np.ndarray, segments: list[Segment]) -> None:
        self.weights = weights
        self.first = np.zeros_like(weights)
        self.second = np.zeros_like(weights)
        self.steps = 0
        self._segments = segments

    def update(self, gradient: np.ndarray, scale: float, rate: float, decay: float) -> None:
        """One step along `scale` times `gradient` (n,) float32, which is used up as scratch."""
        self.steps += 1
        factor = np.float32(scale)
        rising = 1 / (1 - _FIRST**self.steps)
        root = np.float32((1 - _SECOND**self.steps) ** -0.5)
        for segment in self._segments:
            step = np.float32(rate * segment.rate * rising)
            kept = np.float32(1 - rate * segment.rate * decay * segment.decay)
            for begin in range(segment.begin, segment.end, _BLOCK):
                block = slice(begin, min(begin + _BLOCK, segment.end))
                w, g, m, v = self.weights[block], gradient[block], self.first[block], self.second[block]
                g *= factor
                m += (1 - np.float32(_FIRST)) * (g - m)
                np.multiply(g, g, out=g)
                g -= v
                g *= np.float32(1 - _SECOND)
                v += g
                np.sqrt(v, out=g)
                g *= root
                g += np.float32(_EPSILON)
                np.divide(m, g, out=g)
                g *= step
                w *= kept
                w -= g
