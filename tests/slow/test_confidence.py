"""Statistics by simulation: what probabilities, their intervals and prediction sets promise, on data of a known law.

J discriminants stand in for the shuffles of an adaptor. Each is fitted by least squares to its own training rows, so
that it knows those better than new ones, as an adaptor does.
"""

from __future__ import annotations

import numpy as np
import pytest
from reexd import sdm

pytestmark = pytest.mark.slow

CLASSES, WIDTH, SHUFFLES = 3, 20, 4
CENTRES = 1.6 * np.eye(CLASSES, WIDTH)
SHARES = np.array([0.6, 0.3, 0.1])


def draw(generator: np.random.Generator, count: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian classes of unlike size; `shift` moves every row along directions that carry no class."""
    labels = np.r_[np.arange(CLASSES), generator.choice(CLASSES, count - CLASSES, p=SHARES)]
    values = CENTRES[labels] + generator.normal(size=(count, WIDTH))
    values[:, CLASSES:] += shift
    return values.astype(np.float32), labels


class Shuffle:
    """A discriminant, its support, and the calibration rows that it never saw."""

    def __init__(self, features: np.ndarray, labels: np.ndarray, seed: int) -> None:
        self.training, self.held = sdm.stratified_split(labels, 0.6, seed)
        x, y = features[self.training], labels[self.training]
        ridge = x.T @ x + 3.0 * np.eye(WIDTH)
        self.weight = 6.0 * np.linalg.solve(ridge, x.T @ (np.eye(CLASSES)[y] - 1 / CLASSES))
        self.support, self.support_labels = x, y
        self.support_predictions = self.logits(x).argmax(axis=1)
        self.rows = self.measured(features[self.held]) | {"labels": labels[self.held]}
        right = self.rows["logits"].argmax(axis=1) == self.rows["labels"]
        self.accuracy = sdm.class_balanced_mean(right, self.rows["labels"], CLASSES)

    def logits(self, features: np.ndarray) -> np.ndarray:
        return (features @ self.weight).astype(np.float32)

    def measured(self, features: np.ndarray) -> dict[str, np.ndarray]:
        logits = self.logits(features)
        found = sdm.similarity(
            features, logits.argmax(axis=1), self.support, self.support_labels, self.support_predictions
        )
        return {"logits": logits, "q": found.q, "d0": found.d0}

    def evidence(self) -> sdm.Evidence:
        return sdm.evidence(self.held, **self.rows)


class World:
    """A pool, its shuffles, and the one that is kept because it did best on its own calibration rows."""

    def __init__(self, seed: int, pool: int) -> None:
        self.generator = np.random.default_rng(seed)
        features, labels = draw(self.generator, pool)
        self.shuffles = [Shuffle(features, labels, 100 * seed + number) for number in range(SHUFFLES)]
        self.kept = max(self.shuffles, key=lambda shuffle: shuffle.accuracy)
        self.cross_fitted = sdm.fit_probability([shuffle.evidence() for shuffle in self.shuffles])
        self.own = sdm.fit_probability([self.kept.evidence()])

    def ask(
        self, fitted: sdm.ProbabilityMap, features: np.ndarray
    ) -> tuple[sdm.Probabilities, dict[str, np.ndarray]]:
        rows, measured = self.kept.rows, self.kept.measured(features)
        nearness = sdm.fit_nearness(rows["d0"])(measured["d0"])
        magnitude = sdm.fit_magnitude(rows["labels"], rows["logits"])(measured["logits"])
        return sdm.probabilities(fitted, nearness, magnitude, measured["q"], CLASSES), measured


def calibration_error(probability: np.ndarray, right: np.ndarray) -> float:
    parts = np.array_split(np.argsort(probability), 15)
    return sum(abs((probability - right)[part].sum()) for part in parts) / len(right)


@pytest.mark.parametrize(
    ("pool", "bias", "error"), [(100, 0.03, 0.12), (400, 0.02, 0.06), (1500, 0.01, 0.045)]
)
def test_probabilities_are_right_on_average_and_bin_by_bin(pool: int, bias: float, error: float) -> None:
    worlds, gaps, errors = 20, [], []
    for seed in range(worlds):
        world = World(seed, pool)
        features, labels = draw(world.generator, 800)
        told, measured = world.ask(world.cross_fitted, features)
        right = measured["logits"].argmax(axis=1) == labels
        gaps.append(told.value.mean() - right.mean())
        errors.append(calibration_error(told.value, right))
    # The gap of one world has the noise of its calibration rows: four standard errors of the mean.
    assert abs(np.mean(gaps)) < bias + 4 * np.std(gaps) / np.sqrt(worlds)
    assert np.mean(errors) < error


def test_cross_fitting_takes_out_the_optimism_of_the_kept_shuffle() -> None:
    """The rows that chose the shuffle flatter it; those of all shuffles do not, and there are more of them."""
    gaps: dict[str, list[float]] = {"own": [], "cross-fitted": []}
    errors: dict[str, list[float]] = {"own": [], "cross-fitted": []}
    for seed in range(50):
        world = World(seed, 150)
        features, labels = draw(world.generator, 800)
        right = world.kept.logits(features).argmax(axis=1) == labels
        for name, fitted in (("own", world.own), ("cross-fitted", world.cross_fitted)):
            told, _ = world.ask(fitted, features)
            gaps[name].append(told.value.mean() - right.mean())
            errors[name].append(calibration_error(told.value, right))
    flattered, honest = np.mean(gaps["own"]), np.mean(gaps["cross-fitted"])
    assert flattered > 0.02
    assert abs(honest) < 0.5 * flattered
    assert np.mean(errors["cross-fitted"]) < np.mean(errors["own"])


@pytest.mark.parametrize("pool", [150, 600, 1500])
def test_intervals_hold_the_share_that_is_right(pool: int) -> None:
    """At 95 %: of 20 groups of like probability in each world, so many hold the group's true share."""
    held, seen = 0, 0
    for seed in range(15):
        world = World(500 + seed, pool)
        features, labels = draw(world.generator, 2500)
        told, measured = world.ask(world.cross_fitted, features)
        right = measured["logits"].argmax(axis=1) == labels
        for part in np.array_split(np.argsort(told.value), 20):
            share = right[part].mean()
            error = 2 * np.sqrt(max(share * (1 - share), 0.01) / part.size)  # of the share itself
            held += told.lower[part].mean() - error <= share <= told.upper[part].mean() + error
            seen += 1
    assert held / seen > 0.93


def test_elsewhere_it_is_less_sure_and_never_more_than_softmax() -> None:
    """The farther a shift leads, the nearer to 1 / C and the fewer documents; softmax notices nothing."""
    means, documents, softmax = [], [], []
    for shift in (0.0, 0.5, 1.0, 3.0):
        found = []
        for seed in range(6):
            world = World(900 + seed, 600)
            features, _ = draw(world.generator, 400, shift)
            told, measured = world.ask(world.cross_fitted, features)
            odds = sdm.log_odds(
                measured["logits"] / sdm.fit_temperature(world.kept.rows["labels"], world.kept.rows["logits"])
            )
            found.append((told.value.mean(), told.documents.mean(), (1 / (1 + np.exp(-odds))).mean()))
        mean, behind, plain = np.mean(found, axis=0)
        means.append(mean)
        documents.append(behind)
        softmax.append(plain)
    assert means[0] > means[1] > means[2] >= means[3]
    assert means[3] == pytest.approx(1 / CLASSES, abs=0.01)
    assert documents[0] > documents[1] > documents[2] >= documents[3] == 0
    assert softmax[3] > 0.5


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_sets_hold_each_class_as_often_as_promised(coverage: float) -> None:
    """Of each class, over worlds; within four standard errors. The kept shuffle was chosen by the same rows."""
    worlds, held = 60, []
    for seed in range(worlds):
        world = World(2000 + seed, 500)
        rows = world.kept.rows
        nearness = sdm.fit_nearness(rows["d0"])
        scores = sdm.conformity(rows["logits"], rows["q"], nearness.among(rows["d0"]))
        thresholds = sdm.set_thresholds(sdm.class_conformity(rows["labels"], scores), coverage)
        features, labels = draw(world.generator, 800)
        measured = world.kept.measured(features)
        asked = sdm.conformity(measured["logits"], measured["q"], nearness(measured["d0"]))
        inside = (asked >= thresholds)[np.arange(labels.size), labels]
        held.append([inside[labels == label].mean() for label in range(CLASSES)])
    held = np.array(held)
    error = held.std(axis=0) / np.sqrt(worlds)
    assert (held.mean(axis=0) >= coverage - 0.01 - 4 * error).all(), held.mean(axis=0)
    # A world's coverage spreads as Beta(n_c - k + 1, k) does, n_c about 24 for the rarest class.
    assert held.std(axis=0).max() < 0.12


def test_sets_of_far_rows_exclude_nothing() -> None:
    world = World(7, 600)
    rows = world.kept.rows
    nearness = sdm.fit_nearness(rows["d0"])
    scores = sdm.conformity(rows["logits"], rows["q"], nearness.among(rows["d0"]))
    thresholds = sdm.set_thresholds(sdm.class_conformity(rows["labels"], scores), 0.9)
    sizes = []
    for shift in (0.0, 1.0, 4.0):
        measured = world.kept.measured(draw(world.generator, 500, shift)[0])
        asked = sdm.conformity(measured["logits"], measured["q"], nearness(measured["d0"]))
        sizes.append((asked >= thresholds).sum(axis=1).mean())
    assert sizes[0] < sizes[1] < sizes[2]
    assert sizes[2] == CLASSES
