"""Accuracy of admitted rows by true class and by prediction, at each alpha (sdm.md 9d, 16.6).

Owns: counting. Must not know: which rows trained the classifier; the caller passes unseen rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reexd.sdm.intervals import clopper_pearson


@dataclass(frozen=True, slots=True)
class Cell:
    """`correct` of `count` rows."""

    count: int
    correct: int

    @property
    def accuracy(self) -> float | None:
        """None when there is no row to judge by."""
        return self.correct / self.count if self.count else None

    @property
    def interval(self) -> tuple[float, float]:
        """Clopper-Pearson, 95 %; (0, 1) when there is no row."""
        return clopper_pearson(self.correct, self.count)


@dataclass(frozen=True, slots=True)
class ConditionalAccuracy:
    """Accuracy over a set of rows: all, by true class, and by predicted class."""

    marginal: Cell
    by_label: tuple[Cell, ...]
    by_prediction: tuple[Cell, ...]

    def label_min(self) -> float | None:
        """Smallest accuracy over true classes; None unless every class has rows."""
        return _minimum(self.by_label)

    def prediction_min(self) -> float | None:
        """Smallest accuracy over predicted classes; None unless every class was predicted."""
        return _minimum(self.by_prediction)

    def conditional_min(self) -> float | None:
        """The smaller of both: what a region at alpha aims to keep at or above alpha (sdm.md 9d)."""
        minima = self.label_min(), self.prediction_min()
        return None if None in minima else min(m for m in minima if m is not None)


@dataclass(frozen=True, slots=True)
class Admission:
    """Rows whose assigned alpha is at least `alpha`."""

    alpha: float
    admitted: int
    share: float  # of all rows with a known label; 0.0 when there are none
    accuracy: ConditionalAccuracy


def conditional_accuracy(
    predictions: np.ndarray, labels: np.ndarray, selected: np.ndarray, class_count: int
) -> ConditionalAccuracy:
    """Counts over the rows marked in `selected`, (n,) each; labels in 0..C-1."""
    predictions, labels = np.asarray(predictions)[selected], np.asarray(labels)[selected]
    correct = predictions == labels

    def cells(classes: np.ndarray) -> tuple[Cell, ...]:
        counts = np.bincount(classes, minlength=class_count)
        right = np.bincount(classes[correct], minlength=class_count)
        return tuple(Cell(int(n), int(k)) for n, k in zip(counts, right, strict=True))

    return ConditionalAccuracy(Cell(labels.size, int(correct.sum())), cells(labels), cells(predictions))


def admission(
    predictions: np.ndarray,
    labels: np.ndarray,
    alphas_assigned: np.ndarray,
    alphas: Sequence[float],
    class_count: int,
) -> tuple[Admission, ...]:
    """Cumulative admission at each of `alphas`, by the assigned (centroid or lower) alpha of each row."""
    alphas_assigned = np.asarray(alphas_assigned)
    result = []
    for alpha in alphas:
        selected = alphas_assigned >= alpha
        admitted = int(selected.sum())
        share = admitted / selected.size if selected.size else 0.0
        accuracy = conditional_accuracy(predictions, labels, selected, class_count)
        result.append(Admission(alpha, admitted, share, accuracy))
    return tuple(result)


def _minimum(cells: tuple[Cell, ...]) -> float | None:
    values = [cell.accuracy for cell in cells]
    return None if None in values else min(value for value in values if value is not None)
