"""The engine from outside: real worker processes, a tiny model."""

import gc
import os
import signal
import sys
import threading
import time

import numpy as np
import pytest
from reexd.engine.client import EngineSettings, FitTask, State, official
from reexd.errors import InvalidSetting, JobCancelled, ModelCorrupt, NotEnoughData


@pytest.fixture(scope="module")
def corpus(tiny_models):
    return [text for label in tiny_models.CLASSES for text in tiny_models.texts(label, 60)]


def test_the_daemon_process_never_imports_mlx():
    import subprocess

    code = "import reexd.engine.client, sys; sys.exit('mlx.core' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_facts_and_fingerprint(shared_engine, tiny_bert, tiny_models, tmp_path):
    facts = shared_engine.open(tiny_bert)
    assert (facts.architecture, facts.hidden_size, facts.window_tokens) == ("bert", 32, 64)
    assert not facts.reads_prompts
    other = tiny_models.write_tiny_bert(tmp_path / "tiny", seed=1)
    fingerprints = {
        shared_engine.open(files).fingerprint
        for files in (
            tiny_bert,
            other,
            _changed(tiny_bert, window_tokens=32),
            _changed(tiny_bert, document_prefix="query: "),
            _changed(tiny_bert, pooling="mean+first"),
        )
    }
    assert len(fingerprints) == 5
    # Where the files lie, and what the model is called, does not change the numbers.
    copy = tiny_models.write_tiny_bert(tmp_path / "copy")
    assert shared_engine.open(copy).fingerprint == facts.fingerprint


def _changed(files, **changes):
    import dataclasses

    return dataclasses.replace(files, **changes)


def test_order_batches_and_lanes_do_not_change_a_vector(shared_engine, tiny_bert, corpus):
    whole = shared_engine.embed(tiny_bert, corpus)
    assert whole.vectors.shape == (len(corpus), 32)
    assert whole.vectors.dtype == np.float32
    for at in (0, 57, 179):
        alone = shared_engine.embed(tiny_bert, [corpus[at]], interactive=True)
        assert np.abs(alone.vectors[0] - whole.vectors[at]).max() < 1e-5
        assert alone.tokens[0] == whole.tokens[at]
    again = shared_engine.embed(tiny_bert, corpus)
    assert np.array_equal(again.vectors, whole.vectors)


def test_the_stream_covers_every_text_once(shared_engine, tiny_bert, corpus):
    texts = corpus * 30  # more than one wave
    seen = np.concatenate(
        [batch.indices for batch in shared_engine.embed_stream(tiny_bert, texts, interactive=False)]
    )
    assert np.array_equal(np.sort(seen), np.arange(len(texts)))


def test_progress_ends_at_the_count(shared_engine, tiny_bert, corpus):
    told = []
    shared_engine.embed(tiny_bert, corpus, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == len(corpus)


def test_no_text_at_all(shared_engine, tiny_bert):
    assert shared_engine.embed(tiny_bert, []).vectors.shape == (0, 32)


def test_odd_texts_have_defined_vectors(shared_engine, tiny_bert):
    texts = ["", "\x00", "a" + "\u0301" * 10_000, "profit " * 3000, "\U0001f600", "\u202e abc"]
    embedded = shared_engine.embed(tiny_bert, texts, interactive=True)
    assert np.isfinite(embedded.vectors).all()
    assert embedded.windows.tolist() == [1, 1, 1, 65, 1, 1]
    assert embedded.tokens[3] == 3002


def test_a_long_text_is_the_mean_over_its_windows(shared_engine, tiny_bert):
    """A text of one repeated word looks the same in each window but for positions and the special tokens."""
    long = shared_engine.embed(tiny_bert, ["profit " * 1000, "profit " * 30, "loss " * 30]).vectors
    near, far = np.linalg.norm(long[0] - long[1]), np.linalg.norm(long[0] - long[2])
    assert near < far / 5


def test_mean_first_puts_the_first_token_beside_the_mean(shared_engine, tiny_bert, corpus):
    files = _changed(tiny_bert, pooling="mean+first")
    texts = [corpus[0], "profit " * 200, corpus[1]]
    both = shared_engine.embed(files, texts).vectors
    mean = shared_engine.embed(tiny_bert, texts).vectors
    assert both.shape == (3, 64)
    assert np.abs(both[:, :32] - mean).max() < 1e-5
    # The first window opens the text, whatever follows it.
    opening = shared_engine.embed(files, ["profit " * 62]).vectors
    assert np.abs(both[1, 32:] - opening[0, 32:]).max() < 1e-5


def test_classes_are_separable(shared_engine, tiny_bert, tiny_models, corpus):
    """What other tests build on: nearest class mean is right for nearly all of the tiny model's texts."""
    vectors = shared_engine.embed(tiny_bert, corpus).vectors
    labels = np.repeat(np.arange(3), 60)
    means = np.stack([vectors[labels == c].mean(0) for c in range(3)])
    held = [text for label in tiny_models.CLASSES for text in tiny_models.texts(label, 20, seed=1)]
    queries = shared_engine.embed(tiny_bert, held).vectors
    found = ((queries[:, None] - means) ** 2).sum(-1).argmin(1)
    assert (found == np.repeat(np.arange(3), 20)).mean() > 0.9


def test_errors_of_a_worker_arrive_as_they_were_raised(shared_engine, tiny_models, tmp_path):
    files = tiny_models.write_tiny_bert(tmp_path / "bad")
    with (files.folder / "model.safetensors").open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(b"\xff" * 4)
    with pytest.raises(ModelCorrupt, match="pinned"):
        shared_engine.open(files)
    with (files.folder / "model.safetensors").open("r+b") as file:
        file.write((2**50).to_bytes(8, "little"))
    with pytest.raises(ModelCorrupt, match="declared"):
        shared_engine.open(_changed(files, digests={}))
    files = tiny_models.write_tiny_bert(tmp_path / "sound")
    with pytest.raises(ModelCorrupt, match=r"config\.json"):
        shared_engine.open(_changed(files, digests={"config.json": "0" * 64}))
    with pytest.raises(InvalidSetting, match="pooling"):
        shared_engine.open(_changed(files, pooling="median"))


def test_cancel_and_early_close_leave_nothing_behind(shared_engine, tiny_bert, corpus):
    cancel = threading.Event()
    with pytest.raises(JobCancelled):
        shared_engine.embed(tiny_bert, corpus * 20, cancel=cancel, progress=lambda done: cancel.set())
    stream = shared_engine.embed_stream(tiny_bert, corpus * 20)
    next(stream)
    stream.close()
    del stream
    gc.collect()
    assert shared_engine.embed(tiny_bert, corpus[:2]).vectors.shape == (2, 32)
    assert not shared_engine._pool._schedule.bulk


def test_many_threads_get_their_own_answers(shared_engine, tiny_bert, corpus):
    expected = shared_engine.embed(tiny_bert, corpus).vectors
    wrong = []

    def ask(start):
        for at in range(start, len(corpus), 8):
            vector = shared_engine.embed(tiny_bert, [corpus[at]], interactive=True).vectors[0]
            if np.abs(vector - expected[at]).max() > 1e-5:
                wrong.append(at)

    threads = [threading.Thread(target=ask, args=(start,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_queries_are_answered_while_bulk_work_waits(shared_engine, tiny_bert, corpus):
    ended = []

    def bulk():
        shared_engine.embed(tiny_bert, corpus * 100)
        ended.append(time.monotonic())

    thread = threading.Thread(target=bulk)
    thread.start()
    for _ in range(5):
        shared_engine.embed(tiny_bert, ["profit rose"], interactive=True)
    answered = time.monotonic()
    thread.join()
    assert answered < ended[0]


def pool(rng):
    labels = np.repeat(np.arange(2), 100)
    return (rng.standard_normal((200, 16)) + labels[:, None]).astype(np.float32), labels


def test_fit_tells_and_ends_the_same_every_time(start_engine):
    engine = start_engine(workers=2)
    features, labels = pool(np.random.default_rng(0))
    task = FitTask(features, labels, official(2, epochs=3, exemplar_size=8, learning_rate=1e-2, shuffles=3))
    told, ended = [], []

    def run(task):
        return engine.fit(
            task,
            on_progress=lambda number, facts: told.append((number, facts)),
            on_checkpoint=lambda number, state: None,
            on_outcome=lambda number, state: ended.append(number),
        )

    first = run(task)
    assert sorted(ended) == [0, 1, 2]
    assert {number for number, facts in told if "record" in facts} == {0, 1, 2}
    losses = [outcome.facts["best_loss"] for outcome in first.outcomes]
    assert losses[first.best] == min(losses)
    second = run(FitTask(features, labels, task.settings, finished={1: first.outcomes[1]}))
    for one, other in zip(first.outcomes, second.outcomes, strict=True):
        assert all(np.array_equal(one.arrays[name], other.arrays[name]) for name in one.arrays)
    assert sorted(ended) == [0, 0, 1, 2, 2]
    assert list((engine._scratch / "fits").iterdir()) == []


def test_fit_refuses_what_cannot_be_fitted(shared_engine):
    features, labels = pool(np.random.default_rng(0))
    task = FitTask(np.ones_like(features), labels, official(2, epochs=2, exemplar_size=4))
    with pytest.raises(NotEnoughData):
        shared_engine.fit(task, on_progress=_ignore, on_checkpoint=_ignore)
    other = FitTask(
        features, labels, official(2, epochs=2, exemplar_size=4), resume={0: State({}, {"settings": {}})}
    )
    with pytest.raises(InvalidSetting, match="checkpoint"):
        shared_engine.fit(other, on_progress=_ignore, on_checkpoint=_ignore)


class EndlessFit(threading.Thread):
    """A fit under way, in a thread that ends when it is cancelled."""

    def __init__(self, engine, **settings: int) -> None:
        super().__init__()
        features, labels = pool(np.random.default_rng(0))
        self.task = FitTask(features, labels, official(2, epochs=100_000, exemplar_size=8, **settings))
        self.engine, self.cancel, self.cancelled = engine, threading.Event(), False
        self.told = threading.Event()
        self.start()
        assert self.told.wait(60)

    def run(self) -> None:
        with pytest.raises(JobCancelled):
            self.engine.fit(
                self.task,
                on_progress=lambda *_: self.told.set(),
                on_checkpoint=_ignore,
                cancel=self.cancel,
            )
        self.cancelled = True


def test_queries_and_cancel_reach_an_engine_that_fits(shared_engine, tiny_bert):
    fit = EndlessFit(shared_engine)
    assert shared_engine.embed(tiny_bert, ["profit rose"], interactive=True).vectors.shape == (1, 32)
    assert shared_engine.embed(tiny_bert, ["profit rose"] * 50).vectors.shape == (50, 32)
    fit.cancel.set()
    fit.join(60)
    assert fit.cancelled


def test_a_cancelled_fit_is_left_when_its_worker_has_let_go_of_its_folder(shared_engine):
    fit = EndlessFit(shared_engine, shuffles=1)
    held = [worker.pid for worker in shared_engine.status().workers if worker.state == "busy"]
    for pid in held:
        os.kill(pid, signal.SIGSTOP)
    try:
        fit.cancel.set()
        fit.join(1)
        assert fit.is_alive()  # who removed the folder now would find it written to again
    finally:
        for pid in held:
            os.kill(pid, signal.SIGCONT)
    fit.join(60)
    assert fit.cancelled


def _ignore(*_):
    pass


def test_status_says_what_the_engine_runs_on(shared_engine, tiny_bert):
    shared_engine.open(tiny_bert)
    status = shared_engine.status()
    assert status.backend in ("cpu", "metal")
    assert status.blas
    assert "tiny" in [model.name for model in status.models]
    assert all(worker.pid > 0 for worker in status.workers if worker.state != "starting")


def test_without_openblas_it_runs_and_says_so(start_engine, without_openblas, monkeypatch):
    """A worker that finds no OpenBLAS names the command that cures it."""
    monkeypatch.setenv("PYTHONPATH", without_openblas)
    status = start_engine().status()
    if status.backend == "metal" or sys.platform == "darwin":
        pytest.skip("OpenBLAS is not used here")
    assert not status.blas_fast
    assert "libopenblas0" in status.blas


def test_settings_have_sensible_defaults():
    assert EngineSettings().workers == 0
    assert EngineSettings().unit_s <= 0.1
