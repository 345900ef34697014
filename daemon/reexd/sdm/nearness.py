"""Nearness r: which share of calibration rows lies at least as far from the support as a row does.

Owns: this tail p-value of d0, and how it goes on beyond the farthest calibration row. Must not know: classes, labels.

Unlike d (act Eq. 5), the smallest rank over the classes, r has one and the same law whatever the number of classes:
uniform on rows like those of calibration. With 150 classes d is 0 for many of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

TAIL_SHARE, TAIL_ROWS_MIN = 0.1, 5  # the farthest rows, which tell how fast the tail falls
TAIL_RATE_MIN = 0.01  # of ln d0 per e-fold: ties must not make a cliff
_TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, slots=True, eq=False)
class Nearness:
    """Fitted to the calibration rows of one model."""

    d0: np.ndarray  # (n,) float64, ascending
    tail_rate: float  # mean excess of ln d0 among the farthest rows

    def __call__(self, d0: np.ndarray) -> np.ndarray:
        """r of new rows: (k,) -> (k,) float64 in (0, 1].

        (1 + rows at least as far) / (n + 1) up to the farthest calibration row. Beyond it the smallest rank is
        multiplied with (d0 / farthest)^(-1 / rate), a Pareto tail with Hill's exponent (Annals of Statistics 3, 1975).
        """
        count = self.d0.size
        d0 = np.asarray(d0, dtype=np.float64)
        rank = (1 + count - np.searchsorted(self.d0, d0, side="left")) / (count + 1)
        return rank * np.maximum(d0 / max(self.d0[-1], _TINY), 1.0) ** (-1.0 / self.tail_rate)

    def among(self, d0: np.ndarray) -> np.ndarray:
        """r of the calibration rows themselves: each against the others and itself, (n,) float64.

        Over n, where a new row's is over n + 1: the two are nearly exchangeable, not quite.
        """
        count = self.d0.size
        return (count - np.searchsorted(self.d0, np.asarray(d0, np.float64), side="left")) / count


def fit_nearness(d0: np.ndarray) -> Nearness:
    """From d0 (n,) of the calibration rows, squared L2. Raises ValueError when there are none."""
    ascending = np.sort(np.asarray(d0, dtype=np.float64))
    if ascending.size == 0:
        raise ValueError("expected calibration rows to rank distances among; received none")
    count = min(max(TAIL_ROWS_MIN, math.ceil(TAIL_SHARE * ascending.size)), ascending.size)
    tail = np.log(np.maximum(ascending[-count:], _TINY))
    return Nearness(ascending, max(float(np.mean(tail - tail[0])), TAIL_RATE_MIN))
