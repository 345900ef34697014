"""Rungs certified class by class, against the definition written out, and what is said of classes left out."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from reexd import sdm
from reexd.sdm import certification
from reexd.sdm.regions import NEVER, tail_allowance


def rows(seed: int, count: int = 400, classes: int = 4) -> tuple[np.ndarray, ...]:
    """Probabilities that sharpen with q'; class 0 is rare and class 1 often mistaken."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(classes, count, p=[0.02, *[0.98 / (classes - 1)] * (classes - 1)])
    q_prime = generator.integers(1, 40, count).astype(np.float32)
    logits = generator.normal(size=(count, classes)) + 2.5 * np.eye(classes)[labels]
    logits[labels == 1, 1] -= 1.0
    outputs = sdm.sdm_activation(logits, q_prime, np.ones(count))
    return outputs, q_prime, labels, logits.argmax(axis=1)


def alone(outputs, q_prime, labels, predictions) -> sdm.Witnesses:
    """The rows of one model."""
    everyone = np.arange(labels.size)
    return sdm.witnesses([everyone], [(labels, predictions, outputs[everyone, predictions], q_prime)])


def literal(outputs, q_prime, labels, predictions, alpha: float, cut: float) -> list[float]:
    """Thresholds at one cut, class by class, as the module's text has them."""
    kept, thresholds = q_prime >= cut, []
    for label in range(outputs.shape[1]):
        own = sorted(outputs[kept & (labels == label), label].tolist())
        n = len(own)
        margin = certification.MARGIN * math.sqrt(alpha * round(1 - alpha, 10) * n)
        short = math.floor(round(1 - alpha, 10) * (n + 1) - 1 - margin + 1e-9)
        if short < 0 or own[short] < np.float32(alpha):
            thresholds.append(NEVER)
            continue
        named = kept & (predictions == label) & (outputs[:, label] >= np.float32(own[short]))
        wrong = int((labels[named] != label).sum())
        thresholds.append(NEVER if wrong > tail_allowance(alpha, named.sum()) else own[short])
    return thresholds


@pytest.mark.parametrize("seed", range(6))
def test_a_region_is_what_the_definition_says_at_its_cut(seed: int) -> None:
    found = rows(seed)
    for alpha in (0.9, 0.8, 0.6):
        region = certification.fit_certified_region(alone(*found), 4, np.ones(400, bool), alpha)
        if region is not None:
            assert list(region.thresholds) == literal(*found, alpha, region.q_prime_min)


def test_a_rare_class_is_left_out_and_does_not_block_the_others() -> None:
    outputs, q_prime, labels, predictions = rows(0)
    (region, *_) = sdm.fit_certified_regions(alone(outputs, q_prime, labels, predictions), 4, [0.8])
    assert 0 in sdm.left_out(region)
    assert len(sdm.left_out(region)) < 4
    accepted = sdm.region_accepts(q_prime, outputs, predictions, region)
    assert accepted.any()
    assert not np.isin(predictions[accepted], sdm.left_out(region)).any()


def test_even_a_certain_output_is_not_admitted_as_a_class_left_out() -> None:
    region = sdm.Region(0.9, 1.0, (0.9, NEVER))
    outputs = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    assert sdm.region_accepts(np.full(2, 9.0), outputs, np.array([0, 1]), region).tolist() == [True, False]


@pytest.mark.parametrize(("alpha", "least"), [(0.95, 32), (0.9, 15), (0.8, 7)])
def test_the_fewest_rows_of_a_certificate(alpha: float, least: int) -> None:
    assert sdm.certified_rows_min(alpha) == least
    assert certification.fall_short(alpha, np.array([least - 1, least])).tolist() == [-1, 0]


def test_mistakes_of_other_classes_cost_the_certificate() -> None:
    """Forty clear rows of each class; eight more of class 1 that are taken for 0 with certainty."""
    labels = np.repeat([0, 1], [40, 48])
    outputs = np.where(np.arange(2) == labels[:, None], 0.97, 0.03).astype(np.float32)
    outputs[80:] = [0.97, 0.03]
    found = alone(outputs, np.full(88, 5.0), labels, outputs.argmax(axis=1))
    assert not sdm.fit_certified_regions(found, 2, [0.9])  # 0 lacks precision, 1 lacks outputs
    (zero, one) = certification.verdicts(found, 2, np.ones(88, bool), 0.9, 5.0)
    assert (zero.lack, zero.admitted, zero.wrong) == (sdm.Lack.PRECISION, 48, 8)
    assert (one.lack, one.candidates, one.reaching) == (sdm.Lack.OUTPUTS, 48, 40)


def test_the_report_names_who_is_left_out_and_what_would_help() -> None:
    outputs, q_prime, labels, _ = rows(0)
    generator = np.random.default_rng(1)
    logits = np.log(outputs)
    calibration = sdm.calibrate(
        labels,
        logits,
        q_prime.astype(int),
        generator.random(labels.size),
        4,
        pooled_classes_min=10,
        certified=True,
    )
    assert calibration.regions
    notes = "\n".join(sdm.explain_regions(calibration, ["rare", "blurred", "clear", "plain"]))
    assert "class rare has" in notes
    assert "label more documents of it" in notes
    for verdicts, region in zip(sdm.certificates(calibration), calibration.regions, strict=True):
        assert tuple(each.label for each in verdicts if each.lack) == sdm.left_out(region)


@pytest.mark.parametrize(("class_count", "told"), [(2, False), (3, True), (4, True)])
@pytest.mark.parametrize("certified", [True, False])
def test_classes_are_merged_only_where_two_are_left(class_count: int, told: bool, certified: bool) -> None:
    """And one more class is one."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(class_count), 60)
    logits = generator.normal(0, 0.3, (labels.size, class_count)) + np.eye(class_count)[labels]
    calibration = sdm.calibrate(
        labels, logits, np.full(labels.size, 9), np.ones(labels.size), class_count, certified=certified
    )
    notes = "\n".join(sdm.explain_regions(calibration))
    assert "may fall short" in notes
    assert "add clear documents of it" in notes
    assert ("merge it with the class" in notes) == told
    assert ("; and 1 more class" in notes) == (class_count == 4)
    assert "1 more classes" not in notes


def test_without_a_region_each_class_is_told_at_the_cut_nearest_to_a_certificate() -> None:
    """At alpha .9 a certificate takes 15 rows; of 40 the clearest 20 hold two that fall short, in places 3 and 17."""
    least = certification.certified_rows_min(0.9)
    assert least == 15
    own = np.full(40, 0.95)
    own[[3, 17, *range(20, 40)]] = 0.5
    few = np.full(9, 0.95)
    outputs = np.concatenate([np.stack([own, 1 - own], 1), np.stack([1 - few, few], 1)])
    labels = np.repeat([0, 1], [40, 9])
    q_prime = np.concatenate([np.arange(40, 0, -1), np.arange(9, 0, -1)]).astype(float)
    predictions = outputs.argmax(axis=1)
    found = alone(outputs, q_prime, labels, predictions)
    many, rare = certification.closest(found, 2, np.ones(49, bool), 0.9)
    assert (many.label, many.lack, many.candidates, many.reaching) == (0, sdm.Lack.OUTPUTS, 15, 14)
    assert (rare.label, rare.lack, rare.candidates, rare.rows) == (1, sdm.Lack.ROWS, 9, 9)
    tied = np.concatenate([np.full(40, 5.0), q_prime[40:]])  # no cut within them
    found = alone(outputs, tied, labels, predictions)
    (_, same) = sorted(
        certification.closest(found, 2, np.ones(49, bool), 0.9), key=lambda each: each.candidates
    )
    assert (same.lack, same.candidates, same.reaching) == (sdm.Lack.OUTPUTS, 40, 18)


def test_a_document_counts_once_however_many_models_it_calibrates() -> None:
    """Every row twice, under the number of the same document: at a cut it shows what one row each does."""
    outputs, q_prime, labels, predictions = rows(2)
    once = alone(outputs, q_prime, labels, predictions)
    everyone = np.arange(labels.size)
    told = labels, predictions, outputs[everyone, predictions], q_prime
    twice = sdm.witnesses([everyone, everyone], [told, told])
    assert twice.reserve == once.reserve == certification.MARGIN
    assert twice.weights.tolist() == [0.5] * 2 * labels.size
    for shown, single in zip(
        certification.verdicts(twice, 4, np.ones(2 * labels.size, bool), 0.8, 6.0),
        certification.verdicts(once, 4, np.ones(labels.size, bool), 0.8, 6.0),
        strict=True,
    ):
        assert shown == single


def test_rows_of_other_shuffles_certify_what_one_has_too_few_for() -> None:
    """Ten clear rows of each class are too few at .9, those of four shuffles enough; the reserve falls with the root of
    the share that are the version's own."""
    count = 20
    labels = np.tile([0, 1], count // 2)
    told = labels, labels, np.full(count, 0.97), np.full(count, 7.0)
    own = sdm.witnesses([np.arange(count)], [told])
    assert not sdm.fit_certified_regions(own, 2, [0.9])
    shuffles = [np.arange(count) + count * each for each in range(4)]
    everything = sdm.witnesses(shuffles, [told] * 4)
    assert everything.reserve == pytest.approx(certification.MARGIN / 2)
    (region,) = sdm.fit_certified_regions(everything, 2, [0.9])
    assert sdm.left_out(region) == ()
    assert region.thresholds == pytest.approx((0.97, 0.97))


def test_admission_is_that_of_scoring() -> None:
    outputs, q_prime, labels, predictions = rows(3)
    found = alone(outputs, q_prime, labels, predictions)
    regions = sdm.fit_certified_regions(found, 4, sdm.ladder_alphas())
    assert regions
    for region in regions:
        scored = sdm.region_accepts(q_prime, outputs, predictions, region)
        assert found.accepted(region).tolist() == scored.tolist()


def test_what_is_said_to_be_mistaken_for_a_class_is_more_than_a_rung_allows() -> None:
    """Where outputs alone would do at a cut that was tried, the mistakes there are counted, and too many."""
    said = 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        labels = generator.integers(0, 3, 200)
        logits = generator.normal(size=(200, 3)) + generator.uniform(0.5, 3) * np.eye(3)[labels]
        found = sdm.calibrate(
            labels, logits, generator.geometric(0.02, 200), generator.random(200), 3, certified=True
        )
        for note in sdm.explain_regions(found):
            alpha = re.match(r"no region at alpha (\S+),", note)
            for admitted, wrong in re.findall(
                r"of (\d+) calibration documents admitted as \d, (\d+) are", note
            ):
                assert int(wrong) > 0
                if alpha:
                    said += 1
                    assert int(wrong) > tail_allowance(float(alpha[1]), np.array(int(admitted)))
            assert "not rarer" not in note
    assert said
