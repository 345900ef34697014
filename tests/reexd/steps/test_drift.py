"""Drift: documents from the same source are none, others are, and what is compared is what the version never used."""

from __future__ import annotations

import pytest
from reex import errors
from reexd.steps.drift import Verdict, advice


def test_documents_of_the_same_source_are_no_drift(trained):
    report = trained.client.drift(trained.project, "test", last=90)
    assert (report.classifier, report.n, report.verdict) == ("v1", 90, "none")
    assert report.summary.startswith("no drift found")
    assert [each.name for each in report.quantities] == ["q", "d0", "q_prime"]
    for each in report.quantities:
        assert 0.05 < each.p_value_adjusted <= 1
        assert each.p_value <= each.p_value_adjusted
        assert each.difference <= report.difference_detectable
    arriving = list(trained.client.predict_split(trained.project, "test"))[-90:]
    calibration = [
        answer
        for split in ("train", "calibration")
        for answer in trained.client.predict_split(trained.project, split)
        if answer.role == "calibration"
    ]
    assert report.calibration_count == len(calibration)
    sides = [
        (arriving, report.zero_similarity, [row.arriving for row in report.admission], report.class_shares),
        (
            calibration,
            report.calibration_zero_similarity,
            [row.calibration for row in report.admission],
            report.calibration_class_shares,
        ),
    ]
    for found, zero, admitted, shares in sides:
        assert (zero.n, zero.count) == (len(found), sum(each.q == 0 for each in found))
        for row, share in zip(report.admission, admitted, strict=True):
            assert share.count == sum(each.region_alpha >= row.alpha for each in found)
            assert share.interval.lower <= share.share <= share.interval.upper
        for label, share in enumerate(shares):
            assert share == pytest.approx(sum(each.prediction == label for each in found) / len(found))


def test_documents_of_another_source_are_drift(served, ready, tiny_models):
    """Words that no training document has: farther, fewer admitted, and said in a sentence with a next step."""
    client = served.client
    few = client.drift(ready, "incoming")
    assert (few.verdict, few.n, few.quantities) == ("too-few", 6, ())
    lines = [{"id": f"o{n}", "document": text} for n, text in enumerate(tiny_models.texts("other", 60))]
    served.upload(ready, lines, "incoming")
    report = client.drift(ready, "incoming")
    assert report.verdict == "drift"
    assert "less like the training documents" in report.summary
    assert f"reexctl train {ready}" in report.advice
    by_name = {each.name: each for each in report.quantities}
    assert by_name["d0"].effect > 0.3
    assert by_name["q_prime"].effect < -0.3
    assert max(each.difference for each in report.quantities) > report.difference_detectable
    assert report.admission[0].arriving.share < report.admission[0].calibration.share
    assert client.drift(ready, "incoming", last=40).n == 40


def test_after_add_there_is_no_verdict_until_recalibration(served, ready, corpus):
    """The calibration documents did not meet the support that grew, those that arrive did: no p-value holds."""
    client = served.client
    served.upload(ready, corpus(20, seed=3), "fresh")
    before = client.drift(ready, "fresh")
    assert before.quantities
    client.add_to_support(ready, ["outside-0"], label=-99)
    assert "1 document joined the support of v2" in client.drift(ready, "fresh").summary
    client.add_to_support(ready, ["outside-1"], label=-99)
    grown = client.drift(ready, "fresh")
    assert (grown.verdict, grown.quantities, grown.added_since_calibration) == ("recalibrate-first", (), 2)
    assert (grown.n, grown.class_shares) == (before.n, before.class_shares)
    assert "2 documents joined the support of v3" in grown.summary
    assert f"reexctl recalibrate {ready}" in grown.advice
    client.recalibrate(ready)
    again = client.drift(ready, "fresh")
    assert (again.added_since_calibration, len(again.quantities)) == (0, 3)
    assert again.verdict != "recalibrate-first"


def test_what_the_version_used_is_not_compared_with_itself(trained):
    """Of `train` only the three that no class has are unseen."""
    report = trained.client.drift(trained.project, "train")
    assert (report.n, report.verdict) == (3, "too-few")


def test_after_a_slight_drift_the_split_that_was_measured_is_to_be_evaluated():
    assert "`reexctl evaluate p --split incoming` tells" in advice(Verdict.SLIGHT, [], "p", "incoming")


def test_a_split_that_is_absent_or_a_count_below_zero_is_refused(trained):
    with pytest.raises(errors.NotFound):
        trained.client.drift(trained.project, "absent")
    with pytest.raises(errors.InvalidArgument):
        trained.client.drift(trained.project, "test", last=-1)
