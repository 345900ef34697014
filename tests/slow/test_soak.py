"""Many clients, many cancelled calls, slow readers: nothing leaks and nobody waits for another.

REEX_SOAK scales the work (default 1; a long run 10).
"""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import grpc
import pytest
from reex import errors
from reex.v1 import (
    evaluation_pb2,
    evaluation_pb2_grpc,
    jobs_pb2,
    jobs_pb2_grpc,
    predictions_pb2,
    predictions_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
)

pytestmark = pytest.mark.slow

SCALE = int(os.environ.get("REEX_SOAK", "1"))
LONG = {"epochs": 10_000, "patience": 0, "shuffles": 1, "exemplar_size": 32}
needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc")


@pytest.fixture
def loaded(fresh, new_project, corpus, fast):
    """A daemon with a live classifier and a project to train."""
    daemon = fresh()
    answering, training = new_project(daemon), new_project(daemon)
    daemon.upload(answering, corpus(60), "train")
    daemon.upload(answering, corpus(400, seed=3), "test")
    daemon.upload(training, corpus(60, seed=1), "train")
    daemon.train(answering, **fast)
    return daemon, answering, training


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def memory_bytes(pid: int) -> int:
    resident = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(resident) * os.sysconf("SC_PAGE_SIZE")


def test_sixty_four_clients_while_a_job_trains(loaded):
    daemon, answering, training = loaded
    job = daemon.client.train(training, **LONG)
    failures: list[str] = []
    refused = answered = 0
    lock = threading.Lock()

    def ask(number: int) -> None:
        nonlocal refused, answered
        choice = random.Random(number)
        with daemon.connect(timeout=300) as client:
            for turn in range(20 * SCALE):
                texts = [
                    f"profit rose {number} {turn} {place}" for place in range(choice.choice((1, 1, 1, 3, 16)))
                ]
                try:
                    replies = client.query(answering, texts, neighbors=1)
                except errors.ResourceExhausted:
                    with lock:
                        refused += 1
                    continue
                except Exception as error:
                    failures.append(f"{type(error).__name__}: {error}")
                    return
                if [reply.text for reply in replies] != texts:
                    failures.append(f"client {number} got another's answers")
                with lock:
                    answered += 1

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(64)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert daemon.client.get_job(job.name).state == "running"
    daemon.client.cancel_job(job.name)
    assert not failures
    assert answered + refused == 64 * 20 * SCALE
    assert answered > refused


@needs_proc
def test_a_thousand_calls_cancelled_midway_leave_nothing_behind(loaded, daemons):
    daemon, answering, training = loaded
    pid = daemon.pid
    job = daemon.client.train(training, **LONG)
    choice = random.Random(3)
    with grpc.insecure_channel(daemon.target) as channel:
        queries = predictions_pb2_grpc.PredictionServiceStub(channel)
        search = search_pb2_grpc.SearchServiceStub(channel)
        evaluation = evaluation_pb2_grpc.EvaluationServiceStub(channel)
        jobs = jobs_pb2_grpc.JobServiceStub(channel)

        def begin(number: int):
            texts = [predictions_pb2.Text(text=f"text {number} {place}") for place in range(8)]
            query = predictions_pb2.QueryRequest(project=answering, texts=texts)
            return choice.choice(
                (
                    lambda: queries.Query.future(query),
                    lambda: queries.PredictSplit(
                        predictions_pb2.PredictSplitRequest(project=answering, split="test")
                    ),
                    lambda: search.Search.future(
                        search_pb2.SearchRequest(project=answering, text=f"new {number}")
                    ),
                    lambda: evaluation.Evaluate.future(
                        evaluation_pb2.EvaluateRequest(project=answering, split="test")
                    ),
                    lambda: jobs.WatchJob(jobs_pb2.WatchJobRequest(name=job.name)),
                )
            )()

        def cancelled(count: int, first: int) -> None:
            for number in range(first, first + count):
                call = begin(number)
                time.sleep(choice.uniform(0, 0.01))
                call.cancel()

        # Threads are started as they are needed and stay; what matters is that more calls need no more of them.
        cancelled(200, 0)
        settled(daemon)
        before = descriptors(pid), threads(pid)
        cancelled(1000 * SCALE, 200)
        settled(daemon)
    after = descriptors(pid), threads(pid)
    daemon.client.cancel_job(job.name)
    assert daemon.ended(job.name).state == "cancelled"
    assert after[0] <= before[0] + 8
    assert after[1] <= before[1] + 64  # at most the pool of step threads, were it not full before
    assert daemon.client.query(answering, "profit rose")


def settled(daemon) -> None:
    """Wait until calls that were cut off have left the steps: a query is answered at once again."""
    for _ in range(20):
        started = time.monotonic()
        daemon.client.status()
        if time.monotonic() - started < 0.2:
            return
        time.sleep(0.5)


@needs_proc
def test_a_watcher_that_never_reads_costs_nobody_anything(loaded, daemons):
    daemon, _, training = loaded
    job = daemon.client.train(training, **LONG)
    daemons.wait_for(lambda: daemon.client.get_job(job.name).phase == "fit", 60)
    with grpc.insecure_channel(daemon.target) as channel:
        stub = jobs_pb2_grpc.JobServiceStub(channel)
        stalled = [stub.WatchJob(jobs_pb2.WatchJobRequest(name=job.name)) for _ in range(20)]
        time.sleep(2)
        before = memory_bytes(daemon.pid)
        seen = []
        reader = iter(daemon.client.watch_job(job.name))
        end = time.monotonic() + 20 * SCALE
        while time.monotonic() < end:
            seen.append(next(reader).done)
        grown = memory_bytes(daemon.pid) - before
        for call in stalled:
            call.cancel()
    reader.close()
    daemon.client.cancel_job(job.name)
    assert grown < 16 << 20
    assert seen == sorted(seen)
    assert len(set(seen)) > 20


def test_two_daemons_at_once(daemons, models_folder):
    """Of several started at the same instant exactly one serves, each time."""
    for _ in range(10 * SCALE):
        home = daemons.Daemon(models_folder)
        processes = [home.spawn() for _ in range(3)]
        try:
            daemons.wait_for(lambda: sum(process.poll() is None for process in processes) == 1, 60)  # noqa: B023
            daemons.wait_for(lambda: daemons.health.serving(home.location.socket), 60)  # noqa: B023
            assert sorted(process.poll() or 0 for process in processes) == [0, 7, 7]
        finally:
            for process in processes:
                process.kill()
                process.communicate()
            home.__exit__()
