"""Ensembles by simulation: what all members admit is right at least as often as what one admits, on data whose law is
known. Each member has a split, a support and a discriminant of its own, as the shuffles of a training do."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from reexd import sdm

pytestmark = pytest.mark.slow

CLASSES, WIDTH, MEMBERS = 3, 6, 4
CENTRES = 2.0 * np.eye(CLASSES, WIDTH)
POOL, FRESH, WORLDS = 1_200, 1_000, 25


def rows(generator: np.random.Generator, count: int, outside: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian classes, and a share `outside` of rows between two of them, whose label is a coin's."""
    labels = generator.integers(0, CLASSES, count)
    values = CENTRES[labels]
    torn = generator.random(count) < outside
    values[torn] = (CENTRES[0] + CENTRES[1]) / 2
    labels[torn] = generator.integers(0, 2, torn.sum())
    return (values + generator.normal(size=(count, WIDTH))).astype(np.float32), labels


class Member:
    """One shuffle: half of the pool supports it, half calibrates it, and its discriminant is a little off."""

    def __init__(self, features: np.ndarray, labels: np.ndarray, seed: int) -> None:
        generator = np.random.default_rng(seed)
        self.weights = (0.8 * CENTRES.T + 0.25 * generator.normal(size=(WIDTH, CLASSES))).astype(np.float32)
        order = generator.permutation(len(labels))
        training, held = order[: POOL // 2], order[POOL // 2 :]
        self.support, self.support_labels = features[training], labels[training]
        self.support_predictions = (self.support @ self.weights).argmax(axis=1)
        q, d0 = self.match(features[held])
        self.calibration = sdm.calibrate(labels[held], features[held] @ self.weights, q, d0, CLASSES)

    def match(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        predictions = (features @ self.weights).argmax(axis=1)
        found = sdm.similarity(
            features, predictions, self.support, self.support_labels, self.support_predictions
        )
        return found.q, found.d0

    def score(self, features: np.ndarray) -> sdm.Scores:
        return sdm.score(features @ self.weights, *self.match(features), self.calibration)


@cache
def worlds(outside: float) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, sdm.Agreement]]:
    """(labels, predictions, lower alphas of the first member, what all say) of fresh rows, a world each."""
    found = []
    for seed in range(WORLDS):
        generator = np.random.default_rng(seed)
        features, labels = rows(generator, POOL, outside)
        members = [Member(features, labels, 1_000 * seed + number) for number in range(MEMBERS)]
        fresh, truth = rows(generator, FRESH, outside)
        scores = [member.score(fresh) for member in members]
        together = sdm.agreement(
            np.stack([each.prediction for each in scores]),
            np.stack([each.lower_region_alpha for each in scores]),
        )
        found.append((truth, scores[0].prediction, scores[0].lower_region_alpha, together))
    return found


def wrong(labels: np.ndarray, predictions: np.ndarray, admitted: np.ndarray) -> tuple[int, int]:
    return int((labels != predictions)[admitted].sum()), int(admitted.sum())


@pytest.mark.parametrize("outside", [0.0, 0.3])
def test_all_admit_less_and_are_right_more_often_than_one(outside: float) -> None:
    one, together = np.zeros(2), np.zeros(2)
    for labels, predictions, alphas, agreement in worlds(outside):
        assert not (agreement.admitted & (alphas == 0)).any()
        assert (agreement.region_alpha <= alphas).all()
        one += wrong(labels, predictions, alphas > 0)
        together += wrong(labels, predictions, agreement.admitted)
    assert 500 < together[1] < one[1]
    assert together[0] / together[1] < one[0] / one[1]


@pytest.mark.parametrize("outside", [0.0, 0.3])
def test_what_all_admit_keeps_the_promise_of_its_rung(outside: float) -> None:
    """At each alpha: right given the class, and given the prediction, at least alpha less four standard errors."""
    judged_count = 0
    for alpha in (0.9, 0.8, 0.6):
        counts = np.zeros((2, CLASSES, 2))
        for labels, predictions, _, agreement in worlds(outside):
            admitted = agreement.region_alpha >= alpha
            for place, of in enumerate((labels, predictions)):
                np.add.at(counts[place, :, 0], of[admitted], 1)
                np.add.at(counts[place, :, 1], of[admitted & (labels == predictions)], 1)
        seen, right = counts[..., 0], counts[..., 1]
        judged = seen >= 50
        judged_count += judged.sum()
        bound = alpha - 4 * np.sqrt(alpha * (1 - alpha) / np.maximum(seen, 1))
        assert (right / np.maximum(seen, 1) >= bound)[judged].all()
    assert judged_count >= 2 * CLASSES
