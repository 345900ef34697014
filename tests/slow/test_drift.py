"""Drift by simulation: how often it is found where there is none (size), and where there is some (power).

A world has a support, calibration rows matched against it, and arriving rows matched against the same support, so that
q, d0 and q' depend on each other as they do in a version. A bound on a rate is the promise plus four standard errors.
"""

from __future__ import annotations

import numpy as np
import pytest
from reexd import sdm

pytestmark = pytest.mark.slow

LEVEL = 0.05
CLASSES, WIDTH = 3, 6
CENTRES = 2.2 * np.eye(CLASSES, WIDTH)
CALIBRATION, ARRIVING = 200, 150
WORLDS = 200


def rows(
    generator: np.random.Generator, count: int, shift: float = 0.0, outside: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian classes; `shift` moves all along directions of no class, a share `outside` lies far from every class."""
    labels = generator.integers(0, CLASSES, count)
    values = CENTRES[labels] + generator.normal(size=(count, WIDTH))
    values[:, CLASSES:] += shift
    values[generator.random(count) < outside, CLASSES:] += 4.0
    return values.astype(np.float32), labels


def found(
    seed: int, *, classes_small: bool = False, **change: float
) -> tuple[bool, tuple[sdm.TwoSampleTest, ...]]:
    """Whether any of the three quantities differs at LEVEL, and their tests."""
    generator = np.random.default_rng(seed)
    support, support_labels = rows(generator, 100 if classes_small else 300)
    count = 12 * CLASSES if classes_small else CALIBRATION
    calibrating, labels = rows(generator, count)
    arriving, _ = rows(generator, ARRIVING, **change)

    def logits(features: np.ndarray) -> np.ndarray:
        return (0.8 * (features @ CENTRES.T)).astype(np.float32)

    def match(features: np.ndarray) -> sdm.Similarity:
        predictions = logits(features).argmax(axis=1)
        return sdm.similarity(features, predictions, support, support_labels, logits(support).argmax(axis=1))

    own, theirs = match(calibrating), match(arriving)
    calibration = sdm.calibrate(labels, logits(calibrating), own.q, own.d0, CLASSES)
    q_prime = sdm.held_out_q_prime(labels, logits(calibrating), own.q, own.d0, calibration)
    scores = sdm.score(logits(arriving), theirs.q, theirs.d0, calibration)
    pairs = [(own.q, theirs.q), (own.d0, theirs.d0), (q_prime, scores.q_prime)]
    tests = tuple(sdm.two_sample_test(one, other, seed=seed) for one, other in pairs)
    return min(sdm.holm([test.p_value for test in tests])) <= LEVEL, tests


@pytest.mark.parametrize("classes_small", [False, True])
def test_no_drift_is_rarely_found_where_there_is_none(classes_small: bool) -> None:
    """The chance of any false alarm, over three dependent quantities with ties, is at most the level."""
    small = (
        {"classes_small": True} if classes_small else {}
    )  # the large worlds are those of the next test, too
    alarms = sum(found(seed, **small)[0] for seed in range(WORLDS))
    assert alarms / WORLDS <= LEVEL + 4 * np.sqrt(LEVEL * (1 - LEVEL) / WORLDS)


def test_each_p_value_alone_is_valid_at_every_level() -> None:
    """P(p <= a) <= a for the continuous d0 and for q, which is mostly ties."""
    p_values = np.array([[test.p_value for test in found(seed)[1]] for seed in range(WORLDS)])
    for level in (0.01, 0.05, 0.2, 0.5):
        bound = level + 4 * np.sqrt(level * (1 - level) / WORLDS)
        assert ((p_values <= level).mean(axis=0) <= bound).all()


@pytest.mark.parametrize(
    ("change", "least"),
    [({"shift": 1.0}, 0.85), ({"shift": 2.0}, 1.0), ({"outside": 0.25}, 0.95), ({"outside": 0.5}, 1.0)],
)
def test_drift_is_found_where_there_is_some(change: dict, least: float) -> None:
    """A shift of all rows by one deviation, or a quarter of rows from elsewhere, with 200 rows against 150."""
    worlds = WORLDS // 4
    outcomes = [found(seed, **change) for seed in range(worlds)]
    assert np.mean([alarm for alarm, _ in outcomes]) >= least
    # And told in the right direction: farther, with fewer neighbours that agree.
    assert np.mean([tests[1].effect for _, tests in outcomes]) > 0.1
    assert np.mean([tests[2].effect for _, tests in outcomes]) < 0


def test_power_grows_with_the_drift() -> None:
    """The rates are ordered, from the level up to almost always."""
    rates = [np.mean([found(seed, shift=shift)[0] for seed in range(40)]) for shift in (0.0, 0.5, 0.8, 1.2)]
    assert rates == sorted(rates)
    assert rates[0] <= 0.2 < 0.9 < rates[-1]
