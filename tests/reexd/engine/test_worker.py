"""Workers die, and the daemon does not: real signals under load."""

import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from reexd.engine.client import Engine, EngineSettings, FitTask, official
from reexd.engine.frames import Frame, pack, receive, send
from reexd.engine.worker import Worker
from reexd.errors import EngineDied

DEADLINE_S = 60


def wait_for(condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ready(engine):
    return all(worker.state in ("idle", "busy") for worker in engine.status().workers)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_killed_under_load_nothing_is_lost(start_engine, tiny_bert, tiny_models, number):
    """Bulk and interactive work go on while each worker is killed in turn; only the dead ones are replaced."""
    engine = start_engine(workers=2)
    wait_for(lambda: ready(engine))
    texts = tiny_models.texts("positive", 3000)
    queries = tiny_models.texts("negative", 20)
    expected = engine.embed(tiny_bert, queries).vectors
    stop, results, problems = threading.Event(), [], []

    def query():
        while not stop.is_set():
            try:
                found = engine.embed(tiny_bert, queries, interactive=True).vectors
                assert np.abs(found - expected).max() < 1e-5
            except Exception as error:
                problems.append(error)

    def bulk():
        try:
            results.append(engine.embed(tiny_bert, texts * 3))
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=query), threading.Thread(target=bulk)]
    for thread in threads:
        thread.start()
    for slot in (0, 1, 2):
        wait_for(lambda: ready(engine))
        before = engine.status().workers
        os.kill(before[slot].pid, number)
        wait_for(lambda slot=slot, old=before[slot].pid: engine.status().workers[slot].pid not in (0, old))
        after = engine.status().workers
        assert [w.pid for w in after if w.pid != after[slot].pid] == [
            w.pid for w in before if w.pid != before[slot].pid
        ]
    threads[1].join()
    stop.set()
    threads[0].join()
    assert problems == []
    assert np.isfinite(results[0].vectors).all()
    assert [worker.restarts for worker in engine.status().workers] == [1, 1, 1]


def test_what_kills_every_worker_is_given_up_after_three_tries(start_engine, tiny_bert):
    """A model folder that vanishes is an error; a worker killed each time it is asked is EngineDied."""
    engine = start_engine(workers=1)
    engine.open(tiny_bert)
    stop = threading.Event()

    def kill_the_busy():
        while not stop.is_set():
            for worker in engine.status().workers:
                if worker.state == "busy" and worker.pid:
                    try:
                        os.kill(worker.pid, signal.SIGKILL)
                    except ProcessLookupError:
                        continue
            time.sleep(0.001)

    thread = threading.Thread(target=kill_the_busy)
    thread.start()
    try:
        with pytest.raises(EngineDied, match="SIGKILL"):
            for _ in range(50):  # a unit may be over before it is seen
                engine.embed(tiny_bert, ["profit " * 20_000], interactive=True)
    finally:
        stop.set()
        thread.join()
    assert engine.embed(tiny_bert, ["profit rose"], interactive=True).vectors.shape == (1, 32)


def test_a_fit_whose_worker_dies_is_told_and_goes_on_from_its_checkpoint(start_engine):
    engine = start_engine(workers=1)
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(2), 100)
    features = (rng.standard_normal((200, 16)) + labels[:, None]).astype(np.float32)
    settings = official(2, epochs=1_000_000, exemplar_size=8)
    killed = []

    def kill(*_):
        if not killed:  # what else it had told by then must not end the worker that takes its place
            killed.extend(worker.pid for worker in engine.status().workers if not worker.interactive)
            os.kill(killed[0], signal.SIGKILL)

    with pytest.raises(EngineDied, match="SIGKILL"):
        engine.fit(FitTask(features, labels, settings), on_progress=kill, on_checkpoint=lambda *_: None)
    short = official(2, epochs=2, exemplar_size=8)
    result = engine.fit(
        FitTask(features, labels, short), on_progress=lambda *_: None, on_checkpoint=lambda *_: None
    )
    assert result.outcomes[0].facts["epochs"] == 2


def test_stop_ends_workers_and_tells_those_who_wait(start_engine, tiny_bert, tiny_models):
    engine = start_engine(workers=1)
    wait_for(lambda: ready(engine))
    pids = [worker.pid for worker in engine.status().workers]
    failed = []

    def bulk():
        try:
            engine.embed(tiny_bert, tiny_models.texts("other", 2000) * 50)
        except EngineDied as error:
            failed.append(error)

    thread = threading.Thread(target=bulk)
    thread.start()
    wait_for(lambda: any(worker.state == "busy" for worker in engine.status().workers))
    engine.stop()
    thread.join(DEADLINE_S)
    assert len(failed) == 1
    assert not any(alive(pid) for pid in pids)
    with pytest.raises(EngineDied):
        engine.embed(tiny_bert, ["profit"])
    engine.stop()


def test_orphans_end_with_the_daemon(tmp_path):
    """A daemon killed outright takes its workers along: their socket ends."""
    import subprocess
    import sys

    code = (
        "import sys, time; from pathlib import Path; from reexd.engine.client import Engine, EngineSettings\n"
        "engine = Engine(EngineSettings(workers=1), Path(sys.argv[1]))\n"
        "engine.start()\n"
        "while any(w.state == 'starting' for w in engine.status().workers): time.sleep(0.01)\n"
        "print(*[w.pid for w in engine.status().workers], flush=True); time.sleep(1000)"
    )
    daemon = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    pids = [int(pid) for pid in daemon.stdout.readline().split()]
    assert len(pids) == 2
    assert all(alive(pid) for pid in pids)
    daemon.kill()
    daemon.wait()
    daemon.stdout.close()
    wait_for(lambda: not any(_running(pid) for pid in pids))


def _running(pid):
    """Alive and no zombie: whoever adopted an orphan may be slow to reap it."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return alive(pid) if not os.path.isdir("/proc/self") else False  # noqa: PTH112


def test_workers_that_cannot_start_are_reported(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import os; os._exit(7)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EngineDied, match="exit code 7"):
        Engine(EngineSettings(workers=1), tmp_path / "scratch").start()


def test_without_a_core_to_spare_questions_stay_with_their_worker(
    start_engine, tiny_bert, tiny_models, monkeypatch
):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    engine = start_engine(workers=2)
    wait_for(lambda: ready(engine))
    engine.open(tiny_bert)
    before = engine.status().workers

    def ask(text):
        return engine.embed(tiny_bert, [text], interactive=True).vectors

    with ThreadPoolExecutor(16) as threads:
        assert len(list(threads.map(ask, tiny_models.texts("positive", 64)))) == 64
    # Whoever reads a text holds the model from then on.
    others = [worker.memory_bytes for worker in engine.status().workers if not worker.interactive]
    assert others == [worker.memory_bytes for worker in before if not worker.interactive]


def test_while_their_worker_reads_a_model_others_answer(
    start_engine, tiny_bert, tiny_models, tmp_path, monkeypatch
):
    """The worker that is kept for questions is stopped in the middle of it; they must not wait for it."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    other = tiny_models.write_tiny_bert(tmp_path / "other", seed=1)
    engine = start_engine(workers=1)
    wait_for(lambda: ready(engine))
    engine.open(tiny_bert)
    expected = engine.embed(tiny_bert, ["good"], interactive=True).vectors
    (kept,) = (worker for worker in engine.status().workers if worker.interactive)
    os.kill(kept.pid, signal.SIGSTOP)
    try:
        reading = threading.Thread(target=engine.open, args=(other,))
        reading.start()
        wait_for(lambda: "busy" in [w.state for w in engine.status().workers if w.interactive])
        found = []
        asking = threading.Thread(
            target=lambda: found.append(engine.embed(tiny_bert, ["good"], interactive=True))
        )
        asking.start()
        asking.join(DEADLINE_S)
        assert np.allclose(found[0].vectors, expected, atol=1e-5)
    finally:
        os.kill(kept.pid, signal.SIGCONT)
    reading.join(DEADLINE_S)
    asking.join(DEADLINE_S)


def test_a_fit_goes_on_between_units_for_as_long_as_one_took():
    """Twice as long a unit, twice as many steps: a large model's units do not starve a fit that shares their worker."""
    ours, theirs = socket.socketpair()
    worker, done = Worker(theirs), []

    class Steps:
        def advance(self):
            time.sleep(0.005)
            done.append("step")

        def close(self):
            done.append("closed")

    def unit(frame):
        time.sleep(0.1)
        done.append("unit")
        return Frame({})

    def begin(frame):
        worker._fit = Steps()
        worker._fit.identity = frame.header["fit"]

    worker._operations |= {"embed": unit, "fit": begin}
    thread = threading.Thread(target=worker.run)
    thread.start()
    with ours:
        send(ours, Frame({"id": 1, "op": "fit", "fit": 1, "bulk": True}))
        for number in (2, 3):  # as the pool does: the next unit when the last is answered
            send(ours, Frame({"id": number, "op": "embed", "bulk": True}))
            assert receive(ours).header["id"] == number
        first, second = (place for place, what in enumerate(done) if what == "unit")
        # A hundred milliseconds are twenty steps; one step would be strict alternation.
        assert second - first > 5
        # In the fit's turn units wait for it, and nothing else does. All are there before the turn is over.
        units = [{"id": number, "op": "embed", "bulk": True} for number in (4, 5)]
        cancel = {"id": 6, "op": "cancel", "fit": 1, "bulk": False}
        ours.sendall(b"".join(part for header in (*units, cancel) for part in pack(header)))
        answered = [receive(ours).header["id"] for _ in (4, 5, 6)]
        assert answered.index(6) < answered.index(5)
        assert "closed" in done
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
