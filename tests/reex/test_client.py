"""Client and AsyncClient: same names, same requests, same records; pages, streams, order, laziness."""

from __future__ import annotations

import asyncio
import inspect
import json
import math
import queue
import subprocess
import sys
from collections import deque
from datetime import UTC, datetime
from importlib import resources

import grpc
import pytest
from reex import AsyncClient, Client, Text, errors
from reex.v1 import (
    documents_pb2,
    evaluation_pb2,
    jobs_pb2,
    models_pb2,
    predictions_pb2,
    projects_pb2,
    search_pb2,
    server_pb2,
    training_pb2,
)


def public(kind: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(member)
        for name, member in vars(kind).items()
        if callable(member) and not name.startswith("_")
    }


def test_both_clients_have_the_same_methods_with_the_same_parameters():
    ours, theirs = public(Client), public(AsyncClient)
    assert set(ours) == set(theirs)
    for name, signature in ours.items():
        assert list(signature.parameters.values())[1:] == [
            parameter if name != "predict" or parameter.name != "texts" else ours[name].parameters["texts"]
            for parameter in list(theirs[name].parameters.values())[1:]
        ], name


def test_importing_the_package_loads_no_grpc():
    program = (
        "import sys, reex, reex.errors; sys.exit('grpc' in sys.modules or 'google.protobuf' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_type_checkers_are_told_that_the_package_has_types():
    assert (resources.files("reex") / "py.typed").is_file()


def test_lists_are_read_page_by_page(daemon, client):
    def answer(request, context):
        start = int(request.page_token or 0)
        page = [projects_pb2.Project(name=f"p{n}") for n in range(start, min(start + 2, 5))]
        token = str(start + 2) if start + 2 < 5 else ""
        return projects_pb2.ListProjectsResponse(projects=page, next_page_token=token)

    daemon.answers["ListProjects"] = answer
    listing = client.list_projects()
    assert next(listing).name == "p0"
    assert len(daemon.requests) == 1, "a page that nobody asked for was read"
    assert [project.name for project in listing] == ["p1", "p2", "p3", "p4"]


def test_only_the_changed_fields_are_in_the_mask(daemon, client):
    daemon.answers["UpdateProject"] = lambda request, context: projects_pb2.UpdateProjectResponse(
        project=request.project
    )
    assert client.update_project("p", classes=["a", "b"], prompt="").classes == ("a", "b")
    ((_, request),) = daemon.requests
    assert sorted(request.update_mask.paths) == ["classes", "prompt"]


def test_settings_left_out_are_left_to_the_daemon(daemon, client):
    daemon.answers["Train"] = lambda request, context: training_pb2.TrainResponse(
        job=jobs_pb2.Job(name="train-1", state=jobs_pb2.JOB_STATE_QUEUED)
    )
    job = client.train("p", patience=0, seed=3)
    settings = daemon.requests[0][1].settings
    assert {field.name: value for field, value in settings.ListFields()} == {"patience": 0, "seed": 3}
    assert (job.name, job.state, job.ended, job.result) == ("train-1", "queued", False, {})


@pytest.mark.parametrize("settings", [{"epochs": 10**12}, {"epochs": "many"}, {"speed": 1}])
def test_a_setting_that_the_wire_cannot_carry_is_refused_here(client, settings):
    with pytest.raises(errors.InvalidArgument):
        client.train("p", **settings)


def test_a_finished_job_carries_its_result_or_its_error(daemon, client):
    ended = [
        jobs_pb2.Job(name="a", state=jobs_pb2.JOB_STATE_SUCCEEDED, result_json='{"version": "v2"}'),
        jobs_pb2.Job(
            name="b",
            state=jobs_pb2.JOB_STATE_FAILED,
            error=jobs_pb2.JobError(reason="STORAGE_FULL", message="full"),
        ),
    ]
    daemon.answers["ListJobs"] = lambda request, context: jobs_pb2.ListJobsResponse(jobs=ended)
    good, bad = client.list_jobs()
    assert (good.result, good.error) == ({"version": "v2"}, "")
    assert (bad.error_reason, bad.error, bad.to_dict()["result"]) == ("STORAGE_FULL", "full", None)


def test_watching_a_job_gives_each_state(daemon, client):
    states = [jobs_pb2.JOB_STATE_QUEUED, jobs_pb2.JOB_STATE_RUNNING, jobs_pb2.JOB_STATE_SUCCEEDED]
    daemon.answers["WatchJob"] = lambda request, context: iter(
        jobs_pb2.WatchJobResponse(job=jobs_pb2.Job(name=request.name, state=state)) for state in states
    )
    assert [job.state for job in client.watch_job("train-1")] == ["queued", "running", "succeeded"]


def test_an_evaluation_over_nothing_is_null_in_json(daemon, client):
    nan = math.nan
    daemon.answers["Evaluate"] = lambda request, context: evaluation_pb2.EvaluateResponse(
        split=request.split,
        n=0,
        accuracy=nan,
        confusion=[evaluation_pb2.ConfusionRow(counts=[1, 2]), evaluation_pb2.ConfusionRow(counts=[3, 4])],
        classes=[evaluation_pb2.ClassEvaluation(label=0, name="a", recall=nan)],
        regions=[evaluation_pb2.RegionEvaluation(alpha=0.95, admitted=0, accuracy=nan)],
        unseen_count=7,
    )
    shape = json.loads(json.dumps(client.evaluate("p", "test").to_dict(), allow_nan=False))
    assert (shape["n"], shape["accuracy"], shape["unseen_count"]) == (0, None, 7)
    assert shape["confusion"] == [[1, 2], [3, 4]]
    assert shape["classes"][0]["recall"] is None
    assert shape["regions"][0] == {
        "alpha": 0.95,
        "admitted": 0,
        "admitted_share": 0.0,
        "correct": 0,
        "accuracy": None,
        "interval": {"lower": 0.0, "upper": 0.0},
        "share_interval": {"lower": 0.0, "upper": 0.0},
        "by_label": [],
        "by_prediction": [],
    }
    assert shape["calibration"]["accuracy"]["accuracy"] is None
    assert shape["calibration"]["balanced_accuracy"] is None
    assert (shape["probability"], shape["prediction_sets"]) == (None, None)


def test_a_prediction_has_the_keys_that_were_promised(daemon, client):
    neighbor = predictions_pb2.Neighbor(id="n", label=1, prediction=1, distance=0.5, text="near")
    daemon.answers["Query"] = lambda request, context: predictions_pb2.QueryResponse(
        predictions=[predictions_pb2.Prediction(id=request.texts[0].id, neighbors=[neighbor], logits=[0.5])]
    )
    (answer,) = client.query("p", {"id": "x", "document": "text"})
    promised = (
        "id label prediction prediction_name probabilities logits sdm q d0 d q_prime region_alpha "
        "lower_region_alpha reliability reason neighbors classifier"
    )
    shape = answer.to_dict()
    assert set(promised.split()) <= set(shape)
    assert shape["neighbors"] == [{"id": "n", "label": 1, "prediction": 1, "distance": 0.5, "text": "near"}]
    assert (answer.id, shape["region_alpha"]) == ("x", 0.0)


def test_every_message_has_a_record(daemon, client):
    """A status with everything in it, so that no field of a message is read by a wrong name."""
    status = server_pb2.GetStatusResponse()
    project = status.projects.add()
    project.project.name = "p"
    project.project.create_time.FromDatetime(datetime(2026, 1, 2, tzinfo=UTC))
    split = project.splits.add(split="train", documents=2)
    split.labels.add(label=-1, name="unlabelled", count=2)
    project.classifier.name = "v1"
    project.classifier.training_json = '{"seed": 1}'
    project.classifier.regions.add(alpha=0.9, q_prime_min=2, thresholds=[0.5])
    status.projects.add(problem="damaged").project.name = "q"
    status.engine.workers.add(pid=1, state="idle")
    status.jobs.add(name="train-1", state=jobs_pb2.JOB_STATE_RUNNING)
    daemon.answers["GetStatus"] = lambda request, context: status
    found = client.status()
    assert found.projects[0].project.create_time == datetime(2026, 1, 2, tzinfo=UTC)
    assert found.projects[0].classifier.training == {"seed": 1}
    assert found.projects[1].classifier is None
    shape = json.loads(json.dumps(found.to_dict()))
    assert shape["projects"][0]["project"]["create_time"] == "2026-01-02T00:00:00Z"
    assert shape["projects"][0]["splits"][0]["labels"] == [{"label": -1, "name": "unlabelled", "count": 2}]

    daemon.answers["ListModels"] = lambda request, context: models_pb2.ListModelsResponse(
        models=[models_pb2.Model(name="minilm", sources=["a", "b"])]
    )
    assert client.list_models()[0].sources == ("a", "b")
    daemon.answers["Search"] = lambda request, context: search_pb2.SearchResponse(
        results=[search_pb2.SearchResult(id="a", similarity=0.5)], searched=3
    )
    assert client.search("p", "x", splits=["train"], labels=[1]).results[0].similarity == 0.5


def test_a_document_is_printed_like_the_line_it_came_from(daemon, client):
    daemon.answers["GetDocument"] = lambda request, context: documents_pb2.GetDocumentResponse(
        document=documents_pb2.Document(
            id="a", text="x", label=-99, split="test", extra_json='{"lang": "fi", "id": "b"}', revision=2
        )
    )
    assert client.get_document("p", "a").to_dict() == {
        "id": "a",
        "label": -99,
        "document": "x",
        "lang": "fi",
        "split": "test",
        "revision": 2,
        "update_time": None,
    }


def test_texts_that_cannot_be_sent_are_refused_here(client):
    for text in ("\ud800", {"text": "x"}, {"document": 5}, Text("x", attributes=["a"])):
        with pytest.raises(errors.InvalidDocument):
            client.query("p", text)


def test_several_texts_may_come_in_anything_that_is_iterated(daemon, client):
    daemon.answers["Query"] = lambda request, context: predictions_pb2.QueryResponse(
        predictions=[predictions_pb2.Prediction(text=text.text) for text in request.texts]
    )
    for texts in (["a", "b"], ("a", "b"), (text for text in "ab"), {"a": 1, "b": 2}.keys(), deque("ab")):
        assert [answer.text for answer in client.query("p", texts)] == ["a", "b"]
    assert [answer.text for answer in client.query("p", "ab")] == ["ab"]
    for wrong in (5, None, b"ab"):
        for ask in (client.query, lambda project, texts: list(client.predict(project, texts))):
            with pytest.raises(errors.InvalidDocument, match=f"received {type(wrong).__name__}"):
                ask("p", wrong)


def test_predict_answers_in_order_over_one_stream(daemon, client):
    texts = [{"id": str(n), "document": f"text {n}", "label": n % 3} for n in range(100)]
    answers = list(client.predict("p", texts, neighbors=2))
    assert [(answer.id, answer.label) for answer in answers] == [(str(n), n % 3) for n in range(100)]
    first = daemon.requests[0][1]
    assert (first.project, first.neighbors) == ("p", 2)
    assert len(daemon.requests) < 100, "texts that were there travelled one by one"


def test_a_producer_may_wait_for_each_answer(client):
    asked: queue.Queue[str] = queue.Queue()

    def texts():
        for n in range(5):
            yield f"text {n}"
            assert asked.get(timeout=10) == f"text {n}"

    for answer in client.predict("p", texts()):
        asked.put(answer.text)


def test_the_error_of_a_producer_comes_after_the_answers_before_it(client):
    def texts():
        yield "one"
        raise KeyError("mine")

    answers = client.predict("p", texts())
    with pytest.raises(KeyError, match="mine"):
        for answer in answers:
            assert answer.text == "one"


def test_a_stream_that_is_left_early_is_cancelled(daemon, client):
    ended: queue.Queue[bool] = queue.Queue()

    def answer(request, context):
        context.add_callback(lambda: ended.put(True))
        while context.is_active():
            yield predictions_pb2.PredictSplitResponse(predictions=[predictions_pb2.Prediction(id="a")])

    daemon.answers["PredictSplit"] = answer
    answers = client.predict_split("p", "test")
    assert next(answers).id == "a"
    answers.close()
    assert ended.get(timeout=10)


def test_the_asyncio_client_does_the_same(daemon, socket, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("label,document\npositive,x\n1,y\n,\n")
    daemon.answers["ListProjects"] = lambda request, context: projects_pb2.ListProjectsResponse(
        projects=[projects_pb2.Project(name=f"p{request.page_token}")],
        next_page_token="" if request.page_token else "2",
    )
    daemon.answers["GetJob"] = lambda request, context: daemon.abort(
        context, grpc.StatusCode.NOT_FOUND, "no job", "JOB_NOT_FOUND"
    )

    async def texts():
        for n in range(40):
            yield f"text {n}"

    async def broken():
        yield "one"
        raise KeyError("mine")

    async def scenario():
        async with AsyncClient(socket, timeout=20) as client:
            assert (await client.server_info()).pid == 4711
            assert [each.name async for each in client.list_projects()] == ["p", "p2"]
            result = await client.upload("p", path, "train")
            assert (result.added, [each.line for each in result.rejections]) == (2, [4])
            assert [each.text async for each in client.predict("p", texts())] == [
                f"text {n}" for n in range(40)
            ]
            assert [each.text async for each in client.predict("p", ["a", "b"])] == ["a", "b"]
            with pytest.raises(KeyError, match="mine"):
                [each async for each in client.predict("p", broken())]
            with pytest.raises(errors.NotFound, match="no job"):
                await client.get_job("train-1")
            first = client.predict("p", texts())
            assert (await anext(first)).text == "text 0"
            await first.aclose()

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_a_target_may_be_a_path_or_what_grpc_takes(daemon, socket, monkeypatch):
    for target in (socket, f"unix:{socket}", str(socket)):
        with Client(target) as client:
            assert client.server_info().pid == 4711
    for target in ("", 5, b"/tmp/s"):
        with pytest.raises(errors.InvalidSetting, match="path of a socket"):
            Client(target)
    monkeypatch.setenv("REEX_HOME", "relative/" + "long/" * 60)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    monkeypatch.setenv("TMPDIR", "/" + "t" * 120)
    with pytest.raises(errors.InvalidSetting):
        Client()
