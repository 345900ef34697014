"""Regions fitted again to the present support, and what that leaves out."""

from __future__ import annotations

import pytest
from reex import errors


def test_recalibrating_what_did_not_change_changes_nothing(served, ready):
    client = served.client
    made = client.recalibrate(ready)
    old = client.get_classifier(ready, "v1")
    assert (made.name, made.origin, made.parent, made.live) == ("v2", "recalibrate", "v1", True)
    assert (made.support_count, made.calibration_count) == (old.support_count, old.calibration_count)
    assert [region.alpha for region in made.regions] == [region.alpha for region in old.regions]
    for one, other in zip(made.regions, old.regions, strict=True):
        assert one.q_prime_min == pytest.approx(other.q_prime_min, rel=1e-3)
        assert one.thresholds == pytest.approx(other.thresholds, abs=1e-3)


def test_recalibration_follows_the_support_and_the_present_labels(served, ready):
    client = served.client
    calibration = [a for a in client.predict_split(ready, "train") if a.role == "calibration"]
    # Copies of calibration texts that belong to no class: those documents lose all similarity.
    copies = [{"id": f"copy-{a.id}", "document": a.text} for a in calibration[:10]]
    served.upload(ready, copies, "incoming")
    added = client.add_to_support(ready, [line["id"] for line in copies], label=-99)
    assert added.added_since_calibration == 10
    relabelled = calibration[-1]
    other = (relabelled.label + 1) % 3
    served.upload(ready, [{"id": relabelled.id, "document": relabelled.text, "label": other}], "train")
    gone = calibration[-2]
    served.upload(ready, [{"id": gone.id, "document": "another text", "label": gone.label}], "train")
    assert client.get_classifier(ready).stale == "of its training documents: 1 replaced, 1 relabelled"
    made = client.recalibrate(ready)
    assert (made.parent, made.added_since_calibration) == ("v2", 0)
    assert made.calibration_count == added.calibration_count - 1
    assert made.training["calibration_rows_left_out"] == 1
    assert made.stale == "of its training documents: 1 replaced"  # the weights were chosen with it
    assert added.regions
    assert made.regions != added.regions
    found = {answer.id: answer for answer in client.predict_split(ready, "train")}
    assert all(found[a.id].q == 0 for a in calibration[:10])
    assert all(found[a.id].prediction == a.prediction for a in calibration[:-2])


def test_a_class_without_calibration_documents_cannot_be_recalibrated(served, ready):
    client = served.client
    own = [a for a in client.predict_split(ready, "train") if a.role == "calibration" and a.label == 0]
    served.upload(ready, [{"id": a.id, "document": a.text, "label": 0} for a in own], "aside")
    with pytest.raises(errors.FailedPrecondition, match="none is left of negative") as caught:
        client.recalibrate(ready)
    assert caught.value.reason == "NOT_ENOUGH_DATA"
    assert client.get_classifier(ready).name == "v1"


def test_warnings_that_a_new_calibration_does_not_answer_stay(served, ready, tmp_path):
    client = served.client
    served.train(ready, continue_from="v1", official=True, epochs=2)
    (seen,) = [text for text in client.get_classifier(ready).warnings if "trained v1" in text]
    made = client.recalibrate(ready)
    assert (made.origin, made.warnings.count(seen)) == ("recalibrate", 1)
    # Of an imported model whose documents are here but for one, whose text is another.
    folder = client.export_classifier(ready, tmp_path / "v1.sdmkitmodel", "v1")
    support = [a.id for a in client.predict_split(ready, "train") if a.role == "support"]
    served.upload(ready, [{"id": support[0], "document": "giraffe soup", "label": 0}], "train")
    imported = client.import_classifier(ready, folder)
    (partly,) = [text for text in imported.warnings if "119 are in this project" in text]
    client.use_classifier(ready, imported.name)
    client.add_to_support(ready, "outside-0", label=-99)
    made = client.recalibrate(ready)
    assert made.warnings.count(partly) == 1
    assert seen not in made.warnings
    # Those that it does answer are replaced: nothing is said twice, or of regions that are there now.
    assert len(made.warnings) == len(set(made.warnings))
    again = client.recalibrate(ready)
    assert again.warnings == made.warnings
