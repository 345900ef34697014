"""Training under SIGKILL of the daemon and of its workers, and what a job leaves behind when it does not succeed."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import threading

import pytest
from reex import errors
from reexd.records import JobState
from reexd.store import checkpoints, keys, references, spaces
from reexd.store import jobs as store_jobs
from reexd.store.environment import Environment

LONG = {"epochs": 10_000, "patience": 0, "shuffles": 1, "exemplar_size": 32, "learning_rate": 0.001}
# Long enough to be killed within; the patience is off, so that every run has the same length.
MEDIUM = {
    "epochs": 200,
    "patience": 0,
    "shuffles": 2,
    "exemplar_size": 32,
    "learning_rate": 0.001,
    "ensemble": True,
}


def weights(job) -> str:
    return job.result["weights_sha256"]


def status(daemon, project: str):
    return daemon.client.status(project).projects[0]


def test_a_document_that_is_listed_and_not_stored_ends_the_training(fresh, new_project, corpus, fast):
    daemon = fresh()
    project = new_project(daemon)
    daemon.upload(project, corpus(30), "train")
    assert daemon.stop() == 0
    store = Environment(daemon.home / "store" / "projects" / project)
    store.write(lambda txn: txn.delete(keys.document(7)))
    store.close()
    daemon.start()
    job = daemon.ended(daemon.client.train(project, **fast).name)
    assert job.state == "failed"
    assert "the store is damaged" in job.error


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


def test_killed_in_mid_fit_it_resumes_to_the_same_weights(
    served, fresh, new_project, daemons, corpus, uninterrupted
):
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
    # So did the other shuffles, which the version keeps as members of its ensemble.
    assert ended.result["shuffles"] == uninterrupted.result["shuffles"]
    texts = [line["document"] for line in corpus(10, seed=3)]
    found = [
        [each.ensemble for each in client.query(name, texts)]
        for client, name in ((daemon.client, project), (served.client, uninterrupted.project))
    ]
    assert found[0] == found[1]
    assert {each.size for each in found[0]} == {2}


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


def test_resumed_it_reads_texts_as_it_began_to(fresh, new_project, daemons, corpus):
    """What is chosen while a training runs is for the next one, also when it is cut off between."""
    daemon = fresh(checkpoint_s="0.1")
    project = new_project(daemon)
    daemon.upload(project, corpus(30), "train")
    job = daemon.client.train(project, **MEDIUM)
    daemons.wait_for(lambda: fit_progress(daemon, job.name) >= 50, 120)
    daemon.client.update_project(project, model="tiny-wide", pooling="max", document_prefix="violin ")
    daemon.kill()
    daemon.start()
    ended = daemon.ended(job.name)
    assert (ended.state, ended.attempts) == ("succeeded", 2), ended.error
    version = daemon.client.get_classifier(project)
    assert (version.model, version.pooling, version.document_prefix) == ("tiny", "mean", "none")
    assert daemon.client.query(project, "never seen before")[0].label == -1


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
