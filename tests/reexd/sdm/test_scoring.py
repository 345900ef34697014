"""Calibration, scoring, reliability and explanation together, from logits, q and d0."""

from __future__ import annotations

import numpy as np
import pytest
from reexd import sdm


def calibration_rows(count: int = 300, classes: int = 3) -> tuple[np.ndarray, ...]:
    """Rows whose logits, q and d0 agree with their labels about as a trained adaptor's do."""
    generator = np.random.default_rng(3)
    labels = np.arange(count) % classes
    logits = generator.normal(size=(count, classes)) + 4.0 * np.eye(classes)[labels]
    right = logits.argmax(axis=1) == labels
    q = np.where(right, generator.integers(1, 60, count), generator.integers(0, 2, count))
    d0 = generator.gamma(2.0, 1.0, count) + 3.0 * ~right
    return labels, logits.astype(np.float32), q, d0.astype(np.float32)


@pytest.fixture(scope="module")
def calibration() -> sdm.Calibration:
    return sdm.calibrate(*calibration_rows(), 3)


def test_calibration_rows_score_as_they_were_calibrated(calibration: sdm.Calibration) -> None:
    _, logits, q, d0 = calibration_rows()
    rows = calibration.rows
    scores = sdm.score(logits, q, d0, calibration)
    for got, kept in ((scores.d, rows.d), (scores.sdm, rows.sdm), (scores.q_prime, rows.q_prime)):
        np.testing.assert_array_equal(got, kept)


def test_the_lower_estimate_is_never_bolder(calibration: sdm.Calibration) -> None:
    _, logits, q, d0 = calibration_rows()
    scores = sdm.score(logits, q, d0, calibration)
    assert (scores.region_alpha >= 0.9).any()
    assert (scores.lower_region_alpha > 0).any()
    assert (scores.lower_d <= scores.d).all()
    assert (scores.upper_d >= scores.d).all()
    assert (scores.lower_q_prime <= scores.q_prime).all()
    assert (scores.lower_errors[scores.lower_region_alpha == 0] == 1).all()


def test_each_rejection_has_its_reason(calibration: sdm.Calibration) -> None:
    clear = [9.0, 0.0, 0.0]
    logits = np.array([clear, clear, clear, [0.1, 0.0, 0.0]], dtype=np.float32)
    q, d0 = np.array([50, 0, 50, 1]), np.array([0.0, 0.0, 1e6, 0.0])

    scores = sdm.score(logits, q, d0, calibration)

    assert [sdm.Reason(code) for code in scores.reason] == [
        sdm.Reason.ADMITTED,
        sdm.Reason.ZERO_SIMILARITY,
        sdm.Reason.BEYOND_CALIBRATION,
        sdm.Reason.NO_CALIBRATED_REGION,
    ]
    assert [sdm.Reason(code).word for code in scores.reasons(0.99)] == [
        "below-required-alpha",
        "zero-similarity",
        "beyond-calibration",
        "no-calibrated-region",
    ]
    words = sdm.reliability(scores, calibration)
    assert words[1] == "out-of-distribution"
    assert words[2] == words[3] == "lowest"
    assert words[0] in ("highest", "high")


def test_reliability_words_follow_the_alphas(calibration: sdm.Calibration) -> None:
    _, logits, q, d0 = calibration_rows()
    scores = sdm.score(logits, q, d0, calibration)
    words = sdm.reliability(scores, calibration)
    top = calibration.regions[0].alpha
    for word, alpha, lower, q_prime in zip(
        words, scores.region_alpha, scores.lower_region_alpha, scores.q_prime, strict=True
    ):
        if word == "highest":
            assert lower == top >= 0.9
        elif word == "high":
            assert alpha >= 0.9
        elif word == "low":
            assert 0.0 < alpha < 0.9
        else:
            assert alpha == 0.0
            assert (q_prime < 1.0) == (word == "out-of-distribution")


def test_an_empty_class_silences_the_official_mode_and_is_explained() -> None:
    labels, logits, q, d0 = calibration_rows()
    q = np.where(labels == 2, 0, q)

    official = sdm.calibrate(labels, logits, q, d0, 3)
    pooled = sdm.calibrate(labels, logits, q, d0, 3, pooled_classes_min=5)

    assert (official.rows.d == 0).all()
    assert official.regions == ()
    assert "every document is rejected" in sdm.explain_regions(official, ["a", "b", "c"])[0]
    assert pooled.pooled_classes == (2,)
    assert (pooled.rows.d > 0).any()
    assert any("class c (0)" in note for note in sdm.explain_regions(pooled, ["a", "b", "c"]))


def test_the_class_that_blocks_a_rung_is_named() -> None:
    labels, logits, q, d0 = calibration_rows()
    logits = np.where((labels == 1)[:, None], logits * 0.05, logits)  # class b is never sure

    calibration = sdm.calibrate(labels, logits, q, d0, 3)
    notes = sdm.explain_regions(calibration, ["a", "b", "c"])

    assert notes
    assert all("class b" in note and "class a" not in note for note in notes)
    (alpha, blocks), *_ = sdm.blocked_rungs(calibration)
    assert (alpha, blocks[0].label, blocks[0].rows) == (0.95, 1, 100)


def test_explaining_needs_the_rows(calibration: sdm.Calibration) -> None:
    bare = sdm.Calibration(calibration.distance_cdfs, calibration.q_prime_cdfs, calibration.regions)
    with pytest.raises(ValueError, match="calibration rows"):
        sdm.explain_regions(bare)


@pytest.mark.parametrize(
    ("logits", "q", "d0"),
    [
        (np.zeros((1, 2)), np.zeros(1), np.zeros(1)),
        (np.zeros((1, 3)), np.zeros(2), np.zeros(1)),
        (np.full((1, 3), np.nan), np.zeros(1), np.zeros(1)),
        (np.zeros((1, 3)), np.full(1, -1), np.zeros(1)),
        (np.zeros((1, 3)), np.zeros(1), np.full(1, np.inf)),
    ],
)
def test_misfits_are_refused(
    calibration: sdm.Calibration, logits: np.ndarray, q: np.ndarray, d0: np.ndarray
) -> None:
    with pytest.raises(ValueError):
        sdm.score(logits, q, d0, calibration)


def test_an_ensemble_admits_what_all_members_agree_on_and_admit() -> None:
    predictions = np.array([[0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 0]])
    alphas = np.array([[0.95, 0.9, 0.95, 0.95], [0.6, 0.9, 0.95, 0.0], [0.9, 0.95, 0.95, 0.95]])
    found = sdm.agreement(predictions, alphas)
    assert (found.size, found.agreed.tolist()) == (3, [3, 3, 2, 3])
    assert found.region_alpha.tolist() == [0.6, 0.9, 0.0, 0.0]
    assert found.admitted.tolist() == [True, True, False, False]
    with pytest.raises(ValueError, match="expected"):
        sdm.agreement(predictions[:0], alphas[:0])
