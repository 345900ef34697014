"""Which weights a fit keeps: the regression's, unless later ones admit more of the calibration rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from reexd import sdm
from reexd.engine.adaptor.ending import Candidate, Ending, ended
from reexd.engine.adaptor.fit import fit
from reexd.engine.adaptor.scale import logit_scale, scaled
from reexd.engine.adaptor.settings import choose
from reexd.engine.adaptor.shuffles import run_to_end

CLASSES, FEATURES, ROWS = 3, 8, 240


def sample(spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.arange(ROWS) % CLASSES
    centres = 4.0 * np.eye(CLASSES, FEATURES)
    return (centres[labels] + spread * generator.normal(size=(ROWS, FEATURES))).astype(np.float32), labels


def kept(*candidates: Candidate, calibrated_scale: bool = False) -> Ending:
    x, labels = sample(0.7)
    settings = choose(np.bincount(labels).tolist(), exemplar_size=FEATURES, calibrated_scale=calibrated_scale)
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


def test_the_scale_is_that_of_least_loss_and_changes_nothing_else(seeing: Candidate) -> None:
    """From logits far too small: predictions, q, d0 and exemplars stay, and the loss falls."""
    small = Candidate(scaled(seeing.weights, 0.05), 3, 9.0)
    before, after = kept(small), kept(small, calibrated_scale=True)
    assert after.candidate.loss < kept_loss(before) - 0.05
    for name in ("projection_weight", "projection_bias"):
        assert (getattr(after.candidate.weights, name) == getattr(small.weights, name)).all()
    assert (after.matches.q == before.matches.q).all() and (after.matches.d0 == before.matches.d0).all()
    assert (after.matches.logits.argmax(axis=1) == before.matches.logits.argmax(axis=1)).all()
    assert after.admitted >= before.admitted
    factor = after.candidate.weights.classifier_weight.max() / small.weights.classifier_weight.max()
    assert factor > 2
    assert kept_loss(after) == pytest.approx(after.candidate.loss, rel=1e-5)


def test_the_scale_is_found_that_labels_were_drawn_by() -> None:
    """Of balanced classes; a prior of a few rows holds little against thousands, and much against a dozen."""
    generator = np.random.default_rng(3)
    for true in (0.4, 1.0, 3.0):
        logits = generator.normal(size=(6000, CLASSES))
        q, d = generator.integers(0, 200, 6000), generator.random(6000)
        shares = sdm.sdm_activation(true * logits, q, d)
        labels = (generator.random((6000, 1)) > np.cumsum(shares, axis=1)[:, :-1]).sum(axis=1)
        found = logit_scale(logits, labels, q, d, CLASSES, 2.0)
        assert found == pytest.approx(true, rel=0.1)
        few = logit_scale(logits[:12], np.arange(12) % CLASSES, q[:12], d[:12], CLASSES, 2.0)
        assert 0.2 < few < 5


def kept_loss(found: Ending) -> float:
    """The balanced SDM loss of the calibration rows under the weights that were kept."""
    _, labels = sample(0.7)
    settings = choose(np.bincount(labels).tolist(), exemplar_size=FEATURES)
    _, calibration = settings.split(labels, 0)
    own, matches = labels[calibration], found.matches
    cdfs, _ = sdm.pool_small_cdfs(
        sdm.distance_cdfs(own, matches.q, matches.d0, CLASSES), settings.pooled_classes_min
    )
    d = sdm.distance_quantiles(matches.d0, cdfs)
    return sdm.balanced_loss(matches.logits, own, matches.q, d, CLASSES)


def test_where_no_epoch_wins_a_rung_the_regression_is_kept() -> None:
    x, labels = sample(4.0)  # hardly apart
    settings = choose(np.bincount(labels).tolist(), exemplar_size=FEATURES, shuffles=1, epochs=12)
    index = settings.split(labels, 0)
    facts, arrays = run_to_end(fit(x, labels, *index, settings))
    assert facts["admitted_rightly"] == 0.0
    assert any(each["best"] for each in facts["history"][1:])  # by their loss later epochs were better
    assert facts["best_epoch"] == 1
    assert facts["best_loss"] <= facts["history"][0]["balanced_calibration_loss"]  # at its best scale
    weights = sdm.AdaptorWeights.among(arrays)
    normalised = sdm.Normalization(facts["mean"], facts["standard_deviation"]).apply(x[index[1]])
    exemplars = normalised @ weights.projection_weight.T + weights.projection_bias
    logits = exemplars @ weights.classifier_weight.T + weights.classifier_bias
    np.testing.assert_allclose(logits, arrays["calibration_logits"], atol=1e-4)
