"""The daemon's life: start, one per home, stop with calls under way, start again after SIGKILL."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import stat
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from reex import daemon as starting
from reex import errors, health
from reex.running import running
from reex.v1 import jobs_pb2, jobs_pb2_grpc
from reexd import server

SERVICES = {
    f"reex.v1.{name}Service"
    for name in (
        "Project",
        "Document",
        "Training",
        "Job",
        "Prediction",
        "Evaluation",
        "Search",
        "Model",
        "Server",
    )
}


def health_of(target: str, service: str = "") -> int:
    with grpc.insecure_channel(target) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(service=service), timeout=20
        )
    return answer.status


def test_every_service_is_healthy_and_reflected(served):
    with grpc.insecure_channel(served.target) as channel:
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answer = next(
            reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
                iter([request]), timeout=20
            )
        )
    listed = {service.name for service in answer.list_services_response.service}
    assert listed >= SERVICES | {"grpc.health.v1.Health"}
    assert {health_of(served.target, name) for name in ("", *SERVICES)} == {
        health_pb2.HealthCheckResponse.SERVING
    }


def test_server_info_tells_where_and_what(served):
    info = served.client.server_info()
    assert info.pid == served.pid
    assert info.home == str(served.home)
    assert info.models_folder == str(served.models)
    assert info.document_size_max_bytes == 1 << 20


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_socket_is_for_its_owner_alone_whatever_the_umask(fresh, umask):
    before = os.umask(umask)
    try:
        daemon = fresh()
    finally:
        os.umask(before)
    found = daemon.location.socket.lstat()
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert stat.S_IMODE(daemon.location.socket.parent.lstat().st_mode) == 0o700
    private = [path for path in daemon.home.rglob("*") if path.is_dir() or path.suffix == ".mdb"]
    assert len(private) > 4
    assert all(stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0 for path in private if path.name != "stderr")


def test_of_many_daemons_of_one_home_one_serves(fresh, daemons):
    daemon = fresh()
    others = [daemon.spawn() for _ in range(3)]
    for other in others:
        with daemons.sent(other):
            _, said = other.communicate(timeout=60)
            assert other.returncode == 7
            assert f"already running, pid {daemon.pid}" in said.decode()
    # The one that serves still does, on its own socket.
    assert daemon.client.server_info().pid == daemon.pid
    assert daemon.stop() == 0
    assert not daemon.location.socket.exists()


def test_a_home_that_others_may_write_to_is_refused(daemons, models_folder):
    daemon = daemons.Daemon(models_folder)
    daemon.home.chmod(0o770)
    try:
        with daemons.sent(daemon.spawn()) as process:
            _, said = process.communicate(timeout=60)
        assert process.returncode == 1
        assert str(daemon.home) in said.decode()
        assert "Traceback" not in said.decode()
    finally:
        daemon.__exit__()


def test_starts_on_what_a_killed_daemon_left(fresh, new_project):
    daemon = fresh()
    project = new_project(daemon)
    daemon.upload(project, [{"id": "one", "document": "profit rose"}], "train")
    daemon.kill()
    assert daemon.location.socket.exists()
    daemon.start()
    assert daemon.client.get_document(project, "one").text == "profit rose"


def test_workers_of_a_killed_daemon_end_by_themselves(fresh, daemons):
    daemon = fresh()
    daemons.wait_for(lambda: len(daemon.workers()) == 2, 60)
    workers = daemon.workers()
    daemon.kill()
    daemons.wait_for(lambda: not any(alive(pid) for pid in workers), 60)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="environments are read below /proc")
def test_grpc_leaves_children_alone(served, daemons):
    """Started by fork, one in four would abort before it is the program it should be."""
    daemons.wait_for(served.workers, 60)
    environment = Path(f"/proc/{served.workers()[0]}/environ").read_bytes().split(b"\0")
    assert b"GRPC_ENABLE_FORK_SUPPORT=0" in environment


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has waited for does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return not Path("/proc/self").exists()  # macOS, where the signal alone tells
    except ProcessLookupError:
        return False


def test_sigterm_says_not_serving_and_ends_calls_in_time(fresh, daemons, new_project, corpus):
    daemon = fresh(drain_s="1")
    project = new_project(daemon)
    daemon.upload(project, corpus(10), "train")
    job = daemon.client.train(project, epochs=10_000, patience=0)
    ends: list[str] = []

    def watch() -> None:
        with grpc.insecure_channel(daemon.target) as channel:
            try:
                for _ in jobs_pb2_grpc.JobServiceStub(channel).WatchJob(
                    jobs_pb2.WatchJobRequest(name=job.name)
                ):
                    pass
                ends.append("ended")
            except grpc.RpcError as error:
                ends.append(error.code().name)

    watchers = [threading.Thread(target=watch) for _ in range(16)]
    for watcher in watchers:
        watcher.start()
    statuses: list[int] = []
    with grpc.insecure_channel(daemon.target) as channel:
        watched = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
        daemons.wait_for(lambda: daemon.client.get_job(job.name).phase == "fit", 60)
        daemon.process.send_signal(signal.SIGTERM)
        statuses.append(next(watched).status)
        assert daemon.process.poll() is None  # said before it ended, so that clients can go elsewhere
    assert statuses == [health_pb2.HealthCheckResponse.NOT_SERVING]
    assert daemon.process.wait(60) == 0
    for watcher in watchers:
        watcher.join(60)
    assert len(ends) == 16
    assert not daemon.location.socket.exists()
    with pytest.raises(errors.DaemonDown):
        daemon.client.get_job(job.name, timeout=5)

    # The interrupted job is not lost: it runs again, and can be cancelled.
    daemon.start()
    daemons.wait_for(lambda: daemon.client.get_job(job.name).state == "running", 60)
    assert daemon.client.get_job(job.name).attempts == 2
    daemon.client.cancel_job(job.name)
    assert daemon.ended(job.name).state == "cancelled"


@pytest.mark.parametrize("nohup", [False, True])
def test_a_terminal_that_closes_ends_it_in_order_unless_told_otherwise(daemons, models_folder, nohup):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)
    try:
        with daemons.Daemon(models_folder) as daemon:
            daemon.process.send_signal(signal.SIGHUP)
            if nohup:
                assert daemon.client.server_info().pid == daemon.pid
                assert daemon.stop() == 0
            else:
                assert daemon.process.wait(60) == 0
            assert not daemon.location.socket.exists()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_start_during_a_shutdown_ends_in_another_daemon(fresh):
    old = fresh()
    told: list[bool] = []

    def probe() -> bool:
        if not told:  # the start found a daemon; only now that is told to go
            told.append(True)
            old.process.send_signal(signal.SIGTERM)
            return False
        holder = running(old.location)
        return holder is not None and health.serving(holder.socket)

    try:
        started = starting.start(old.location, probe=probe, environ=old.environ)
        assert started.pid not in (0, old.pid)
        with old.connect() as client:
            assert client.server_info().pid == started.pid
    finally:
        starting.stop(old.location)


def test_answers_while_thousands_of_rows_are_evaluated(fresh, new_project, corpus, fast):
    """The loop must not wait for a step: what takes milliseconds of its own is answered meanwhile."""
    daemon = fresh()
    project = new_project(daemon)
    daemon.upload(project, corpus(30), "train")
    daemon.upload(project, corpus(700, seed=5), "test")
    daemon.train(project, **fast)
    over = threading.Event()
    evaluations: list[object] = []

    def evaluate() -> None:
        try:
            with daemon.connect() as client:
                evaluations.append(client.evaluate(project, "test"))
        finally:
            over.set()

    thread = threading.Thread(target=evaluate)
    thread.start()
    lags: list[float] = []
    while not over.is_set():
        started = time.monotonic()
        daemon.client.server_info()
        lags.append(time.monotonic() - started)
    thread.join()
    assert evaluations[0].n == 2100
    assert len(lags) >= 5
    assert max(lags) < 2.0  # forty times the promise of 50 ms


def test_hostile_bytes_leave_it_healthy(served):
    connections = []
    for payload in (
        b"",
        b"\x00" * 4096,
        b"GET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff",
        os.urandom(4096),
    ):
        for _ in range(40):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(served.location.socket))
            with contextlib.suppress(BrokenPipeError):
                connection.sendall(payload)
            connections.append(connection)
    assert health_of(served.target) == health_pb2.HealthCheckResponse.SERVING
    for connection in connections:
        connection.close()
    assert health_of(served.target) == health_pb2.HealthCheckResponse.SERVING


def warned(daemon) -> list[str]:
    lines = map(json.loads, (daemon.location.logs / "reexd.log").read_text().splitlines())
    return [line["message"] for line in lines if line["level"] == "warning"]


def test_the_log_names_the_cure_where_openblas_is_missing(fresh, without_openblas, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", without_openblas)
    daemon = fresh()
    engine = daemon.client.status().engine
    if engine.blas_fast:
        pytest.skip("OpenBLAS is not used here")
    assert warned(daemon) == [engine.blas]
    assert "sudo apt install libopenblas0" in engine.blas


def test_the_log_is_quiet_where_products_are_fast(served):
    if not served.client.status().engine.blas_fast:
        pytest.skip("there is no OpenBLAS here")
    assert not [said for said in warned(served) if "OpenBLAS" in said]


def test_full_collections_pass_over_what_the_daemon_began_with(fresh, monkeypatch, tmp_path):
    """Walking all that was imported holds the interpreter lock, and so the loop, for tens of milliseconds."""
    said = tmp_path / "frozen"
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, gc, pathlib, sys\n"
        "def tell():\n"
        f"    file = pathlib.Path({str(said)!r})\n"
        "    file.write_text(f'{gc.get_freeze_count()} {len(gc.get_objects())}')\n"
        "if 'serve' in sys.orig_argv: atexit.register(tell)\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    daemon = fresh()
    assert daemon.stop() == 0
    frozen, walked = map(int, said.read_text().split())
    assert frozen > 10 * walked


def test_housekeeping_outlives_a_defect(monkeypatch):
    monkeypatch.setattr(server, "HOUSEKEEPING_INTERVAL_S", 0.001)
    ran, again = [], threading.Event()

    def run():
        ran.append(1)
        if len(ran) > 1:
            again.set()
        raise OSError("not an error that is declared")

    async def hourly():
        task = asyncio.create_task(server._hourly(SimpleNamespace(run=run)))
        await asyncio.to_thread(again.wait, 30)
        task.cancel()

    asyncio.run(hourly())
    assert again.is_set()
