"""Confidence: how probable it is that a version is right, and which classes it cannot exclude.

Owns the fit of both to what a training left, and asking them. The mathematics is sdm's; docs/calibration.md has it.

A probability is fitted to the calibration rows of every shuffle, each scored by its own weights: no row is scored by
weights that it trained. Of the shuffle that was kept the version has these rows in its calibration table; those of the
others are its evidence. Sets need exchangeable scores of one model and use the kept shuffle's rows alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reexd import sdm
from reexd.errors import InvalidInput
from reexd.records import ClassifierArrays, Prediction

COVERAGE_DEFAULT = 0.9
COVERAGE_BOUNDS = 0.5, 0.999
_COVERAGES_KEPT = 64


class Confidence:
    """Of one version, ready to be asked. Threads may ask at the same time."""

    def __init__(self, arrays: ClassifierArrays) -> None:
        self._nearness: sdm.Nearness | None = None
        self._own: tuple[np.ndarray, ...] = ()
        self._map: sdm.ProbabilityMap | None = None
        self._thresholds: dict[float, tuple[np.ndarray, tuple[int, ...]]] = {}
        if not len(arrays.calibration_labels):  # an imported version need not have brought them
            return
        logits, q, d0 = _calibration_rows(arrays)
        self._nearness = sdm.fit_nearness(d0)
        scores = sdm.conformity(logits, q, self._nearness.among(d0))
        self._own = sdm.class_conformity(arrays.calibration_labels, scores)
        if len(arrays.probability_coefficients):
            coefficients = arrays.probability_coefficients
            self._map = sdm.ProbabilityMap(coefficients[:4], arrays.probability_knots)
            self._magnitude = sdm.Magnitude(float(coefficients[4]), float(coefficients[5]))

    def probabilities(self, logits: np.ndarray, q: np.ndarray, d0: np.ndarray) -> sdm.Probabilities | None:
        """That each of n rows is right: z' (n, C), q and d0 (n,). None when the version was made without."""
        if self._map is None or self._nearness is None:
            return None
        nearness, magnitude = self._nearness(d0), self._magnitude(logits)
        return sdm.probabilities(self._map, nearness, magnitude, q, logits.shape[1])

    def with_sets(self, predictions: list[Prediction], coverage: float) -> list[Prediction]:
        """The same with the classes that cannot be excluded at `coverage`. Raises InvalidInput outside its bounds."""
        check_coverage(coverage)
        if self._nearness is None or not predictions:
            return predictions
        thresholds, always = self._at(coverage)
        scores = sdm.conformity(
            np.array([each.logits for each in predictions]),
            np.array([each.q for each in predictions]),
            self._nearness(np.array([each.d0 for each in predictions])),
        )
        return [
            replace(
                each,
                prediction_set=tuple(inside.nonzero()[0].tolist()),
                prediction_set_uncalibrated=always,
                coverage=coverage,
            )
            for each, inside in zip(predictions, scores >= thresholds, strict=True)
        ]

    def _at(self, coverage: float) -> tuple[np.ndarray, tuple[int, ...]]:
        """The threshold of each class, and the classes that have too few rows, together too, to be excluded."""
        found = self._thresholds.get(coverage)
        if found is None:
            thresholds = sdm.set_thresholds(self._own, coverage)
            found = thresholds, tuple(np.flatnonzero(np.isneginf(thresholds)).tolist())
            if len(self._thresholds) < _COVERAGES_KEPT:
                self._thresholds[coverage] = found
        return found


def check_coverage(coverage: float) -> None:
    """Raises InvalidInput."""
    low, high = COVERAGE_BOUNDS
    if not low <= coverage <= high:  # False for NaN as well
        raise InvalidInput(f"coverage lies between {low:g} and {high:g}; received {coverage:g}")


def with_confidence(
    arrays: ClassifierArrays, others: Sequence[tuple[np.ndarray, sdm.CalibrationRows | None]] = ()
) -> ClassifierArrays:
    """The arrays of a version with a probability fitted to its calibration table and its evidence.

    `others` are the documents (n,) and calibration rows of each shuffle that was not kept, which become its evidence;
    without them the evidence stays what it is.
    """
    if others:
        arrays = replace(arrays, **_evidence_of(others))
    if not len(arrays.calibration_labels):
        return arrays
    logits, q, d0 = _calibration_rows(arrays)
    blocks = [sdm.evidence(arrays.calibration_documents, arrays.calibration_labels, logits, q, d0)]
    if len(table := arrays.evidence_table):
        blocks.append(
            sdm.Evidence(
                documents=arrays.evidence_documents,
                right=table[:, 0] == table[:, 1],
                q=table[:, 2],
                nearness=table[:, 3],
                magnitude=table[:, 4],
            )
        )
    fitted = sdm.fit_probability(blocks)
    magnitude = sdm.fit_magnitude(arrays.calibration_labels, logits)
    return replace(
        arrays,
        probability_coefficients=np.r_[fitted.coefficients, magnitude.temperature, magnitude.highest],
        probability_knots=fitted.knots,
    )


def confidence_report(arrays: ClassifierArrays, classes: Sequence[str]) -> dict:
    """The part of a training record that tells of the probability and the sets."""
    documents = np.union1d(arrays.calibration_documents, arrays.evidence_documents)
    counts = np.bincount(arrays.calibration_labels, minlength=len(classes))
    least, shared = sdm.set_rows_min(COVERAGE_DEFAULT), sdm.set_sharing(counts)
    behind = counts.copy()
    behind[shared] = counts[shared].sum()
    return {
        "probability_documents": len(documents),
        "set_coverage": COVERAGE_DEFAULT,
        "set_uncalibrated_classes": [classes[label] for label in np.flatnonzero(behind < least)],
        "set_shared_classes": [classes[label] for label in shared if behind[label] >= least],
    }


def _calibration_rows(arrays: ClassifierArrays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the version's calibration table: z' (n, C), q (n,), d0 (n,)."""
    table = arrays.calibration_table
    return table[:, -len(arrays.distance_cdfs) :], table[:, 1], table[:, 2]


def _evidence_of(
    others: Sequence[tuple[np.ndarray, sdm.CalibrationRows | None]],
) -> dict[str, np.ndarray]:
    tables = []
    for documents, rows in others:
        assert rows is not None
        found = sdm.evidence(documents, rows.labels, rows.logits, rows.q, rows.d0)
        columns = [rows.labels, rows.predictions, found.q, found.nearness, found.magnitude]
        columns += [rows.q_prime, rows.outputs]
        tables.append(np.column_stack(columns))
    return {
        "evidence_documents": np.concatenate([documents for documents, _ in others]),
        "evidence_table": np.concatenate(tables).astype(np.float32),
    }
