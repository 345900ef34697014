"""Which models are in memory: in every worker once loaded, out when told, unused or in the way, refused if too big."""

import asyncio
import dataclasses
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from reexd.engine import memory
from reexd.engine.client import EngineSettings
from reexd.engine.residency import OpenModels
from reexd.errors import InvalidSetting, ModelTooLarge
from reexd.weights.measure import Measure, measure

TEXTS = ["profit rose in the quarter"]


@pytest.fixture(scope="module")
def large(tiny_models, tmp_path_factory):
    """Large enough to be seen in a worker's memory: 3 MB of weights."""
    return tiny_models.write_tiny_bert(tmp_path_factory.mktemp("models") / "large", hidden=256)


def names(engine):
    return [model.name for model in engine.status().models]


def memories(engine):
    return [worker.memory_bytes for worker in engine.status().workers]


def wait_for(holds, most_s=60.0):
    deadline = time.monotonic() + most_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ready(engine):
    wait_for(lambda: all(worker.state == "idle" for worker in engine.status().workers))


def test_load_fills_every_worker_and_unload_gives_the_memory_back(start_engine, large):
    engine = start_engine(workers=2)
    ready(engine)
    before = memories(engine)
    weights = engine.load(large).size_bytes
    assert names(engine) == ["large"]
    assert all(now - then >= weights for now, then in zip(memories(engine), before, strict=True))
    vectors = engine.embed(large, TEXTS).vectors
    assert engine.unload("large")
    assert names(engine) == []
    assert all(now - then < weights / 2 for now, then in zip(memories(engine), before, strict=True))
    assert not engine.unload("large")
    assert (engine.embed(large, TEXTS).vectors == vectors).all()  # opened again on demand


def test_a_model_that_is_refused_is_in_no_memory(start_engine, large):
    """Nobody would know of it: no `unload` and no idle time would take it out again."""
    engine = start_engine(workers=1)
    ready(engine)
    before = memories(engine)
    with pytest.raises(InvalidSetting, match="averages the last 9 layers, and model large has"):
        engine.open(dataclasses.replace(large, pooling="mean@9"))
    assert names(engine) == []
    assert engine.open(dataclasses.replace(large, pooling="mean@1")).size_bytes > 2e6
    assert engine.unload("large")
    with pytest.raises(InvalidSetting):
        engine.open(dataclasses.replace(large, pooling="mean@9"))
    assert all(now - then < 1e6 for now, then in zip(memories(engine), before, strict=True))


def test_a_model_that_nobody_uses_leaves(start_engine, tiny_bert):
    engine = start_engine(model_idle_max_s=0.2)
    vectors = engine.embed(tiny_bert, TEXTS).vectors
    wait_for(lambda: names(engine) == [])
    assert (engine.embed(tiny_bert, TEXTS).vectors == vectors).all()


class BusyPool:
    """A pool in which units wait for models that are named from outside."""

    hello = None

    def __init__(self):
        self.busy = []
        self.told = []

    def statuses(self):
        return ()

    def models_in_use(self):
        return self.busy

    async def tell_all(self, header):
        self.told.append(header)
        return []


def test_a_model_that_work_waits_for_stays(tiny_bert):
    pool, spec = BusyPool(), {"folder": "tiny"}
    pool.busy = [spec]
    facts = SimpleNamespace(name="tiny", size_bytes=1)

    async def scenario():
        models = OpenModels(
            EngineSettings(model_idle_max_s=0.05),
            pool,
            asyncio.get_running_loop(),
            lambda _: (facts, SimpleNamespace(spec=spec)),
        )
        await asyncio.to_thread(models.get, tiny_bert)
        keeping = asyncio.create_task(models.expire())
        await asyncio.sleep(0.3)
        assert [model.name for model in models.loaded()] == ["tiny"]
        pool.busy = []
        while models.loaded():
            await asyncio.sleep(0.01)
        keeping.cancel()

    asyncio.run(asyncio.wait_for(scenario(), 60))
    assert pool.told == [{"op": "close", "model": spec}]


def test_zero_keeps_models_for_good(start_engine, tiny_bert):
    engine = start_engine(model_idle_max_s=0.0)
    engine.open(tiny_bert)
    time.sleep(0.5)
    (model,) = engine.status().models
    assert model.idle_s >= 0.4


def test_the_longest_unused_model_makes_room(start_engine, large, tiny_bert, tiny_models, tmp_path):
    engine = start_engine(models_loaded_max=2)
    third = tiny_models.write_tiny_bert(tmp_path / "third", seed=3)
    for model in (tiny_bert, large, tiny_bert, third):
        engine.open(model)
    assert sorted(names(engine)) == ["third", "tiny"]


def test_weights_that_are_there_need_no_second_place(start_engine, tiny_bert, monkeypatch):
    engine = start_engine(models_loaded_max=1)
    engine.open(tiny_bert)
    monkeypatch.setattr(memory, "available_bytes", lambda: 0)
    assert engine.open(dataclasses.replace(tiny_bert, pooling="mean+max")).hidden_size == 64
    engine.embed(tiny_bert, TEXTS)
    assert names(engine) == ["tiny"]


def test_a_model_that_does_not_fit_is_refused_with_figures(start_engine, large, tiny_bert, monkeypatch):
    engine = start_engine(workers=2)
    engine.open(tiny_bert)
    needed = engine.needs(*_sizes(large))
    monkeypatch.setattr(memory, "available_bytes", lambda: needed.total - 1)
    with pytest.raises(
        ModelTooLarge, match=r"each of 3 workers.*REEX_WORKERS=1.*reexctl models list"
    ) as refused:
        engine.open(large)
    assert refused.value.metadata["needed_bytes"] == str(needed.total)
    assert names(engine) == []  # the other made room first, which was not enough
    monkeypatch.setattr(memory, "available_bytes", lambda: needed.total)
    assert engine.open(large).name == "large"


def _sizes(files):
    measured = measure(files.folder)
    return measured.parameters, measured.stored_bytes


def test_what_a_model_takes():
    half = Measure(parameters=10**9, stored_bytes=2 * 10**9, dtype="BF16")
    cpu = memory.needs(half, backend="cpu", workers=3)
    assert (cpu.each, cpu.total) == (5 * 10**9, 15 * 10**9)
    assert memory.needs(half, backend="metal", workers=1).total == 2.5 * 10**9


def test_the_estimate_is_near_what_reading_a_model_takes(tiny_models, tmp_path):
    """In a process of its own: MLX's peak counts everything since its start."""
    deep = tiny_models.write_tiny_bert(tmp_path / "deep", hidden=128, layers=12)
    program = (
        "import sys; from pathlib import Path; import mlx.core as mx; from reexd.engine import models;"
        "models.load(Path(sys.argv[1]), {}); print(mx.get_peak_memory())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(deep.folder)], capture_output=True, text=True, check=True
    )
    peak = int(done.stdout)
    estimate = memory.needs(measure(deep.folder), backend="cpu", workers=1).total
    # So small a model is read faster than MLX frees: 1.18 to 1.29 times its weights; 1.14 for minilm.
    assert 0.75 * estimate < peak < 1.15 * estimate


def test_available_memory_is_what_the_control_group_allows(tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemTotal: 8000 kB\nMemAvailable:    4000 kB\n")
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory.available_bytes() == 4000 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("900000\n")
    assert memory.available_bytes() == 4000 * 1024
    (tmp_path / "memory.max").write_text("1000000\n")
    assert memory.available_bytes() == 100_000
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 50000\n")
    assert memory.available_bytes() == 150_000


def test_without_counters_a_share_of_the_machine_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "absent")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path / "absent")
    assert 0 < memory.available_bytes() < 2**50


def test_defaults_are_the_documented_ones():
    assert (EngineSettings().models_loaded_max, EngineSettings().model_idle_max_s) == (2, 1800.0)
