"""Rungs that all shuffles of a training certify, by simulation: the one that is kept covers what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from reexd import sdm
from reexd.steps.certify import certified_together

pytestmark = pytest.mark.slow

CLASSES, WIDTH, SHUFFLES, POOLS = 3, 6, 4, 40
CENTRES = 2.2 * np.eye(CLASSES, WIDTH)


def drawn(generator: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    labels = generator.integers(0, CLASSES, count)
    return (CENTRES[labels] + generator.normal(size=(count, WIDTH))).astype(np.float32), labels


class Shuffle:
    """A support, a discriminant made of it, and the calibration of the rows that were held out."""

    def __init__(self, features: np.ndarray, labels: np.ndarray, order: np.ndarray) -> None:
        training, self.held = np.split(order, [int(0.7 * order.size)])
        self.support, self.labels = features[training], labels[training]
        self._centres = np.stack(
            [self.support[self.labels == label].mean(axis=0) for label in range(CLASSES)]
        )
        matched = self._matched(features[self.held])
        self.calibration = sdm.calibrate(
            labels[self.held], *matched, CLASSES, pooled_classes_min=20 * CLASSES, certified=True
        )

    def _logits(self, features: np.ndarray) -> np.ndarray:
        bias = -0.5 * np.square(self._centres).sum(axis=1)
        return (0.8 * (features @ self._centres.T + bias)).astype(np.float32)

    def _matched(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        logits, own = self._logits(features), self._logits(self.support)
        predictions = logits.argmax(axis=1), own.argmax(axis=1)
        found = sdm.similarity(features, predictions[0], self.support, self.labels, predictions[1])
        return logits, found.q, found.d0

    def score(self, features: np.ndarray, calibration: sdm.Calibration) -> sdm.Scores:
        return sdm.score(*self._matched(features), calibration)


@pytest.mark.parametrize(("pool", "lost_max"), [(100, 0.03), (200, 0.03), (500, 0.01), (2000, 0.02)])
def test_rungs_of_all_shuffles_cover_what_they_promise(pool: int, lost_max: float) -> None:
    """P(sdm_y >= psi_y | y certified, q' >= cut) against alpha; and there are more of them than one's rows make."""
    covered, seen, promised = 0, 0, 0.0
    alone, together, right, admitted = 0, 0, 0, 0
    for seed in range(POOLS):
        generator = np.random.default_rng(seed)
        features, labels = drawn(generator, pool)
        shuffles = [Shuffle(features, labels, generator.permutation(pool)) for _ in range(SHUFFLES)]
        kept, alone_by = shuffles[0], [each.calibration for each in shuffles]
        calibration = certified_together(alone_by, [each.held for each in shuffles])[0]
        alone += any(region.alpha >= 0.9 for region in kept.calibration.regions)
        together += any(region.alpha >= 0.9 for region in calibration.regions)
        features, labels = drawn(generator, 1500)
        if not calibration.regions:
            continue
        region = calibration.regions[0]
        thresholds = np.float32(region.thresholds)[labels]
        scores = kept.score(features, calibration)
        candidate = (scores.q_prime >= region.q_prime_min) & (thresholds <= 1.0)
        reached = scores.sdm[np.arange(labels.size), labels] >= thresholds
        covered, seen = covered + (candidate & reached).sum(), seen + candidate.sum()
        promised += region.alpha * candidate.sum()
        chosen = scores.region_alpha >= 0.9
        admitted, right = admitted + chosen.sum(), right + (chosen & (scores.prediction == labels)).sum()
    assert seen > 2000
    assert (promised - covered) / seen < lost_max
    assert together > alone or alone == POOLS
    assert right >= 0.9 * admitted > 0
