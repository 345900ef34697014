"""Evaluation: the figures agree with the predictions, and what trained a version never speaks for it."""

from __future__ import annotations

import math

import pytest
from reex import errors


def answers(daemon, project: str, split: str, **more) -> dict:
    return {answer.id: answer for answer in daemon.client.predict_split(project, split, **more)}


def test_a_trained_document_is_no_witness_for_itself(trained):
    found = answers(trained.daemon, trained.project, "train", neighbors=25)
    support = [answer for answer in found.values() if answer.role == "support"]
    assert len(support) > 100
    for answer in support:
        assert answer.id not in {neighbor.id for neighbor in answer.neighbors}
        assert answer.d0 > 1e-6
    # Asked as a text, the same words are their own nearest neighbour.
    (asked,) = trained.client.query(trained.project, support[0].text)
    assert asked.neighbors[0].id == support[0].id
    assert asked.d0 == pytest.approx(0, abs=1e-3)
    assert asked.role == ""
    assert {found[line["id"]].role for line in trained.lines["train"] if line["label"] < 0} == {""}


def test_what_trained_never_enters_the_headline(trained):
    training = trained.client.evaluate(trained.project, "train")
    assert training.n == 0
    assert training.unseen_count == 3
    assert (training.unlabelled_count, training.out_of_distribution_count) == (1, 2)
    assert training.support_count + training.calibration_count == 180
    test = trained.client.evaluate(trained.project, "test")
    assert (test.support_count, test.calibration_count) == (0, 0)
    assert test.unseen_count == len(trained.lines["test"])
    assert test.n == 91


def test_the_figures_of_an_evaluation_agree_with_the_predictions(trained):
    evaluation = trained.client.evaluate(trained.project, "test")
    known = [
        answer for answer in answers(trained.daemon, trained.project, "test").values() if answer.label >= 0
    ]
    right = [answer.label == answer.prediction for answer in known]
    assert evaluation.classifier == "v1"
    assert evaluation.n == len(known)
    assert evaluation.correct == sum(right)
    assert evaluation.accuracy == pytest.approx(sum(right) / len(right))
    assert evaluation.interval.lower <= evaluation.accuracy <= evaluation.interval.upper
    assert evaluation.accuracy > 0.9
    for label, row in enumerate(evaluation.confusion):
        for predicted, count in enumerate(row):
            assert count == sum((answer.label, answer.prediction) == (label, predicted) for answer in known)
    recalls = [row.recall for row in evaluation.classes]
    assert evaluation.balanced_accuracy == pytest.approx(sum(recalls) / 3)
    assert (
        evaluation.balanced_interval.lower
        < evaluation.balanced_accuracy
        <= evaluation.balanced_interval.upper
    )
    for row in evaluation.classes:
        assert row.recall_interval.lower <= row.recall <= row.recall_interval.upper
        assert row.precision_interval.lower <= row.precision <= row.precision_interval.upper
    assert [row.name for row in evaluation.classes] == ["negative", "neutral", "positive"]
    assert evaluation.regions
    for region in evaluation.regions:
        inside = [ok for answer, ok in zip(known, right, strict=True) if answer.region_alpha >= region.alpha]
        assert (region.admitted, region.correct) == (len(inside), sum(inside))
    outside = [
        answer for answer in answers(trained.daemon, trained.project, "test").values() if answer.label == -99
    ]
    assert evaluation.out_of_distribution_count == len(outside) == 6
    assert evaluation.out_of_distribution_admitted == sum(answer.region_alpha >= 0.9 for answer in outside)


def test_what_no_region_admits_is_counted_by_why(trained):
    evaluation = trained.client.evaluate(trained.project, "test")
    rejected = [
        answer
        for answer in answers(trained.daemon, trained.project, "test").values()
        if answer.label >= 0 and not answer.region_alpha
    ]
    assert rejected
    tried = ["zero-similarity", "beyond-calibration", "no-calibrated-region"]
    assert [each.reason for each in evaluation.rejections] == [
        reason for reason in tried if any(answer.reason == reason for answer in rejected)
    ]
    for each in evaluation.rejections:
        right = [answer.label == answer.prediction for answer in rejected if answer.reason == each.reason]
        assert (each.accuracy.n, each.accuracy.correct) == (len(right), sum(right))
    assert sum(each.accuracy.n for each in evaluation.rejections) == len(rejected)
    assert evaluation.regions[-1].admitted + len(rejected) == evaluation.n


def test_copies_of_training_texts_are_counted_apart(trained):
    evaluation = trained.client.evaluate(trained.project, "test")
    supports = {a.text for a in trained.client.predict_split(trained.project, "train") if a.role == "support"}
    known = [a for a in trained.client.predict_split(trained.project, "test") if a.label >= 0]
    fresh = [a for a in known if a.text not in supports]
    assert evaluation.duplicate_count == len(known) - len(fresh)
    assert evaluation.accuracy_without_duplicates == pytest.approx(
        sum(a.label == a.prediction for a in fresh) / len(fresh)
    )


def test_each_rung_tells_both_conditional_accuracies(trained):
    """A region's promise is to each true class and to each prediction: counts of both, with their intervals."""
    known = [a for a in answers(trained.daemon, trained.project, "test").values() if a.label >= 0]
    for region in trained.client.evaluate(trained.project, "test").regions:
        inside = [a for a in known if a.region_alpha >= region.alpha]
        assert region.share_interval.lower <= len(inside) / len(known) <= region.share_interval.upper
        for cells, of in ((region.by_label, "label"), (region.by_prediction, "prediction")):
            for label, cell in enumerate(cells):
                ours = [a.label == a.prediction for a in inside if getattr(a, of) == label]
                assert (cell.n, cell.correct) == (len(ours), sum(ours))
                if ours:
                    assert cell.interval.lower <= cell.accuracy <= cell.interval.upper


def test_what_made_the_version_is_counted_by_itself(trained):
    """Of `train` nothing labelled is unseen: no headline, and the parts say how it looked to the version."""
    found = answers(trained.daemon, trained.project, "train").values()
    evaluation = trained.client.evaluate(trained.project, "train")
    assert evaluation.n == 0
    assert math.isnan(evaluation.accuracy)
    assert evaluation.probability is None
    for role, part in (("support", evaluation.support), ("calibration", evaluation.calibration)):
        ours = [a for a in found if a.role == role]
        right = sum(a.label == a.prediction for a in ours)
        assert (part.accuracy.n, part.accuracy.correct) == (len(ours), right)
        top = part.regions[0]
        assert top.admitted == sum(a.region_alpha >= top.alpha for a in ours)
    test = trained.client.evaluate(trained.project, "test")
    assert (test.support.accuracy.n, test.calibration.accuracy.n) == (0, 0)
    assert test.without_duplicates.accuracy.n == test.n - test.duplicate_count


def test_how_the_probability_of_being_right_fits(trained):
    known = [a for a in answers(trained.daemon, trained.project, "test").values() if a.label >= 0]
    fit = trained.client.evaluate(trained.project, "test").probability
    assert fit.kind == "calibrated"
    mean = sum(each.accuracy.n * each.mean_probability for each in fit.bins) / fit.n
    assert mean == pytest.approx(sum(a.probability for a in known) / len(known))
    squares = [(a.probability - (a.label == a.prediction)) ** 2 for a in known]
    assert fit.brier == pytest.approx(sum(squares) / len(known))
    assert fit.n == len(known) == sum(each.accuracy.n for each in fit.bins)
    assert sum(each.accuracy.correct for each in fit.bins) == sum(a.label == a.prediction for a in known)
    assert all(each.lower <= each.mean_probability <= each.upper for each in fit.bins)
    assert 0 <= fit.calibration_error <= 1
    gaps = [each.accuracy.n * abs(each.mean_probability - each.accuracy.accuracy) for each in fit.bins]
    assert fit.calibration_error == pytest.approx(sum(gaps) / len(known))


def test_prediction_sets_are_held_against_their_promise(trained):
    known = [a for a in answers(trained.daemon, trained.project, "test").values() if a.label >= 0]
    sets = trained.client.evaluate(trained.project, "test").prediction_sets
    assert sets.promised == known[0].coverage > 0
    assert (sets.coverage.n, sets.coverage.correct) == (
        len(known),
        sum(a.label in a.prediction_set for a in known),
    )
    assert sets.coverage.interval.lower <= sets.coverage.accuracy <= sets.coverage.interval.upper
    for label, cell in enumerate(sets.by_label):
        ours = [a for a in known if a.label == label]
        assert (cell.n, cell.correct) == (len(ours), sum(label in a.prediction_set for a in ours))
    assert sets.mean_size == pytest.approx(sum(len(a.prediction_set) for a in known) / len(known))
    assert sets.single_count == sum(len(a.prediction_set) == 1 for a in known)
    assert sets.full_count == sum(len(a.prediction_set) == 3 for a in known)


def test_a_split_without_documents_or_name_is_told(trained):
    for split in ("absent", "Bad/Name", "x" * 2000):
        with pytest.raises(errors.NotFound) as caught:
            trained.client.evaluate(trained.project, split)
        assert caught.value.reason == "SPLIT_NOT_FOUND"
        with pytest.raises(errors.NotFound):
            list(trained.client.predict_split(trained.project, split))


def test_staleness_in_words(served, project, corpus, fast):
    client = served.client
    lines = corpus(30)
    served.upload(project, lines, "train")
    served.train(project, **fast)

    def stale() -> tuple[str, int]:
        live = client.status(project).projects[0].classifier
        (answer,) = client.query(project, "profit rose")
        assert answer.stale == live.stale
        return live.stale, live.unused_count

    assert stale() == ("", 0)
    served.upload(project, lines[:5], "calibration")
    assert stale() == ("", 0)  # between train and calibration is no matter
    served.upload(project, corpus(2, seed=7), "train")
    assert stale() == ("", 6)
    served.upload(project, [{**lines[5], "label": (lines[5]["label"] + 1) % 3}], "train")
    assert stale() == ("of its training documents: 1 relabelled", 6)
    served.upload(project, [{**lines[6], "document": "something else"}], "train")
    served.upload(project, lines[7:9], "test")
    words = "of its training documents: 1 replaced, 1 relabelled, 2 moved out of train and calibration"
    assert stale() == (words, 6)
    # The relabelled and the moved ones still trained the version; the replaced one is another text now.
    trained_with = client.evaluate(project, "test")
    assert (trained_with.n, trained_with.unseen_count) == (0, 0)
    assert answers(served, project, "train")[lines[5]["id"]].role != ""
    assert answers(served, project, "train")[lines[6]["id"]].role == ""
    served.train(project, **fast)
    assert stale() == ("", 0)


def test_a_class_that_was_added_joins_with_the_next_version(served, project, corpus, tiny_models, fast):
    served.upload(project, corpus(30), "train")
    served.train(project, **fast)
    served.client.update_project(project, classes=(*tiny_models.CLASSES, "other"))
    others = [{"document": text, "label": "other"} for text in tiny_models.texts("other", 30)]
    served.upload(project, others[:25], "train")
    served.upload(project, others[25:], "test")
    assert len(served.client.query(project, "profit rose")[0].sdm) == 3
    assert served.client.evaluate(project, "test").n == 5  # labelled with a class that the live version lacks
    served.train(project, **fast)
    assert len(served.client.query(project, "profit rose")[0].sdm) == 4
    assert served.client.evaluate(project, "test").accuracy > 0.7
