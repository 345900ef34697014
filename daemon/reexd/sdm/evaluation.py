"""Accuracy of admitted rows by true class and by prediction, at each alpha (sdm.md 9d, 16.6); how probabilities fit.

Owns: counting. Must not know: which rows trained the classifier; the caller passes unseen rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reexd.sdm.intervals import clopper_pearson

BINS = 15  # of a reliability diagram


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

    def balanced(self) -> float | None:
        """Mean accuracy over the true classes that have rows; None when none has."""
        found = [cell.accuracy for cell in self.by_label if cell.accuracy is not None]
        return sum(found) / len(found) if found else None

    def balanced_interval(self) -> tuple[float, float]:
        """Of `balanced`, 95 %: (0, 1) when no class has rows.

        The classes' Clopper-Pearson intervals combined by the square-and-add method, which is exact for one class and
        errs on the wide side for more (Zou and Donner, Statistics in Medicine 27, 2008).
        """
        found = [cell for cell in self.by_label if cell.count]
        if not found:
            return 0.0, 1.0
        centre = math.fsum(cell.correct / cell.count for cell in found) / len(found)
        below = math.fsum((cell.correct / cell.count - cell.interval[0]) ** 2 for cell in found)
        above = math.fsum((cell.interval[1] - cell.correct / cell.count) ** 2 for cell in found)
        return max(0.0, centre - math.sqrt(below) / len(found)), min(
            1.0, centre + math.sqrt(above) / len(found)
        )

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
    total: int  # rows with a known label

    @property
    def share_interval(self) -> tuple[float, float]:
        """Of `share`: Clopper-Pearson, 95 %."""
        return clopper_pearson(self.admitted, self.total)


@dataclass(frozen=True, slots=True)
class ProbabilityBin:
    """Rows whose probability lies in [lower, upper), the last bin with its upper end."""

    lower: float
    upper: float
    mean_probability: float
    right: Cell


@dataclass(frozen=True, slots=True)
class ProbabilityFit:
    """How a probability of being right compares with being right."""

    count: int
    calibration_error: (
        float  # expected calibration error: count-weighted mean of |mean probability - share right|
    )
    brier: float  # mean of (probability - right)^2
    bins: tuple[ProbabilityBin, ...]  # those that hold rows, ascending


def probability_fit(probabilities: np.ndarray, right: np.ndarray, bins: int = BINS) -> ProbabilityFit | None:
    """Probabilities (n,) in [0, 1] of being right against being right (n,) bool, over equal bins; None when n = 0.

    Sources: Brier, Monthly Weather Review 78 (1950); Naeini et al., AAAI 2015. Raises ValueError out of range.
    """
    probabilities, right = np.asarray(probabilities, np.float64), np.asarray(right, bool)
    if not probabilities.size:
        return None
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("expected probabilities in [0, 1]")
    places = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    counts = np.bincount(places, minlength=bins)
    correct = np.bincount(places[right], minlength=bins)
    sums = np.bincount(places, weights=probabilities, minlength=bins)
    return ProbabilityFit(
        count=probabilities.size,
        calibration_error=float(np.abs(sums - correct).sum() / probabilities.size),
        brier=float(((probabilities - right) ** 2).mean()),
        bins=tuple(
            ProbabilityBin(
                at / bins,
                (at + 1) / bins,
                float(sums[at] / counts[at]),
                Cell(int(counts[at]), int(correct[at])),
            )
            for at in np.flatnonzero(counts).tolist()
        ),
    )


@dataclass(frozen=True, slots=True)
class SetCoverage:
    """Prediction sets against true classes; `correct` of a Cell counts the rows whose set holds theirs."""

    covered: Cell
    by_label: tuple[Cell, ...]
    mean_size: float
    single_count: int  # sets of one class
    full_count: int  # sets of all classes


def set_coverage(
    held: np.ndarray, sizes: np.ndarray, labels: np.ndarray, class_count: int
) -> SetCoverage | None:
    """Whether the set of each of n rows holds its label, (n,) bool, and how many of the classes, (n,); None when n = 0.

    A label, (n,), outside the classes is one that no set can hold: it is counted in `covered` alone.
    """
    held, sizes, labels = np.asarray(held, bool), np.asarray(sizes), np.asarray(labels)
    if not labels.size:
        return None
    known = labels < class_count
    counts = np.bincount(labels[known], minlength=class_count)
    correct = np.bincount(labels[known & held], minlength=class_count)
    return SetCoverage(
        covered=Cell(labels.size, int(held.sum())),
        by_label=tuple(Cell(int(n), int(k)) for n, k in zip(counts, correct, strict=True)),
        mean_size=float(sizes.mean()),
        single_count=int((sizes == 1).sum()),
        full_count=int((sizes == class_count).sum()),
    )


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
        result.append(Admission(alpha, admitted, share, accuracy, selected.size))
    return tuple(result)


def _minimum(cells: tuple[Cell, ...]) -> float | None:
    values = [cell.accuracy for cell in cells]
    return None if None in values else min(value for value in values if value is not None)
