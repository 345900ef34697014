"""SIGKILL at random instants, many times: nothing acknowledged is lost or doubled, jobs end as if nothing had been.

REEX_KILLS sets how often (default 20, a long run 1,000).
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import grpc
import pytest
from reex.v1 import documents_pb2, documents_pb2_grpc

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("REEX_KILLS", "20"))
LANDED_MIN = 0.75  # of the kills must come before the work was done, or the test shows nothing
START_MAX_S = 30.0  # ten times the promise of 3 s
CHUNK_SIZE = 25
CHUNKS = 400
SETTINGS = {"epochs": 300, "patience": 0, "shuffles": 2, "exemplar_size": 32, "learning_rate": 0.001}


def chunk(project: str, stream: int, at: int) -> documents_pb2.UploadDocumentsRequest:
    lines = [
        documents_pb2.DocumentLine(
            line=at * CHUNK_SIZE + place + 1,
            document=documents_pb2.Document(
                id=f"{stream}/{at}/{place}", text=f"document {place} of {at} in {stream}", label=place % 3
            ),
        )
        for place in range(CHUNK_SIZE)
    ]
    return documents_pb2.UploadDocumentsRequest(project=project, split="train", lines=lines)


class Uploader(threading.Thread):
    """Streams chunks and counts acknowledgements until all are sent or the daemon is gone."""

    def __init__(self, target: str, project: str, stream: int) -> None:
        super().__init__()
        self.acknowledged = 0
        self.begun = threading.Event()
        self._given = target, project, stream
        self.start()

    def run(self) -> None:
        target, project, stream = self._given
        try:
            with grpc.insecure_channel(target) as channel:
                requests = (chunk(project, stream, at) for at in range(CHUNKS))
                for answer in documents_pb2_grpc.DocumentServiceStub(channel).UploadDocuments(requests):
                    assert answer.added == CHUNK_SIZE
                    self.acknowledged += 1
                    self.begun.set()
        except grpc.RpcError:
            pass
        finally:
            self.begun.set()

    @property
    def done(self) -> bool:
        return self.acknowledged == CHUNKS


def test_killed_during_uploads(fresh, new_project):
    """Two streams at a time, so that commits are shared."""
    daemon = fresh()
    instants = random.Random(1)
    landed = 0
    for kill in range(KILLS):
        project = new_project(daemon)
        uploaders = [Uploader(daemon.target, project, stream) for stream in range(2)]
        for uploader in uploaders:
            uploader.begun.wait(60)
        time.sleep(instants.uniform(0.0, 0.5))
        daemon.kill()
        for uploader in uploaders:
            uploader.join()
        landed += not all(uploader.done for uploader in uploaders)
        started = time.monotonic()
        daemon.start()
        assert time.monotonic() - started < START_MAX_S
        found = [document.id for document in daemon.client.list_documents(project)]
        assert len(found) == len(set(found)), f"kill {kill}: documents were doubled"
        chunks: dict[tuple[str, int], int] = {}
        for id in found:
            stream, at, _ = id.split("/")
            chunks[stream, int(at)] = chunks.get((stream, int(at)), 0) + 1
        assert set(chunks.values()) <= {CHUNK_SIZE}, f"kill {kill}: a chunk was stored in part"
        for stream, uploader in enumerate(uploaders):
            assert all((str(stream), at) in chunks for at in range(uploader.acknowledged)), (
                f"kill {kill}: lost"
            )
        (summary,) = (row for row in daemon.client.split_summary(project) if row.split == "train")
        assert summary.documents == len(found)
        daemon.client.delete_project(project)
    assert landed >= LANDED_MIN * KILLS


def test_killed_during_trainings(fresh, new_project, corpus, daemons):
    """Each job is killed once, embedding or fitting, and ends in the weights of one that was left alone."""
    daemon = fresh(checkpoint_s="0.2")
    lines = corpus(60, words=20)
    control = new_project(daemon)
    daemon.upload(control, lines, "train")
    started = time.monotonic()
    expected = daemon.train(control, **SETTINGS).result
    duration_s = time.monotonic() - started
    instants = random.Random(2)
    landed = 0
    for kill in range(KILLS):
        project = new_project(daemon)
        daemon.upload(project, lines, "train")
        job = daemon.client.train(project, **SETTINGS)
        time.sleep(instants.uniform(0.0, 0.8 * duration_s))
        before = daemon.client.get_job(job.name)
        daemon.kill()
        landed += not before.ended
        daemon.start()
        live = daemon.client.status(project).projects[0].classifier
        # Live is whole or not there, whatever the instant.
        assert live is None or live.support_count + live.calibration_count == len(lines)
        ended = daemon.ended(job.name)
        assert ended.state == "succeeded", f"kill {kill}: {ended.error}"
        assert ended.result["weights_sha256"] == expected["weights_sha256"], (
            f"kill {kill}, in phase {before.phase}"
        )
        assert ended.result["regions"] == expected["regions"]
        assert daemon.client.status(project).projects[0].version_count == 1
        daemon.client.delete_project(project)
    assert landed >= LANDED_MIN * KILLS


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_workers_killed_under_load(fresh, new_project, corpus, fast, daemons, number):
    """The daemon lives, other calls answer, and the job goes on or fails with the reason."""
    daemon = fresh()
    answering, training = new_project(daemon), new_project(daemon)
    for project in (answering, training):
        daemon.upload(project, corpus(40), "train")
    daemon.train(answering, **fast)
    pid = daemon.client.server_info().pid
    over = threading.Event()
    unanswered: list[str] = []

    def ask() -> None:
        with daemon.connect() as client:
            while not over.is_set():
                try:
                    client.query(answering, "profit rose")
                except Exception as error:
                    unanswered.append(f"{type(error).__name__}: {error}")
                    time.sleep(0.1)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(max(1, KILLS // 2)):
            job = daemon.client.train(training, **SETTINGS)
            daemons.wait_for(lambda job=job: daemon.client.get_job(job.name).done >= 20, 120)
            for worker in daemon.workers():
                os.kill(worker, number)
            ended = daemon.ended(job.name)
            assert ended.state == "succeeded" or ended.error_reason == "ENGINE_DIED"
            assert daemon.client.list_documents(training)
            assert daemon.client.server_info().pid == pid
    finally:
        over.set()
        for asker in askers:
            asker.join()
    # A query is retried twice by itself; only one that met three deaths may say so.
    assert all(failure.startswith("EngineDied") for failure in unanswered)
    assert len(unanswered) <= KILLS
    daemons.wait_for(lambda: len(daemon.workers()) == 2, 60)
