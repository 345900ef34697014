"""How probable it is that an answer is right, and which classes it cannot exclude: over the wire and in the store."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from reex import errors
from reexd.records import ClassifierArrays
from reexd.steps.confidence import Confidence, confidence_report, with_confidence


def test_an_answer_says_how_probable_it_is_and_on_what_grounds(trained, tiny_models):
    (answer,) = trained.client.query(trained.project, tiny_models.texts("positive", 1, seed=9))
    assert 0 < answer.probability_lower <= answer.probability <= answer.probability_upper <= 1
    behind = trained.client.get_classifier(trained.project).training["probability_documents"]
    assert 0 < answer.probability_documents <= behind
    assert answer.prediction in answer.prediction_set
    assert answer.coverage == 0.9


def test_sets_grow_with_the_coverage_that_is_asked_for(trained, tiny_models):
    client, texts = trained.client, [tiny_models.texts(name, 1, seed=3)[0] for name in ("positive", "other")]
    before = [set()] * len(texts)
    for coverage in (0.5, 0.9, 0.999):
        found = client.query(trained.project, texts, coverage=coverage)
        assert all(each.coverage == coverage for each in found)
        sets = [set(each.prediction_set) for each in found]
        assert all(smaller <= larger for smaller, larger in zip(before, sets, strict=True))
        before = sets
    # No class here has the 999 calibration documents that it takes to be excluded so surely.
    assert all(each.prediction_set == (0, 1, 2) == each.prediction_set_uncalibrated for each in found)
    streamed = list(client.predict(trained.project, texts, coverage=0.5))
    again = client.query(trained.project, texts, coverage=0.5)
    assert [each.prediction_set for each in streamed] == [each.prediction_set for each in again]


def test_stored_answers_keep_the_probability_and_make_the_set_anew(trained):
    first = list(trained.client.predict_split(trained.project, "test"))
    wider = list(trained.client.predict_split(trained.project, "test", coverage=0.999))
    asked = trained.client.query(trained.project, [each.text for each in first[:10]])
    for stored, same, fresh in zip(first[:10], wider, asked, strict=False):
        assert stored.probability == same.probability == pytest.approx(fresh.probability, abs=1e-9)
        assert stored.probability_documents == fresh.probability_documents
        assert stored.prediction_set == fresh.prediction_set
        assert same.prediction_set == (0, 1, 2)
    right = np.array([each.prediction == each.label for each in first])
    told = np.array([each.probability for each in first])
    assert abs(told.mean() - right.mean()) < 0.15


@pytest.mark.parametrize("coverage", [0.49, 1.0, float("nan")])
def test_a_coverage_outside_its_bounds_is_refused(trained, coverage):
    for ask in (
        lambda: trained.client.query(trained.project, "a", coverage=coverage),
        lambda: list(trained.client.predict_split(trained.project, "test", coverage=coverage)),
        lambda: list(trained.client.predict(trained.project, ["a"], coverage=coverage)),
    ):
        with pytest.raises(errors.InvalidArgument, match=r"between 0\.5 and 0\.999"):
            ask()


def test_every_shuffle_of_a_training_adds_its_calibration_documents(served, project, corpus, fast):
    served.upload(project, corpus(15), "train")
    served.train(project, **fast | {"shuffles": 3})
    made = served.client.get_classifier(project)
    behind = made.training["probability_documents"]
    assert made.calibration_count < behind <= made.support_count + made.calibration_count
    gone = [each for each in served.client.predict_split(project, "train") if each.role == "support"]
    # Supports this version, and calibrated it in another shuffle or in none.
    served.upload(
        project, [{"id": each.id, "document": "now", "label": each.label} for each in gone], "train"
    )
    again = served.client.recalibrate(project)
    assert again.calibration_count == made.calibration_count
    assert again.training["probability_documents"] == made.calibration_count


def test_recalibrating_what_did_not_change_keeps_every_probability(served, ready):
    client = served.client
    before = list(client.predict_split(ready, "test"))
    made = client.recalibrate(ready)
    for one, other in zip(before, client.predict_split(ready, "test"), strict=True):
        assert other.classifier == made.name
        assert other.probability == pytest.approx(one.probability, abs=1e-3)


def test_recalibration_forgets_what_was_said_of_documents_that_are_gone(served, ready):
    client = served.client
    behind = client.get_classifier(ready).training["probability_documents"]
    own = [each for each in client.predict_split(ready, "train") if each.role == "calibration"]
    gone = own[-1]
    served.upload(ready, [{"id": gone.id, "document": "another text", "label": gone.label}], "train")
    assert client.recalibrate(ready).training["probability_documents"] == behind - 1


def test_a_version_stays_as_probable_when_documents_are_added(served, ready):
    client = served.client
    (before,) = client.query(ready, "a text of no class at all")
    served.upload(ready, [{"id": "new", "document": "something else entirely"}], "incoming")
    client.add_to_support(ready, ["new"], label=-99)
    (after,) = client.query(ready, "a text of no class at all")
    assert after.classifier == "v2"
    assert after.probability is not None and after.coverage == before.coverage


# The fit, without a daemon


def arrays(seed: int = 0, count: int = 60, classes: int = 3) -> ClassifierArrays:
    """Only what the confidence of a version reads; the rest is empty."""
    generator = np.random.default_rng(seed)
    labels = np.r_[np.arange(classes), generator.integers(0, classes, count - classes)].astype(np.int32)
    logits = generator.normal(size=(count, classes))
    logits[np.arange(count), labels] += 1
    table = np.zeros((count, 5 + 2 * classes), np.float32)
    table[:, 1], table[:, 2] = generator.integers(0, 20, count), generator.gamma(2.0, size=count)
    table[:, -classes:] = logits
    none = np.empty(0)
    empty = dict.fromkeys(ClassifierArrays.__dataclass_fields__, none)
    for name in ("evidence_documents", "evidence_table", "probability_coefficients", "probability_knots"):
        del empty[name]
    return ClassifierArrays(
        **empty
        | {
            "calibration_documents": np.arange(count),
            "calibration_table": table,
            "calibration_labels": labels,
            "distance_cdfs": (none,) * classes,
        }
    )


def test_a_version_made_without_answers_without_and_can_be_given_one() -> None:
    old = arrays()
    asked = old.calibration_table[:5, -3:], old.calibration_table[:5, 1], old.calibration_table[:5, 2]
    assert Confidence(old).probabilities(*asked) is None
    found = Confidence(with_confidence(old)).probabilities(*asked)
    assert found.value.shape == (5,) and (found.documents > 0).all()


def test_a_version_without_calibration_rows_says_nothing(trained) -> None:
    (answer,) = trained.client.query(trained.project, "a")
    bare = replace(arrays(), calibration_labels=np.empty(0, np.int32), calibration_table=np.empty((0, 11)))
    assert with_confidence(bare) is bare
    confidence = Confidence(bare)
    assert confidence.probabilities(np.zeros((1, 3)), np.zeros(1), np.zeros(1)) is None
    assert confidence.with_sets([answer], 0.9) == [answer]


def test_the_report_names_the_classes_that_no_set_can_exclude() -> None:
    few = arrays(count=30)
    few.calibration_labels[:] = np.r_[0, 1, 1, np.full(27, 2)]
    report = confidence_report(few, ("a", "b", "c"))
    assert report == {
        "probability_documents": 30,
        "set_coverage": 0.9,
        "set_uncalibrated_classes": ["a", "b"],
        "set_shared_classes": [],
    }
    assert json.dumps(report)
    few.calibration_labels[:] = np.r_[np.zeros(4), np.ones(5), np.full(21, 2)]
    report = confidence_report(few, ("a", "b", "c"))
    assert (report["set_uncalibrated_classes"], report["set_shared_classes"]) == ([], ["a", "b"])
