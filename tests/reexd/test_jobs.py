"""The queue as clients see it: watch, list, cancel, and what a restart does to it."""

from __future__ import annotations

import threading
import time

import grpc
import pytest
from reex import errors
from reex.v1 import jobs_pb2, jobs_pb2_grpc
from reexd.errors import EngineDied, ReexError
from reexd.jobs import JobQueue, Kind
from reexd.records import JobState
from reexd.store.environment import Environment

LONG = {"epochs": 10_000, "patience": 0, "shuffles": 1, "exemplar_size": 32}


def test_a_watch_tells_the_present_then_changes_then_ends(trained):
    states = [stage.state for stage in trained.stages]
    assert states[-1] == "succeeded"
    assert set(states) <= {"queued", "running", "succeeded"}
    assert states == sorted(states, key=["queued", "running", "succeeded"].index)
    again = list(trained.client.watch_job(trained.job.name))
    assert again == [trained.job]  # of an ended job, the end alone
    assert trained.client.get_job(trained.job.name) == trained.job


def test_many_watchers_of_one_job_all_see_its_end(served, project, corpus, daemons):
    served.upload(project, corpus(20), "train")
    job = served.client.train(project, **LONG)
    ends = []

    def watch(patient: bool) -> None:
        with served.connect() as client:
            for stage in client.watch_job(job.name):
                if not patient:
                    return  # one that goes away in the middle
                last = stage
            ends.append(last)

    threads = [threading.Thread(target=watch, args=(number % 4 > 0,)) for number in range(12)]
    for thread in threads:
        thread.start()
    daemons.wait_for(lambda: served.client.get_job(job.name).phase == "fit", 60)
    running = served.client.get_job(job.name)
    assert 0 <= running.done <= running.total == 10_000
    assert running.end_time is None
    assert running.result == {}
    served.client.cancel_job(job.name)
    for thread in threads:
        thread.join(60)
    assert [end.state for end in ends] == ["cancelled"] * 9
    assert ends[0].end_time is not None


def test_listed_newest_first_and_by_project(served, new_project, corpus, fast):
    first, second = new_project(served), new_project(served)
    for project in (first, second):
        served.upload(project, corpus(20), "train")
    names = [served.train(project, **fast).name for project in (first, second, first)]
    assert [job.name for job in served.client.list_jobs(first)] == [names[2], names[0]]
    assert [job.name for job in served.client.list_jobs(second)] == [names[1]]
    everything = [job.name for job in served.client.list_jobs()]
    assert [name for name in everything if name in names] == names[::-1]


def test_pages_of_jobs_tell_each_once(served, project, corpus, fast):

    served.upload(project, corpus(20), "train")
    names = [served.train(project, **fast).name for _ in range(5)]
    told, token = [], ""
    with grpc.insecure_channel(served.target) as channel:
        stub = jobs_pb2_grpc.JobServiceStub(channel)
        while True:
            request = jobs_pb2.ListJobsRequest(project=project, page_size=2, page_token=token)
            answer = stub.ListJobs(request, timeout=60)
            told += [[job.name for job in answer.jobs]]
            token = answer.next_page_token
            if not token:
                break
    assert told == [[names[4], names[3]], [names[2], names[1]], [names[0]]]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "train",
        "train-",
        "train-0",
        "train-999999",
        "train-²",
        "pull-1",
        "-1",
        "train--1",
        f"train-{'9' * 40}",
        "x" * 5000,
    ],
)
def test_a_job_that_is_not_there(trained, name):
    for ask in (
        trained.client.get_job,
        trained.client.cancel_job,
        lambda name: list(trained.client.watch_job(name)),
    ):
        with pytest.raises(errors.NotFound) as caught:
            ask(name)
        assert caught.value.reason == "JOB_NOT_FOUND"


def test_a_restart_resumes_what_ran_and_what_waited_in_order(fresh, new_project, daemons, corpus, fast):
    daemon = fresh(drain_s="2")
    running, waiting, cancelled = (new_project(daemon) for _ in range(3))
    for project in (running, waiting, cancelled):
        daemon.upload(project, corpus(20), "train")
    first = daemon.client.train(running, **{**LONG, "epochs": 300})
    second = daemon.client.train(waiting, **fast)
    third = daemon.client.train(cancelled, **fast)
    daemon.client.cancel_job(third.name)
    daemons.wait_for(lambda: daemon.client.get_job(first.name).state == "running", 60)
    daemon.kill()
    daemon.start()
    ends = [daemon.ended(job.name) for job in (first, second, third)]
    assert [job.state for job in ends] == ["succeeded", "succeeded", "cancelled"]
    assert [job.attempts for job in ends] == [2, 1, 0]
    assert ends[0].end_time <= ends[1].end_time
    assert not daemon.client.status().jobs


def test_a_pull_of_a_folder_is_a_job(fresh, daemons, tiny_models, tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    source = tiny_models.write_tiny_bert(tmp_path / "small").folder
    daemon = fresh(folder)
    assert not [model.name for model in daemon.client.list_models() if model.installed]
    job = daemon.ended(daemon.client.pull_model(str(source)).name)
    assert (job.state, job.kind, job.project) == ("succeeded", "pull", "")
    assert job.result["name"] == "small"
    assert [model.name for model in daemon.client.list_models() if model.installed] == ["small"]
    with pytest.raises(errors.NotFound) as caught:
        daemon.client.pull_model("nobody-knows")
    assert caught.value.reason == "MODEL_NOT_FOUND"
    # What is no model ends its job with a reason.
    (tmp_path / "empty").mkdir()
    failed = daemon.ended(daemon.client.pull_model(str(tmp_path / "empty")).name)
    assert failed.state == "failed"
    assert failed.error_reason
    assert "Traceback" not in failed.error


def test_offline_refuses_downloads_before_they_begin(fresh):
    daemon = fresh(offline="1")
    with pytest.raises(errors.FailedPrecondition, match="offline"):
        daemon.client.pull_model("minilm")
    assert not list(daemon.client.list_jobs())


def test_a_watch_ends_with_the_daemon_and_holds_up_nothing(fresh, corpus):
    daemon = fresh()
    daemon.client.create_project("p", ["negative", "neutral", "positive"], model="tiny")
    daemon.upload("p", corpus(30), "train")
    job = daemon.client.train("p", **LONG)
    watch = daemon.client.watch_job(job.name)
    next(watch)
    begun = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - begun < 8, "the drain of ten seconds was waited out"
    with pytest.raises(errors.DaemonDown) as caught:
        list(watch)
    assert caught.value.reason == "DAEMON_STOPPING"


def the_engine_is_gone(environment: Environment) -> None:
    raise EngineDied("the engine was stopped")


def the_loop_is_gone(environment: Environment) -> None:
    raise RuntimeError("Event loop is closed")


def the_store_is_closed(environment: Environment) -> None:
    environment.write(lambda txn: None)


@pytest.mark.parametrize("meets", [the_engine_is_gone, the_loop_is_gone, the_store_is_closed, None])
def test_a_job_that_outlasts_the_stop_is_resumed_whatever_it_meets(tmp_path, daemons, meets):
    """What a job uses is taken down when the wait for it is over; also its end may come too late to be written."""
    environment = Environment(tmp_path / "store")
    begun, over = threading.Event(), threading.Event()

    def deaf(running):
        begun.set()
        assert over.wait(60)
        if meets:
            meets(environment)
        return {}

    queue = JobQueue(environment, {"pull": Kind(deaf, exclusive=False)})
    queue.start()
    job = queue.submit("pull", "", {})
    assert begun.wait(60)
    queue.stop(timeout_s=0.0)
    if meets in (None, the_store_is_closed):
        environment.close()
    over.set()
    queue.stop(timeout_s=60.0)
    environment.close()
    environment = Environment(tmp_path / "store")
    again = JobQueue(environment, {"pull": Kind(lambda running: {}, exclusive=False)})
    assert again.get(job.name).state == JobState.RUNNING
    again.start()
    daemons.wait_for(lambda: again.get(job.name).state == JobState.SUCCEEDED, 60)
    assert again.get(job.name).attempts == 2
    again.stop()
    environment.close()


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [(EngineDied("gone"), "FAILED", "ENGINE_DIED"), (KeyError("x"), "FAILED", "INTERNAL")],
)
def test_an_error_without_a_stop_is_final(tmp_path, daemons, error, state, reason):
    environment = Environment(tmp_path / "store")
    tries = []

    def failing(running):
        tries.append(running.job.attempts)
        raise error

    queue = JobQueue(environment, {"pull": Kind(failing, exclusive=False)})
    queue.start()
    name = queue.submit("pull", "", {}).name
    daemons.wait_for(lambda: queue.get(name).state == JobState[state], 60)
    assert queue.get(name).error_reason == reason
    assert len(tries) == (3 if isinstance(error, ReexError) else 1)
    queue.stop()
    environment.close()
