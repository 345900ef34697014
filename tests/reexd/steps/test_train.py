"""Training as a job: phases, reproducibility, the cache of hidden states, and what survives SIGKILL."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import threading

import pytest
from reex import errors
from reexd.records import JobState
from reexd.store import checkpoints, references, spaces
from reexd.store import jobs as store_jobs
from reexd.store.environment import Environment

LONG = {"epochs": 10_000, "patience": 0, "shuffles": 1, "exemplar_size": 32, "learning_rate": 0.001}
# Long enough to be killed within; the patience is off, so that every run has the same length.
MEDIUM = {"epochs": 200, "patience": 0, "shuffles": 2, "exemplar_size": 32, "learning_rate": 0.001}


def weights(job) -> str:
    return job.result["weights_sha256"]


def status(daemon, project: str):
    return daemon.client.status(project).projects[0]


def test_a_job_goes_through_its_phases(trained):
    phases = [name for name, _ in itertools.groupby(stage.phase for stage in trained.stages)]
    assert [phase for phase in phases if phase] == ["embed", "fit", "calibrate"]
    for _, group in itertools.groupby(trained.stages, key=lambda stage: stage.phase):
        done = [stage.done for stage in group]
        assert done == sorted(done)
    documents = sum(len(lines) for lines in trained.lines.values())
    totals = {stage.phase: stage.total for stage in trained.stages}
    assert totals["embed"] == documents  # what is searched and predicted later is embedded with the pool
    assert totals["fit"] == 12
    last = trained.job
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
    for seed in (3, 3, 4):
        project = new_project(served)
        served.upload(project, corpus(20), "train")
        jobs.append(served.train(project, **{**fast, "shuffles": 2}, seed=seed))
    assert weights(jobs[0]) == weights(jobs[1])
    assert weights(jobs[0]) != weights(jobs[2])


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


def test_a_retraining_never_runs_the_language_model(
    fresh, new_project, daemons, corpus, fast, models_folder, tmp_path
):
    """The weights are damaged and the workers that had read them are gone: whatever asks for the model must fail."""
    own = tmp_path / "models"
    shutil.copytree(models_folder, own)
    daemon = fresh(own)
    project = new_project(daemon)
    lines = corpus(20)
    daemon.upload(project, lines, "train")
    daemon.train(project, **fast)
    answer = daemon.client.query(project, lines[0]["document"])
    weights_file = own / "tiny" / "model.safetensors"
    damaged = bytearray(weights_file.read_bytes())
    damaged[-1] ^= 1
    weights_file.write_bytes(damaged)
    before = daemon.workers()
    kill_workers(daemon)
    daemons.wait_for(lambda: len(daemon.workers()) == 2 and not set(before) & set(daemon.workers()), 60)
    with pytest.raises(errors.ModelCorrupt):
        daemon.client.query(project, "never seen before")
    daemon.train(project, **fast, seed=1)
    assert daemon.client.evaluate(project, "train").support_count > 0
    assert daemon.client.query(project, lines[0]["document"])[0].id == answer[0].id


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


def one_hot(label: int) -> list[float]:
    return [4.0 * (label == place) for place in range(3)]


def test_documents_without_the_attributes_of_the_others_are_named(served, project, corpus):
    lines = corpus(20)
    served.upload(project, lines[:30], "train")
    served.upload(project, [{**line, "attributes": [1.0]} for line in lines[30:]], "train")
    job = served.ended(served.client.train(project, epochs=2).name)
    assert (job.state, job.error_reason) == ("failed", "NOT_ENOUGH_DATA")
    assert "30 documents" in job.error


def test_what_cannot_be_trained_is_refused_at_once(served, project, tiny_models):
    client = served.client
    with pytest.raises(errors.NotFound):
        client.train("absent")
    with pytest.raises(errors.NotEnoughData):
        client.train(project)
    served.upload(project, [{"document": f"profit {n}", "label": n % 2} for n in range(20)], "train")
    with pytest.raises(errors.NotEnoughData, match="positive"):
        client.train(project)
    served.upload(project, [{"document": "one alone", "label": 2}], "train")
    with pytest.raises(errors.NotEnoughData):
        client.train(project)
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


def test_a_cancelled_job_keeps_nothing(fresh, new_project, daemons, corpus):
    """Checkpoints and pins of a job that will not go on would fill the disk for ever."""
    daemon = fresh(checkpoint_s="0.1")
    project = new_project(daemon)
    daemon.upload(project, corpus(20), "train")
    job = daemon.client.train(project, **LONG)
    daemons.wait_for(lambda: fit_progress(daemon, job.name) >= 100, 60)
    daemon.client.cancel_job(job.name)
    assert daemon.ended(job.name).state == "cancelled"
    assert daemon.stop() == 0
    environment = Environment(daemon.home / "store" / "projects" / project)
    with environment.read() as txn:
        assert checkpoints.slots(txn, int(job.name.partition("-")[2])) == []
        (space,) = spaces.listed(txn)
        assert {references.counts(txn, space, row) for row in range(60)} == {(1, 0)}
    environment.close()


@pytest.fixture(scope="module")
def uninterrupted(served, new_project, corpus):
    """What a training of `MEDIUM` over `corpus(30)` ends in when nothing happens to it."""
    project = new_project(served)
    served.upload(project, corpus(30), "train")
    return served.train(project, **MEDIUM)


def test_killed_in_mid_fit_it_resumes_to_the_same_weights(fresh, new_project, daemons, corpus, uninterrupted):
    daemon = fresh(checkpoint_s="0.1")
    project = new_project(daemon)
    daemon.upload(project, corpus(30), "train")
    job = daemon.client.train(project, **MEDIUM)
    daemons.wait_for(lambda: fit_progress(daemon, job.name) >= 100, 120)
    daemon.kill()
    daemon.start()
    resumed = daemon.client.get_job(job.name)
    assert not resumed.ended
    ended = daemon.ended(job.name)
    assert (ended.state, ended.attempts) == ("succeeded", 2), ended.error
    assert weights(ended) == weights(uninterrupted)
    assert ended.result["version"] == "v1"
    # It went on from a checkpoint: the shuffle that was kept has epochs from before the kill in its history.
    history = status(daemon, project).classifier.training["history"]
    assert [record["epoch"] for record in history] == list(range(1, len(history) + 1))


def test_killed_while_embedding_it_goes_on_where_it_was(fresh, new_project, daemons, corpus, fast):
    daemon = fresh()
    project = new_project(daemon)
    for seed in range(4):
        daemon.upload(project, corpus(300, seed=seed, words=60), "train")
    job = daemon.client.train(project, **fast)
    daemons.wait_for(lambda: daemon.client.get_job(job.name).done >= 300, 120)
    early = daemon.client.get_job(job.name).phase == "embed"
    daemon.kill()
    assert early, "the corpus is too small to kill it while it embeds"
    daemon.start()
    ended = daemon.ended(job.name)
    assert ended.state == "succeeded", ended.error
    assert status(daemon, project).embedded_count == 3600


def test_a_crash_after_the_version_was_written_makes_no_second_one(fresh, new_project, corpus, fast):
    """As if the daemon had died between the commit of the version and that of the end of the job."""
    daemon = fresh()
    project = new_project(daemon)
    daemon.upload(project, corpus(20), "train")
    job = daemon.train(project, **fast)
    assert daemon.stop() == 0
    catalogue = Environment(daemon.home / "store" / "catalogue")
    number = int(job.name.partition("-")[2])
    catalogue.write(
        lambda txn: store_jobs.change(
            txn, number, now=1.0, state=JobState.RUNNING, phase="calibrate", result_json=""
        )
    )
    catalogue.close()
    daemon.start()
    ended = daemon.ended(job.name)
    assert (ended.state, ended.attempts) == ("succeeded", 2)
    assert ended.result == job.result
    assert status(daemon, project).version_count == 1


def fit_progress(daemon, name: str) -> int:
    job = daemon.client.get_job(name)
    assert not job.ended, f"{name} ended before it was killed: {job}"
    return job.done if job.phase == "fit" else 0


def test_a_worker_killed_in_mid_fit_costs_nothing(fresh, new_project, daemons, corpus, uninterrupted):
    daemon = fresh(checkpoint_s="0.1")
    project = new_project(daemon)
    daemon.upload(project, corpus(30), "train")
    job = daemon.client.train(project, **MEDIUM)
    daemons.wait_for(lambda: fit_progress(daemon, job.name) >= 50, 120)
    kill_workers(daemon)
    ended = daemon.ended(job.name)
    assert ended.state == "succeeded", ended.error
    assert weights(ended) == weights(uninterrupted)
    assert daemon.client.server_info().pid == daemon.pid
    assert daemon.process.poll() is None


def test_workers_killed_under_queries_cost_no_answer(fresh, new_project, daemons, corpus, fast):
    daemon = fresh()
    project = new_project(daemon)
    daemon.upload(project, corpus(30), "train")
    daemon.train(project, **fast)
    over = threading.Event()
    answered: list[int] = []
    failures: list[Exception] = []

    def ask(number: int) -> None:
        with daemon.connect() as client:
            for turn in itertools.count():
                if over.is_set():
                    return
                try:
                    (answer,) = client.query(project, f"profit rose {number} {turn}")
                    assert answer.text == f"profit rose {number} {turn}"
                    answered.append(number)
                except Exception as error:
                    failures.append(error)
                    return

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            before = len(answered)
            daemons.wait_for(lambda before=before: len(answered) > before + 10 or failures, 60)
            kill_workers(daemon)
        before = len(answered)
        daemons.wait_for(lambda: len(answered) > before + 20 or failures, 60)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert daemon.process.poll() is None
    assert sum(worker.restarts for worker in daemon.client.status().engine.workers) >= 2


def kill_workers(daemon) -> None:
    for pid in daemon.workers():
        os.kill(pid, signal.SIGKILL)


def test_a_job_whose_model_vanished_fails_with_the_reason(
    fresh, new_project, daemons, corpus, models_folder, tmp_path
):
    own = tmp_path / "models"
    shutil.copytree(models_folder, own)
    daemon = fresh(own)
    first, second = new_project(daemon), new_project(daemon)
    for name in (first, second):
        daemon.upload(name, corpus(20), "train")
    running = daemon.client.train(first, **LONG)
    waiting = daemon.client.train(second, epochs=2)
    daemons.wait_for(lambda: daemon.client.get_job(running.name).phase == "fit", 60)
    shutil.rmtree(own / "tiny")
    daemon.client.cancel_job(running.name)
    ended = daemon.ended(waiting.name)
    assert (ended.state, ended.error_reason) == ("failed", "MODEL_NOT_FOUND")
    assert "tiny" in ended.error
    assert "Traceback" not in ended.error
