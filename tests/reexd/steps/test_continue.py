"""Training that goes on from a version: what it takes over, who stays on which side, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from reex import errors
from reexd.interchange.sdmkitmodel import read_model

STILL = {
    "epochs": 1,
    "learning_rate": 1e-30,
    "shuffles": 1,
}  # a step so short that no weight moves but one that is 0
MEDIUM = {"epochs": 120, "patience": 0, "shuffles": 2, "learning_rate": 0.001}


def sides(client, project: str) -> dict[str, str]:
    """The role of each document of train and calibration in the live version, by id."""
    found = {}
    for split in ("train", "calibration"):
        found |= {each.id: each.role for each in client.predict_split(project, split)}
    return found


def test_a_continued_version_begins_where_its_parent_stood(served, ready, fast, tmp_path):
    client = served.client
    before = client.query(ready, ["profit rose strong", "weak loss", "giraffe soup"])
    parent = read_model(client.export_classifier(ready, tmp_path / "v1.sdmkitmodel"))
    job = served.train(ready, continue_from="", **STILL)
    child = read_model(client.export_classifier(ready, tmp_path / "v2.sdmkitmodel"))
    for was, now in zip(parent.weights.arrays(), child.weights.arrays(), strict=True):
        np.testing.assert_array_equal(now[was != 0], was[was != 0])
        assert np.abs(now[was == 0]).max(initial=0.0) < 1e-28
    assert job.result["settings"]["exemplar_size"] == fast["exemplar_size"]
    after = client.query(ready, ["profit rose strong", "weak loss", "giraffe soup"])
    assert [each.logits for each in after] == [each.logits for each in before]
    assert [each.classifier for each in after] == ["v2"] * 3


def test_documents_stay_on_their_side_and_new_ones_are_split(served, ready, corpus, fast):
    """What the parent trained on would calibrate itself; a text it trained on does so under any name."""
    client = served.client
    before = sides(client, ready)
    first = corpus(40)[0]
    support, calibration = (
        next(id for id, role in before.items() if role == wanted) for wanted in ("support", "calibration")
    )
    texts = {id: client.get_document(ready, id).text for id in (support, calibration)}
    served.upload(ready, [{**first, "id": "again", "document": texts[support]}], "calibration")
    served.upload(ready, [{**first, "id": calibration, "document": "another text of the year"}], "train")
    served.upload(ready, corpus(30, seed=9), "calibration")
    record = served.train(ready, continue_from="v1", **fast).result
    after = sides(client, ready)
    kept = {id: role for id, role in before.items() if id != calibration}
    assert {id: after[id] for id in kept} == kept
    assert after["again"] == "support"
    new = [after[f"{name}-9-{number}"] for name in ("negative", "positive") for number in range(30)]
    assert new.count("support") == round(60 * record["settings"]["training_share"])
    assert record["continuation"] == {
        "kept_training": sum(role == "support" for role in kept.values()) + 1,
        "kept_calibration": sum(role == "calibration" for role in kept.values()),
        "split_anew": 91,
        "calibration_rows_seen": 0,
    }
    summary = client.get_classifier(ready)
    assert (summary.name, summary.origin, summary.parent) == ("v2", "continue", "v1")


def test_sides_hold_over_generations(served, ready, corpus, fast):
    """A document that left the pool and came back is still one that the weights were fitted to."""
    client = served.client
    trained = [id for id, role in sides(client, ready).items() if role == "support"]
    lines = {line["id"]: line for line in corpus(40)}
    away = trained[:20]
    served.upload(ready, [lines[id] for id in away], "elsewhere")
    served.train(ready, continue_from="v1", **fast)
    served.upload(ready, [lines[id] for id in away], "calibration")
    served.train(ready, continue_from="v2", **fast)
    after = sides(client, ready)
    assert {after[id] for id in away} == {"support"}


def test_every_shuffle_keeps_the_sides(served, ready, corpus, fast):
    served.upload(ready, corpus(10, seed=5), "train")
    before = sides(served.client, ready)
    served.train(ready, continue_from="v1", **{**fast, "shuffles": 3})
    after = sides(served.client, ready)
    assert {id: after[id] for id, role in before.items() if role} == {
        id: role for id, role in before.items() if role
    }


def test_the_package_s_way_permutes_anew_and_says_what_that_costs(served, ready, fast):
    record = served.train(ready, continue_from="v1", official=True, epochs=2).result
    seen = record["continuation"]["calibration_rows_seen"]
    assert seen > 10
    assert record["continuation"]["kept_training"] == record["continuation"]["kept_calibration"] == 0
    (warning,) = [text for text in record["warnings"] if "trained v1" in text]
    assert warning.startswith(f"{seen} of 60 calibration documents")
    assert record["settings"]["exemplar_size"] == fast["exemplar_size"]
    assert warning in served.client.get_classifier(ready).warnings
    listed = [(version.official, version.tuned) for version in served.client.list_classifiers(ready)]
    assert listed == [(True, False), (False, False)]


def test_a_class_that_was_appended_joins(served, ready, tiny_models, fast):
    client = served.client
    client.update_project(ready, classes=[*tiny_models.CLASSES, "other"])
    with pytest.raises(errors.NotEnoughData, match="other"):
        client.train(ready, continue_from="v1")
    texts = tiny_models.texts("other", 40, seed=4)
    served.upload(
        ready, [{"id": f"o{n}", "document": text, "label": 3} for n, text in enumerate(texts)], "train"
    )
    record = served.train(ready, continue_from="v1", **STILL).result
    assert len(record["support_rows"]) == 4
    (answer,) = client.query(ready, "giraffe violin soup")
    assert answer.logits[3] == pytest.approx(0.0, abs=1e-6), "a new class begins with the logit 0"
    served.train(ready, continue_from="v1", **{**fast, "epochs": 40})
    asked = client.query(ready, tiny_models.texts("other", 30, seed=9))
    assert sum(answer.prediction_name == "other" for answer in asked) > 20
    assert client.query(ready, "profit rose strong growth")[0].prediction_name == "positive"


def test_what_has_other_hidden_states_is_refused(served, ready, corpus, fast):
    client = served.client
    with pytest.raises(errors.NotFound):
        client.train(ready, continue_from="v7")
    with pytest.raises(errors.InvalidArgument, match="named like v3"):
        client.train(ready, continue_from="newest")
    with pytest.raises(errors.InvalidArgument, match="exemplar_size"):
        client.train(ready, continue_from="v1", exemplar_size=16)
    client.update_project(ready, model="tiny-wide")
    with pytest.raises(errors.FailedPrecondition, match=r"model 'tiny'.*model 'tiny-wide'.*reexctl train"):
        client.train(ready, continue_from="v1")
    client.update_project(ready, model="tiny")
    served.upload(ready, [{**line, "attributes": [1.0]} for line in corpus(40)], "train")
    with pytest.raises(errors.FailedPrecondition, match="0 attributes per document"):
        client.train(ready, continue_from="v1")


def test_nothing_trained_is_nothing_to_go_on_from(served, project, corpus):
    served.upload(project, corpus(10), "train")
    with pytest.raises(errors.NotTrained):
        served.client.train(project, continue_from="")


def test_killed_in_mid_fit_it_goes_on_although_its_parent_is_gone(fresh, new_project, daemons, corpus, fast):
    """What it takes over is in the job's own checkpoint; what comes out is what comes out undisturbed."""
    daemon = fresh(checkpoint_s="0.1")
    weights = []
    for disturbed in (False, True):
        project = new_project(daemon)
        daemon.upload(project, corpus(30), "train")
        daemon.train(project, **fast)
        daemon.upload(project, corpus(10, seed=5), "train")
        daemon.client.add_to_support(project, "negative-5-0")  # v2 is live, so that v1 can be deleted
        job = daemon.client.train(project, continue_from="v1", **MEDIUM)
        if disturbed:
            daemons.wait_for(lambda name=job.name: fitted(daemon, name) >= 40, 120)
            daemon.client.delete_classifier(project, "v1")
            daemon.kill()
            daemon.start()
        ended = daemon.ended(job.name)
        assert (ended.state, ended.attempts) == ("succeeded", 1 + disturbed), ended.error
        assert ended.result["parent"] == "v1"
        weights.append(ended.result["weights_sha256"])
    assert weights[0] == weights[1]


def fitted(daemon, name: str) -> int:
    job = daemon.client.get_job(name)
    assert not job.ended, f"{name} ended before it was killed: {job}"
    return job.done if job.phase == "fit" else 0


def test_the_normalisation_is_the_parent_s(served, ready, corpus, fast, tmp_path):
    served.upload(ready, corpus(40, seed=8, words=30), "train")
    served.train(ready, continue_from="v1", **fast)
    served.train(ready, **fast)
    normalizations = []
    for name in ("v1", "v2", "v3"):
        folder = served.client.export_classifier(ready, tmp_path / f"{name}.sdmkitmodel", name)
        normalizations.append(json.loads((folder / "manifest.json").read_text())["normalization"])
    parent, continued, anew = normalizations
    assert continued == parent != anew
