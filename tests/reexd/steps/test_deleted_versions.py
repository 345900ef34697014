"""A version that is deleted under a call that holds it: the call answers. The daemon's own steps over a store, with the
moment of the deletion chosen; the engine alone is made up."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from reexd.config import Settings
from reexd.engine.client import Matches
from reexd.errors import ClassifierNotFound
from reexd.records import Project
from reexd.steps.answers import TextInput
from reexd.steps.live import Live
from reexd.steps.predict import Predict
from reexd.steps.query import Query
from reexd.steps.staleness import Staleness
from reexd.store import classifiers
from reexd.store.catalogue import Catalogue

NAME, MAP_SIZE_BYTES = "kept", 64 << 20


class Engine:
    """Answers every row alike."""

    def is_open(self, files: object) -> bool:
        return True

    def question(self, files: object, texts: list[str], **given: object) -> SimpleNamespace:
        return SimpleNamespace(**given)

    async def answer(self, question: SimpleNamespace, handle: object, **how: object):
        return np.ones(len(question.read), np.int32), self.match(handle, question.vectors)

    def match(self, handle: object, vectors: np.ndarray, **how: object) -> Matches:
        n = len(vectors)
        logits = np.tile(np.array([-1.0, 1.0], np.float32), (n, 1))
        nothing = np.empty((n, 0))
        return Matches(
            logits, np.ones(n, np.int32), np.ones(n, np.float32), nothing.astype(np.int64), nothing
        )


class Embed:
    def __init__(self, project: Project) -> None:
        self._project = project

    def reading_at_hand(self, project: str, record: object) -> SimpleNamespace:
        return SimpleNamespace(project=self._project, files=None, facts=SimpleNamespace(reads_prompts=False))

    def stored(self, project: Project, facts: object, texts: list[str], prompts: list[str]):
        known = np.ones(len(texts), bool)
        return np.ones((len(texts), 4), np.float32), known.astype(np.int32), known

    def for_version(self, project: str, record: object, numbers: np.ndarray) -> None:
        pass


class Late(Staleness):
    """Asked for the first time, the version that is asked for goes before it is looked at."""

    def __init__(self, catalogue: Catalogue, delete: Callable[[], None]) -> None:
        super().__init__(catalogue)
        self._delete = delete

    def report(self, project: str, version: int):
        self._delete()
        return super().report(project, version)


class Slow(Live):
    """The version to be loaded goes after it was looked up."""

    delete: Callable[[], None] = staticmethod(lambda: None)

    def _load(self, *arguments):
        self.delete()
        return super()._load(*arguments)


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    """Two versions, the first of them live."""
    location = Path(__file__).parents[1] / "store" / "samples.py"
    spec = importlib.util.spec_from_file_location("store_samples", location)
    samples = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(samples)
    opened = Catalogue(tmp_path / "home", MAP_SIZE_BYTES)
    opened.create(Project(NAME, samples.CLASSES))

    def fill(txn) -> None:
        space = samples.fill(txn)
        arrays = samples.arrays(txn, space)
        arrays = replace(
            arrays,
            calibration_table=np.abs(arrays.calibration_table),
            distance_cdfs=(np.ones(1, np.float32), np.ones(1, np.float32)),
        )
        for _ in range(2):
            version = classifiers.next_version(txn)
            classifiers.put(txn, samples.classifier(version, space.number), arrays)
        classifiers.set_live(txn, 1)

    opened.open(NAME).write(fill)
    yield opened
    opened.close()


@pytest.fixture
def delete(catalogue: Catalogue) -> Callable[[], None]:
    """`classifiers use v2`, `classifiers delete v1`, once."""

    def work(txn) -> None:
        if classifiers.live(txn) == 1:
            classifiers.set_live(txn, 2)
            classifiers.delete(txn, 1)

    return lambda: catalogue.open(NAME).write(work)


def test_a_question_is_answered_by_the_version_that_it_holds(catalogue, delete, tmp_path):
    live, embed = Live(catalogue, tmp_path), Embed(catalogue.get(NAME))
    query = Query(catalogue, Engine(), embed, live, Late(catalogue, delete), Settings())
    texts = [TextInput("a", "one"), TextInput("b", "two")]
    answers = asyncio.run(query.texts(NAME, texts, neighbors=0))
    assert [(each.version, each.prediction) for each in answers.predictions] == [(1, 1), (1, 1)]
    assert "deleted" in answers.stale
    after = asyncio.run(query.texts(NAME, texts, neighbors=0))
    assert ([each.version for each in after.predictions], after.stale) == ([2, 2], "")


def test_documents_that_were_scored_are_answered(catalogue, delete, tmp_path):
    live, embed = Live(catalogue, tmp_path), Embed(catalogue.get(NAME))
    (answers,) = Predict(catalogue, Engine(), embed, live, Late(catalogue, delete)).split(NAME, "train", 0)
    assert (len(answers.predictions), answers.passed_over) == (8, 0)
    assert {each.version for each in answers.predictions} == {1}
    assert "deleted" in answers.stale


def test_documents_whose_answers_went_with_the_version_are_not_passed_over(catalogue, delete, tmp_path):
    live, embed = Live(catalogue, tmp_path), Embed(catalogue.get(NAME))
    list(Predict(catalogue, Engine(), embed, live, Staleness(catalogue)).split(NAME, "train", 0))
    batches = Predict(catalogue, Engine(), embed, live, Staleness(catalogue)).split(NAME, "train", 0)
    delete()
    with pytest.raises(ClassifierNotFound, match="this project has v2"):
        list(batches)


def test_what_is_live_by_the_time_it_is_loaded_is_loaded(catalogue, delete, tmp_path):
    live = Slow(catalogue, tmp_path)
    live.delete = delete
    assert live.get(NAME).record.version == 2
    with pytest.raises(ClassifierNotFound):
        live.get(NAME, 1)
