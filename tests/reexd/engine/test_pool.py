"""Who does what next, with stand-ins for the processes: what is sent to whom."""

import pytest
from reexd.engine.frames import Frame
from reexd.engine.pool import Pool
from reexd.engine.process import WorkerProcess
from reexd.engine.schedule import Unit
from reexd.engine.tasks import EngineSettings


class Recorder(WorkerProcess):
    """A ready worker that keeps what it is told."""

    def __init__(self, slot, *, reserved=False):
        super().__init__(slot=slot, reserved=reserved, niced=not reserved, threads=None, state="idle")
        self.told = []

    def send(self, identity, frame, *, bulk):
        self.told.append(frame.header["name"])


def unit(name, *, interactive):
    return Unit(None, {"op": "embed", "name": name}, {}, unheard, unheard, interactive)


def unheard(_):
    pass


@pytest.fixture
def on_two_cores(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    pool = Pool(EngineSettings())
    pool._workers = [Recorder(0, reserved=True), Recorder(1), Recorder(2)]
    return pool, pool._workers


def answer(pool, worker):
    pool._answered(worker, Frame({"id": worker.request}))
    pool._dispatch()


def test_beside_questions_that_wait_bulk_work_goes_on_one_unit_at_a_time(on_two_cores):
    pool, (kept, first, second) = on_two_cores
    for at in range(6):
        pool.submit(unit(f"bulk {at}", interactive=False))
    assert (kept.told, first.told, second.told) == ([], ["bulk 0"], ["bulk 1"])
    for at in range(3):
        pool.submit(unit(f"question {at}", interactive=True))
    answer(pool, first)  # the other has a unit in hand, and two questions wait
    assert (first.told, second.told) == (["bulk 0"], ["bulk 1"])
    answer(pool, second)
    assert sorted(first.told + second.told) == ["bulk 0", "bulk 1", "bulk 2"]
    assert kept.told == ["question 0"], "questions stay with the worker that is kept for them"
    answer(pool, kept)
    answer(pool, kept)  # the last question is in hand, none waits
    assert kept.told == ["question 0", "question 1", "question 2"]
    assert sorted(first.told + second.told) == ["bulk 0", "bulk 1", "bulk 2", "bulk 3"]


def test_with_cores_to_spare_all_workers_answer_questions(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    pool = Pool(EngineSettings())
    pool._workers = [Recorder(0, reserved=True), Recorder(1)]
    for at in range(2):
        pool.submit(unit(f"question {at}", interactive=True))
    assert [worker.told for worker in pool._workers] == [["question 0"], ["question 1"]]
