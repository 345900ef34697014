"""Which weights a fit keeps: the regression's, unless later ones admit more of the calibration rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from reexd import sdm
from reexd.engine.adaptor.ending import Candidate, Ending, ended
from reexd.engine.adaptor.fit import fit
from reexd.engine.adaptor.settings import choose
from reexd.engine.adaptor.shuffles import run_to_end

CLASSES, FEATURES, ROWS = 3, 8, 240


def sample(spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.arange(ROWS) % CLASSES
    centres = 4.0 * np.eye(CLASSES, FEATURES)
    return (centres[labels] + spread * generator.normal(size=(ROWS, FEATURES))).astype(np.float32), labels


def kept(*candidates: Candidate) -> Ending:
    x, labels = sample(0.7)
    settings = choose(np.bincount(labels).tolist(), exemplar_size=FEATURES)
    index = settings.split(labels, 0)
    features = x[index[0]], x[index[1]]
    steps = ended(
        candidates,
        sdm.fit_normalization(features[0]),
        features,
        (labels[index[0]], labels[index[1]]),
        settings,
    )
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


@pytest.fixture(scope="module")
def blind() -> Candidate:
    """Weights that tell no class apart: no rung, and a smaller loss than anything honest."""
    drawn = sdm.initial_weights(np.random.default_rng(0), FEATURES, FEATURES, CLASSES)
    return Candidate(replace(drawn, classifier_weight=0.0 * drawn.classifier_weight), 7, 0.0)


@pytest.fixture(scope="module")
def seeing() -> Candidate:
    """Each class is a component of its own."""
    drawn = sdm.initial_weights(np.random.default_rng(0), FEATURES, FEATURES, CLASSES)
    eyes = np.eye(FEATURES, dtype=np.float32)
    weights = sdm.AdaptorWeights(
        eyes, np.zeros(FEATURES, np.float32), 5.0 * eyes[:CLASSES], 0.0 * drawn.classifier_bias
    )
    return Candidate(weights, 3, 9.0)


def test_what_admits_more_is_kept_wherever_it_stands_and_whatever_its_loss(
    blind: Candidate, seeing: Candidate
) -> None:
    for order in ((blind, seeing), (seeing, blind)):
        found = kept(*order)
        assert found.candidate is seeing
        assert found.admitted > 0.5
        assert found.facts() == {"best_loss": 9.0, "best_epoch": 3, "admitted_rightly": found.admitted}


def test_of_equals_the_first_is_kept(blind: Candidate, seeing: Candidate) -> None:
    assert kept(blind, blind_again := Candidate(blind.weights, 2, -1.0)).candidate is blind
    assert kept(blind_again, blind).candidate is blind_again
    assert kept(seeing, Candidate(seeing.weights, 4, 0.0)).candidate is seeing


def test_the_share_is_that_of_the_whole_ladder(seeing: Candidate) -> None:
    _, labels = sample(0.7)
    settings = choose(np.bincount(labels).tolist(), exemplar_size=FEATURES)
    _, calibration = settings.split(labels, 0)
    arrays = kept(seeing).arrays()
    whole = sdm.calibrate(
        labels[calibration],
        *(arrays[f"calibration_{name}"] for name in ("logits", "q", "d0")),
        CLASSES,
        pooled_classes_min=settings.pooled_classes_min,
        certified=True,
    )
    rows = whole.rows
    assert rows is not None
    alphas = sdm.region_alphas(rows.q_prime, rows.sdm, rows.predictions, whole.regions)
    right = (alphas >= 0.9) & (rows.predictions == rows.labels)
    assert kept(seeing).admitted == pytest.approx(
        np.mean([right[rows.labels == label].mean() for label in range(CLASSES)])
    )


def test_where_no_epoch_wins_a_rung_the_regression_is_kept() -> None:
    x, labels = sample(4.0)  # hardly apart
    settings = choose(np.bincount(labels).tolist(), exemplar_size=FEATURES, shuffles=1, epochs=12)
    index = settings.split(labels, 0)
    facts, arrays = run_to_end(fit(x, labels, *index, settings))
    assert facts["admitted_rightly"] == 0.0
    assert any(each["best"] for each in facts["history"][1:])  # by their loss later epochs were better
    assert facts["best_epoch"] == 1
    assert facts["best_loss"] == facts["history"][0]["balanced_calibration_loss"]
    weights = sdm.AdaptorWeights.among(arrays)
    normalised = sdm.Normalization(facts["mean"], facts["standard_deviation"]).apply(x[index[1]])
    exemplars = normalised @ weights.projection_weight.T + weights.projection_bias
    logits = exemplars @ weights.classifier_weight.T + weights.classifier_bias
    np.testing.assert_allclose(logits, arrays["calibration_logits"], atol=1e-4)
