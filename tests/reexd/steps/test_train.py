"""Training as a job: phases, reproducibility, the cache of hidden states, attributes, and what is refused."""

from __future__ import annotations

import itertools

import pytest
from reex import errors

LONG = {"epochs": 10_000, "patience": 0, "shuffles": 1, "exemplar_size": 32, "learning_rate": 0.001}


def weights(job) -> str:
    return job.result["weights_sha256"]


def status(daemon, project: str):
    return daemon.client.status(project).projects[0]


def test_a_job_goes_through_its_phases(served, project, corpus):
    """Reports come at most ten a second, so each phase must last longer than one of them."""
    for seed, split in ((0, "train"), (1, "calibration"), (2, "test")):
        served.upload(project, corpus(100, seed=seed, words=20), split)
    job = served.client.train(project, epochs=300, patience=0, shuffles=2, exemplar_size=64)
    stages = list(served.client.watch_job(job.name))
    phases = [name for name, _ in itertools.groupby(stage.phase for stage in stages)]
    assert [phase for phase in phases if phase] == ["embed", "fit", "calibrate"]
    for _, group in itertools.groupby(stages, key=lambda stage: stage.phase):
        done = [stage.done for stage in group]
        assert done == sorted(done)
    totals = {stage.phase: stage.total for stage in stages}
    # What is searched and predicted later is embedded with the pool; both shuffles count their epochs.
    assert (totals["embed"], totals["fit"]) == (900, 600)
    last = stages[-1]
    assert (last.state, last.done, last.total, last.attempts) == ("succeeded", 1, 1, 1)
    assert last.end_time is not None
    assert not last.error


def test_the_result_is_the_training_record(trained):
    result = trained.job.result
    assert result["version"] == "v1"
    assert result["documents"] == 240
    assert result["left_out"] == 3  # one unlabelled, two that belong to no class
    assert len(result["weights_sha256"]) == 64
    assert sum(result["support_rows"]) + sum(result["calibration_rows"]) == 240
    assert set(result["durations"]) == {"embed_s", "fit_s", "calibrate_s"}
    assert result["settings"]["epochs"] == 12
    assert result["settings"]["seed"] == 0
    assert [region["alpha"] for region in result["regions"]] == sorted(
        (region["alpha"] for region in result["regions"]), reverse=True
    )
    live = status(trained.daemon, trained.project).classifier
    assert (live.name, live.model, live.unused_count, live.stale) == ("v1", "tiny", 0, "")
    assert live.support_count + live.calibration_count == 240
    assert len(live.training["history"]) == 12


def test_same_seed_same_weights_other_seed_others(served, new_project, corpus, fast):
    jobs = []
    for seed in (3, 3, 5):  # of two shuffles each: the second of seed 3 is the first of seed 4
        project = new_project(served)
        served.upload(project, corpus(20), "train")
        jobs.append(served.train(project, **{**fast, "shuffles": 2}, seed=seed))
    assert weights(jobs[0]) == weights(jobs[1])
    assert weights(jobs[0]) != weights(jobs[2])


def test_the_report_tells_what_each_shuffle_came_to(served, project, corpus, fast):
    served.upload(project, corpus(40), "train")
    report = served.train(project, **{**fast, "shuffles": 3}).result
    shuffles = report["shuffles"]
    assert [each["shuffle"] for each in shuffles] == [1, 2, 3]
    losses = [each["best_loss"] for each in shuffles]
    assert losses == report["shuffle_losses"]
    assert report["chosen"]["shuffle"] == report["shuffle"]
    high = [next(each["share"] for each in one["admitted"] if each["alpha"] == 0.9) for one in shuffles]
    kept = report["shuffle"] - 1
    assert losses[kept] == min(losses) or high[kept] >= high[losses.index(min(losses))]
    assert f"{min(losses):.4f}" in report["chosen"]["reason"]
    for name in (
        "best_loss",
        "best_epoch",
        "balanced_calibration_accuracy",
        "admitted_rightly",
        "highest_alpha",
    ):
        values = sorted(each[name] for each in shuffles)
        spread = report["spread"][name]
        assert (spread["min"], spread["median"], spread["max"]) == pytest.approx(tuple(values))
    for place, rung in enumerate(report["spread"]["admitted"]):
        shares = sorted(each["admitted"][place]["share"] for each in shuffles)
        assert (rung["min"], rung["median"], rung["max"]) == pytest.approx(tuple(shares))
    # The one that was kept is told in full: the same regions, shares and intervals.
    kept = shuffles[report["shuffle"] - 1]
    assert kept["best_epoch"] == report["best_epoch"]
    live = served.client.get_classifier(project)
    assert [each["q_prime_min"] for each in kept["regions"]] == [each.q_prime_min for each in live.regions]
    assert live.training["shuffles"] == shuffles
    whole = report["calibration"]
    assert (whole["n"], whole["correct"]) == (live.calibration_count, sum(whole["by_label"]["correct"]))
    assert whole["interval"][0] <= whole["accuracy"] <= whole["interval"][1]
    assert report["regions"]
    for region in report["regions"]:
        (share,) = [each["share"] for each in kept["admitted"] if each["alpha"] == region["alpha"]]
        assert region["calibration_share"] == share == region["calibration_admitted"] / live.calibration_count
        assert region["calibration_interval"][0] <= region["calibration_accuracy"]
        for cells in (region["by_label"], region["by_prediction"]):
            assert sum(cells["n"]) == region["calibration_admitted"]
            for n, correct, lower, upper in zip(*cells.values(), strict=True):
                assert n == 0 or lower - 1e-6 <= correct / n <= upper + 1e-6


def test_nothing_is_embedded_twice(served, project, corpus, fast):
    served.upload(project, corpus(20), "train")
    served.train(project, **fast)
    assert status(served, project).embedded_count == 60
    renamed = [{**line, "id": f"again-{line['id']}"} for line in corpus(20)]
    served.upload(project, renamed, "test")
    stages = list(served.client.watch_job(served.client.train(project, **fast).name))
    embedding = [stage for stage in stages if stage.phase == "embed"]
    assert all(stage.total == 120 for stage in embedding)
    assert (
        status(served, project).embedded_count == 60
    )  # the same texts under other ids need no state of their own
    result = stages[-1].result
    assert result["version"] == "v2"
    assert status(served, project).version_count == 2


def test_official_settings_are_the_package_s(served, project, corpus):
    served.upload(project, corpus(30), "train")
    settings = served.train(project, official=True, epochs=3, exemplar_size=32).result["settings"]
    assert (settings["stratified"], settings["balanced"], settings["patience"]) == (False, False, 0)
    assert (settings["learning_rate"], settings["cross_entropy_epochs"], settings["shuffles"]) == (1e-5, 1, 1)


@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_few_epochs_are_enough_to_ask_for(served, project, corpus, epochs):
    served.upload(project, corpus(20), "train")
    assert served.train(project, epochs=epochs, exemplar_size=16).result["settings"]["epochs"] == epochs


def test_attributes_from_upload_to_answer(served, project, corpus, fast):
    """Attributes that name the class outright, over texts that say nothing: only they can tell the classes apart."""
    lines = [
        {**line, "document": f"the report of the year {number}", "attributes": one_hot(line["label"])}
        for number, line in enumerate(corpus(40))
    ]
    served.upload(project, lines[:90], "train")
    served.upload(project, lines[90:], "test")
    assert served.client.get_project(project).attribute_count == 3
    served.train(project, **fast)
    assert served.client.evaluate(project, "test").accuracy == 1.0
    for label in range(3):
        text = {"document": "the report of the year", "attributes": one_hot(label)}
        assert served.client.query(project, [text])[0].prediction == label
    for wrong in ([], [1.0], [1.0, 0.0, 0.0, 0.0], [1.0, 0.0, float("nan")], [1e300, 0.0, 0.0]):
        with pytest.raises(errors.InvalidDocument) as caught:
            served.client.query(project, [{"document": "a text", "attributes": wrong}])
        assert caught.value.metadata["field"] == "attributes"
    with pytest.raises(errors.InvalidDocument, match="received 0; send 3 with each text, like"):
        served.client.query(project, "a text")
    assert served.client.get_classifier(project).attribute_count == 3


def one_hot(label: int) -> list[float]:
    return [4.0 * (label == place) for place in range(3)]


def test_attributes_of_another_scale_are_told_and_stay_told(served, project, corpus, fast):
    """One mean and deviation normalise them with the hidden state: a year drowns it, millionths are drowned."""
    lines = [
        {**line, "attributes": [2000.0 + number % 7, number % 3 * 1e-6, number % 2 * 0.2]}
        for number, line in enumerate(corpus(30))
    ]
    served.upload(project, lines, "train")
    served.train(project, **fast)
    client = served.client
    loud, quiet = client.get_classifier(project).warnings[:2]
    assert loud.startswith("the hidden state is outweighed by attribute 1 of 3: 100% of the squares")
    assert "is 2003 on average and spreads 1.99," in loud
    assert quiet.startswith("training hardly hears attribute 2 of 3: it spreads 8.16e-07 at most")
    assert client.recalibrate(project).warnings[:2] == (loud, quiet)
    served.upload(project, [{**line, "attributes": [0.2, 0.1, -0.1]} for line in lines[::2]], "train")
    served.upload(project, [{**line, "attributes": [-0.2, 0.2, 0.1]} for line in lines[1::2]], "train")
    served.train(project, **fast)
    assert not any("attribute" in warning for warning in client.get_classifier(project).warnings)


def test_documents_without_the_attributes_of_the_others_are_named(served, project, corpus):
    lines = corpus(20)
    served.upload(project, lines[:30], "train")
    served.upload(project, [{**line, "attributes": [1.0]} for line in lines[30:]], "train")
    job = served.ended(served.client.train(project, epochs=2).name)
    assert (job.state, job.error_reason) == ("failed", "NOT_ENOUGH_DATA")
    assert "30 documents" in job.error


def test_attributes_of_other_splits_are_not_asked_of_what_trains(served, project, corpus, fast):
    served.upload(project, corpus(30), "train")
    served.upload(project, [{**corpus(1, seed=1)[0], "id": "odd", "attributes": [1.0, 2.0]}], "odd")
    served.train(project, **fast)
    assert served.client.query(project, "profit rose")[0].classifier == "v1"
    assert [answer.id for answer in served.client.predict_split(project, "odd")] == ["odd"]
    project_count = served.client.get_project(project).attribute_count
    assert (project_count, served.client.get_classifier(project).attribute_count) == (2, 0)
    assert served.train(project, continue_from="v1", **fast).state == "succeeded"


def test_what_cannot_be_trained_is_refused_at_once(served, project, tiny_models):
    client = served.client
    with pytest.raises(errors.NotFound):
        client.train("absent")
    with pytest.raises(errors.NotEnoughData):
        client.train(project)
    served.upload(project, [{"document": f"profit {n}", "label": n % 2} for n in range(20)], "train")
    with pytest.raises(errors.NotEnoughData, match="none of positive: label some, or make a project without"):
        client.train(project)
    served.upload(project, [{"document": "one alone", "label": 2}], "train")
    for official in (False, True):
        with pytest.raises(errors.NotEnoughData, match="there is 1 of positive"):
            client.train(project, official=official)
    served.upload(project, [{"document": "and another", "label": 2}], "calibration")
    for settings in (
        {"epochs": 0},
        {"epochs": 10_001},
        {"shuffles": 101},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"learning_rate": -1.0},
        {"training_share": 1.0},
        {"batch_size": 0},
        {"exemplar_size": 4097},
        {"patience": -1},
    ):
        with pytest.raises(errors.InvalidSetting) as caught:
            client.train(project, **settings)
        assert caught.value.reason == "INVALID_SETTING", settings
    assert not list(client.list_jobs(project))


def test_a_missing_model_is_named_with_its_cure(served):
    served.client.create_project("no-model", ("a", "b"), model="minilm")
    served.upload("no-model", [{"document": f"text {n}", "label": n % 2} for n in range(20)], "train")
    with pytest.raises(errors.ModelMissing, match="models pull minilm"):
        served.client.train("no-model")
    with pytest.raises(errors.ModelMissing):
        served.client.search("no-model", "text")


def test_one_training_of_a_project_at_a_time_and_cancel(served, new_project, daemons, corpus, fast):
    project, other = new_project(served), new_project(served)
    for name in (project, other):
        served.upload(name, corpus(20), "train")
    first = served.client.train(project, **LONG)
    with pytest.raises(errors.Busy) as caught:
        served.client.train(project, **fast)
    assert caught.value.metadata["job"] == first.name
    with pytest.raises(errors.Busy):
        served.client.delete_project(project)
    queued = served.client.train(other, **fast)
    daemons.wait_for(lambda: served.client.get_job(first.name).phase == "fit", 60)
    assert served.client.get_job(queued.name).state == "queued"
    assert served.client.cancel_job(queued.name).state == "cancelled"
    served.client.cancel_job(first.name)
    ended = served.ended(first.name)
    assert (ended.state, ended.error, ended.result) == ("cancelled", "", {})
    for name in (first.name, queued.name):
        with pytest.raises(errors.FailedPrecondition):
            served.client.cancel_job(name)
    assert status(served, project).classifier is None
    # A cancelled job leaves nothing that stands in the way of the next, nor of deletion.
    served.train(project, **fast)
    served.client.delete_project(project)
