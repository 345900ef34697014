"""Training that tunes the language model: the tuned version among the others, its calibration, crashes, refusals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from reex import errors
from reexd.engine.client import State
from reexd.errors import InvalidSetting, NotEnoughData
from reexd.records import ModelFacts, Role
from reexd.registry import Registry
from reexd.steps.tune import chosen, sides
from reexd.store import adapters, keys, ranges, spaces
from reexd.store.environment import Environment

TUNED = {
    "tune": True,
    "tune_epochs": 2,
    "epochs": 12,
    "shuffles": 2,
    "exemplar_size": 32,
    "learning_rate": 0.01,
}


def test_classes_too_small_to_hold_a_document_out_are_tuned_and_said_so(served, new_project, corpus):
    """What is measured on no document is null: NaN is no JSON."""
    project = new_project(served)
    served.upload(project, corpus(2), "train")
    job = served.train(project, **TUNED)
    assert "NaN" not in job.result_json
    tuning = job.result["tuning"]
    assert tuning["held_out"] == 0
    assert {record["held_accuracy"] for record in tuning["history"]} == {None}
    live = served.client.get_classifier(project)
    assert "NaN" not in live.training_json


def answers(daemon, project: str, text: str):
    (found,) = daemon.client.query(project, text)
    return found


def test_a_tuned_version_among_others(fresh, new_project, corpus, fast):
    """Everything that versions do: beside a frozen one, over a restart, added to, recalibrated, switched, deleted."""
    daemon = fresh()
    project = new_project(daemon)
    daemon.upload(project, corpus(40), "train")
    daemon.upload(project, corpus(10, seed=2), "test")
    text = "profit rose and the board said good growth"
    daemon.train(project, **fast)
    frozen = answers(daemon, project, text)
    similar = [(found.id, found.similarity) for found in daemon.client.search(project, text).results]

    job = daemon.client.train(project, **TUNED)
    stages = list(daemon.client.watch_job(job.name))
    phases = [name for name, _ in itertools.groupby(stage.phase for stage in stages) if name]
    assert phases[0] == "tune"
    assert (stages[-1].state, stages[-1].error) == ("succeeded", "")
    tuning = stages[-1].result["tuning"]
    assert (tuning["settings"]["layers"], tuning["layers"]) == (2, 2)
    assert len(tuning["history"]) == 2
    assert tuning["tuned_on"] + tuning["held_out"] == sum(stages[-1].result["support_rows"])

    tuned = answers(daemon, project, text)
    assert tuned.classifier == "v2"
    assert not np.allclose(tuned.logits, frozen.logits)
    assert [(found.id, found.similarity) for found in daemon.client.search(project, text).results] == similar
    evaluation = daemon.client.evaluate(project, "test")
    assert evaluation.accuracy > 0.9
    stored = {found.id: found.logits for found in daemon.client.predict_split(project, "test")}

    daemon.stop()
    daemon.start()
    again = answers(daemon, project, text)
    assert np.allclose(again.logits, tuned.logits, atol=1e-5)
    for line in corpus(10, seed=2)[:3]:
        assert np.allclose(answers(daemon, project, line["document"]).logits, stored[line["id"]], atol=1e-4)
    daemon.client.add_to_support(project, [corpus(10, seed=2)[0]["id"]])
    daemon.client.recalibrate(project)
    assert np.allclose(answers(daemon, project, text).logits, tuned.logits, atol=1e-5)
    assert daemon.client.compare_classifiers(project, "v1", "v4", "test").n == 29
    daemon.client.use_classifier(project, "v1")
    assert np.allclose(answers(daemon, project, text).logits, frozen.logits, atol=1e-5)
    for name in ("v2", "v3"):
        daemon.client.delete_classifier(project, name)
    assert daemon.client.compare_classifiers(project, "v1", "v4", "test").n == 29
    daemon.client.delete_classifier(project, "v4")
    assert answers(daemon, project, text).classifier == "v1"
    daemon.stop()
    environment = Environment(daemon.home / "store" / "projects" / project)
    with environment.read() as txn:
        assert [space.number for space in spaces.listed(txn)] == [1]
        assert adapters.find(txn, 2) is None
        assert list(ranges.keys(txn, keys.kind(keys.Kind.ADAPTER_ARRAY))) == []
        links = list(ranges.keys(txn, keys.kind(keys.Kind.DOCUMENT_ROW)))
        assert {keys.slot_of(key) for key in links} == {1}
    environment.close()


@pytest.mark.parametrize("words", [8, 80])
def test_what_was_tuned_on_stands_where_reading_it_again_would_put_it(served, project, corpus, words):
    """Training documents are embedded from the cache of the lower layers, the others from their text."""
    served.upload(project, corpus(30, words=words), "train")
    served.train(project, **TUNED | {"tune_layers": 1})
    stored = {found.id: found.logits for found in served.client.predict_split(project, "train")}
    for line in corpus(30, words=words)[::8]:
        anew = line["document"].replace(" ", "  ")  # the same tokens, a text not seen before
        assert np.allclose(answers(served, project, anew).logits, stored[line["id"]], atol=1e-5)


def test_a_decoder_under_prompts(fresh, tiny_models, tmp_path):
    """The project's prompt, or a document's own, is read in tuning as it is in questions."""
    pytest.importorskip("mlx_lm", reason="decoders need mlx-lm: pip install 'reex[decoders]'")
    Registry(tmp_path / "installed").pull(str(tiny_models.write_tiny_llama(tmp_path / "tiny-llama").folder))
    daemon = fresh(tmp_path / "installed")
    daemon.client.create_project("asked", ("up", "down"), model="tiny-llama", prompt="is this good or bad")
    rng = np.random.default_rng(0)
    lines = []
    for number in range(80):
        words = [*rng.permutation(["profit", "is", "this", "or"])[:3], ("rose", "fell")[number % 2]]
        line = {"id": f"d{number}", "label": number % 2, "document": " ".join(rng.permutation(words))}
        lines.append(line | ({"prompt": "good"} if number % 10 > 7 else {}))
    daemon.upload("asked", lines[:60], "train")
    daemon.upload("asked", lines[60:], "test")
    daemon.train("asked", **TUNED | {"tune_layers": 1})
    stored = {found.id: found for found in daemon.client.predict_split("asked", "test")}
    assert sum(found.prediction == found.label for found in stored.values()) >= 18
    for line in lines[60:70]:
        (found,) = daemon.client.query(
            "asked", [{"document": line["document"], "prompt": line.get("prompt", "")}]
        )
        assert np.allclose(found.logits, stored[line["id"]].logits, atol=1e-4)


def test_a_training_goes_on_over_the_tuned_states(served, project, corpus, fast):
    """`--continue` keeps the tuned layers; documents that came since are embedded with them."""
    texts = ["weak growth in april", "profit rose and the board said good growth"]

    def asked() -> np.ndarray:
        return np.array([found.logits for found in served.client.query(project, texts)])

    served.upload(project, corpus(30), "train")
    served.train(project, **TUNED)
    before = asked()
    served.upload(project, corpus(5, seed=7), "train")
    result = served.train(project, continue_from="", epochs=1, shuffles=1).result
    assert result["parent"] == "v1"
    assert result["settings"]["calibrated_bias"]
    assert result["documents"] == 105
    assert answers(served, project, texts[0]).classifier == "v2"
    assert [version.tuned for version in served.client.list_classifiers(project)] == [True, True]
    after = asked()
    # One epoch from the same weights over the same states; the bias is that of the new calibration documents.
    assert np.allclose(after[1] - after[0], before[1] - before[0], atol=0.2)
    served.client.delete_classifier(project, "v1")
    assert np.allclose(asked(), after, atol=1e-5)


def test_killed_in_mid_tuning_it_resumes_to_the_same_version(fresh, served, new_project, daemons, corpus):
    long = {**TUNED, "tune_epochs": 12}
    whole = new_project(served)
    served.upload(whole, corpus(60, words=20), "train")
    expected = served.train(whole, **long).result

    daemon = fresh(checkpoint_s="0.1")
    project = new_project(daemon)
    daemon.upload(project, corpus(60, words=20), "train")
    job = daemon.client.train(project, **long)
    daemons.wait_for(lambda: tuned_documents(daemon, job.name) > 300, 120)
    daemon.kill()
    daemon.start()
    # What the job works on was laid out before it began: a document that changes meanwhile only leaves the pool.
    daemon.client.upload(project, [{**corpus(60, words=20)[0], "document": "another text"}], "train")
    ended = daemon.ended(job.name)
    assert (ended.state, ended.attempts) == ("succeeded", 2), ended.error
    assert losses(ended.result) == losses(expected)
    assert ended.result["documents"] == expected["documents"] - 1
    assert list((daemon.location.cache / "tuning").iterdir()) == []


def losses(result) -> list[float]:
    return [record["held_loss"] for record in result["tuning"]["history"]]


def tuned_documents(daemon, name: str) -> int:
    job = daemon.client.get_job(name)
    assert not job.ended, f"{name} ended before it was killed: {job}"
    return job.done if job.phase == "tune" else 0


def test_a_cancelled_tuning_keeps_nothing(fresh, new_project, daemons, corpus):
    daemon = fresh(checkpoint_s="0.1")
    project = new_project(daemon)
    daemon.upload(project, corpus(60, words=20), "train")
    job = daemon.client.train(project, tune=True, tune_epochs=500)
    daemons.wait_for(lambda: tuned_documents(daemon, job.name) > 200, 120)
    daemon.client.cancel_job(job.name)
    assert daemon.ended(job.name).state == "cancelled"
    assert list((daemon.location.cache / "tuning").iterdir()) == []
    daemon.train(project, **TUNED)  # the worker is free again


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tune_layers": 1}, "add --tune"),
        ({"tune": True, "tune_epochs": 1_001}, "between 1 and 1,000"),
        ({"tune": True, "official": True}, "--official"),
        ({"tune": True, "continue_from": ""}, "--continue"),
    ],
)
def test_what_cannot_be_asked_together(trained, settings, said):
    with pytest.raises(errors.InvalidSetting, match=said):
        trained.client.train(trained.project, **settings)


def test_more_layers_than_there_are_are_refused_at_once(served, project, corpus):
    served.upload(project, corpus(20), "train")
    with pytest.raises(errors.InvalidSetting, match="model tiny has 2 layers; received tune_layers 3"):
        served.client.train(project, tune=True, tune_layers=3)
    assert list(served.client.list_jobs(project)) == []


def test_more_layers_than_an_opened_model_has_are_refused_in_the_job():
    """The files need not say how many there are, and a job may wait while its project takes another model."""
    facts = ModelFacts("tiny", "bert", 32, 64, 10_000, 40_000, False, "f", layers=2)
    kept = State({"labels": np.repeat([0, 1], 10)}, {})
    assert chosen(facts, kept, {"tune_layers": 2}).layers == 2
    with pytest.raises(InvalidSetting, match="model tiny has 2 layers; received tune_layers 3"):
        chosen(facts, kept, {"tune_layers": 3})


def test_what_calibrates_was_not_tuned_on_under_any_id():
    labels = np.repeat([0, 1], 40)
    texts = [f"text {at // 2}" for at in range(80)]  # each twice
    roles = sides(labels, texts, {"training_share": 0.5, "seed": 3})
    by_role = {
        role: {texts[at] for at in np.flatnonzero(roles == role)} for role in (Role.SUPPORT, Role.CALIBRATION)
    }
    assert by_role[Role.SUPPORT] & by_role[Role.CALIBRATION] == set()
    assert all(by_role.values())
    assert np.array_equal(roles, sides(labels, texts, {"training_share": 0.5, "seed": 3}))
    assert not np.array_equal(roles, sides(labels, texts, {"training_share": 0.5, "seed": 4}))
    with pytest.raises(NotEnoughData, match="calibrate"):
        sides(labels, ["same"] * 80, {})
