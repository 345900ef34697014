"""Semantic search: exact, over any selection, trained or not."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from reex import errors
from reexd.config import Settings
from reexd.engine.client import Engine
from reexd.engine.tasks import EngineSettings
from reexd.records import Document, Project
from reexd.registry import Registry
from reexd.steps import search as search_step
from reexd.store import documents, hidden_states, references, spaces
from reexd.store.catalogue import Catalogue


@pytest.fixture(scope="module")
def library(served, new_project, corpus):
    """A project that was never trained: some documents without a label, a split of its own."""
    project = new_project(served)
    lines = corpus(40)
    served.upload(project, lines[:60], "train")
    served.upload(project, lines[60:100], "archive")
    served.upload(project, [{**line, "label": -1} for line in lines[100:]], "archive")
    return project, lines


def test_agrees_with_every_cosine(served, library, models_folder, tmp_path):
    """The same hidden states from an engine of the test's own, compared one by one in float64."""
    project, lines = library
    texts = [line["document"] for line in lines]
    engine = Engine(EngineSettings(workers=1), tmp_path)
    engine.start()
    try:
        embedded = engine.embed(Registry(models_folder).find("tiny"), ["profit rose a strong gain", *texts])
    finally:
        engine.stop()
    vectors = embedded.vectors.astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors[1:] @ vectors[0]
    found = served.client.search(project, "profit rose a strong gain", limit=1000)
    assert (found.searched, found.not_embedded) == (len(lines), 0)
    assert len(found.results) == len(lines)
    by_id = {line["id"]: cosine for line, cosine in zip(lines, cosines, strict=True)}
    assert [result.similarity for result in found.results] == pytest.approx(
        sorted(cosines, reverse=True), abs=1e-5
    )
    for result in found.results:
        assert result.similarity == pytest.approx(by_id[result.id], abs=1e-5)


def test_a_document_finds_itself_first(served, library):
    project, lines = library
    for line in lines[::17]:
        best = served.client.search(project, line["document"], limit=1).results[0]
        assert (best.id, best.text) == (line["id"], line["document"])
        assert best.similarity == pytest.approx(1, abs=1e-5)


def test_only_the_splits_and_labels_asked_for(served, library):
    project, _ = library
    search = served.client.search

    def found(**constraint):
        results = search(project, "loss fell", limit=1000, **constraint).results
        return len(results), {result.split for result in results}, {result.label for result in results}

    assert found() == (120, {"train", "archive"}, {-1, 0, 1, 2})
    assert found(splits=["archive"]) == (60, {"archive"}, {-1, 0, 1, 2})
    assert found(splits=["train", "archive", "train"])[0] == 120
    assert found(labels=[0]) == (34, {"train", "archive"}, {0})
    assert found(splits=["train"], labels=[0, 2]) == (40, {"train"}, {0, 2})
    assert found(splits=["archive"], labels=[-1]) == (20, {"archive"}, {-1})
    assert found(splits=["train"], labels=[-99])[0] == 0
    assert found(splits=["calibration"])[0] == 0
    with pytest.raises(errors.NotFound) as caught:
        search(project, "loss", splits=["train", "absent"])
    assert caught.value.reason == "SPLIT_NOT_FOUND"


def test_names_of_labels(served, library):
    project, _ = library
    names = {
        result.label: result.label_name for result in served.client.search(project, "a", limit=1000).results
    }
    assert names == {-1: "unlabelled", 0: "negative", 1: "neutral", 2: "positive"}


def test_bounds(served, library):
    project, _ = library
    for limit in (-1, 0, 1001):
        with pytest.raises(errors.InvalidArgument, match=f"1 to 1,000 results; received a limit of {limit}"):
            served.client.search(project, "a", limit=limit)
    for text in ("", "  ", "x" * ((1 << 20) + 1)):
        with pytest.raises(errors.InvalidArgument):
            served.client.search(project, text)


def test_an_empty_project_has_nothing_to_find(served, project):
    found = served.client.search(project, "anything")
    assert (found.results, found.searched, found.not_embedded) == ((), 0, 0)


def test_a_replaced_text_is_found_by_its_new_words_alone(served, project, tiny_models):
    positive, other = tiny_models.texts("positive", 1)[0], tiny_models.texts("other", 1)[0]
    served.upload(project, [{"id": "a", "document": positive}], "train")
    assert served.client.search(project, positive).results[0].similarity == pytest.approx(1, abs=1e-5)
    served.upload(project, [{"id": "a", "document": other}], "train")
    (only,) = served.client.search(project, positive).results
    assert only.similarity < 0.9
    assert served.client.search(project, other).results[0].similarity == pytest.approx(1, abs=1e-5)


def test_questions_and_documents_have_prefixes_of_their_own(
    served, new_project, models_folder, tiny_models, tmp_path
):
    """A model whose files say that questions begin with one word and documents with another."""
    folder = tiny_models.write_tiny_bert(tmp_path / "tiny-asks").folder
    prompts = {"prompts": {"query": "giraffe ", "passage": "violin "}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    Registry(models_folder).pull(str(folder))
    project = new_project(served)
    documents = {"asked": "office", "nearest": "soup office"}
    served.upload(project, [{"id": name, "document": text} for name, text in documents.items()], "train")
    plain = served.client.search(project, "giraffe office").results
    served.client.update_project(project, model="tiny-asks")
    prefixed = {each.id: each.similarity for each in served.client.search(project, "office").results}
    # What the plain model says of the same words written out.
    served.client.update_project(project, model="tiny")
    served.upload(
        project,
        [{"id": f"{i}-written", "document": f"violin {text}"} for i, text in documents.items()],
        "out",
    )
    written = {each.id: each.similarity for each in served.client.search(project, "giraffe office").results}
    for name in documents:
        assert prefixed[name] == pytest.approx(written[f"{name}-written"], abs=1e-5)
        assert prefixed[name] != pytest.approx({each.id: each.similarity for each in plain}[name], abs=1e-3)
    Registry(models_folder).delete("tiny-asks")


class SlowReader:
    """Stands in for the language model: a kilobyte of text takes it a second of `now`."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.environment = catalogue.open("p")
        self.known = self.environment.write(lambda txn: spaces.find_or_create(txn, "f", 2))
        self.now = 0.0

    def space(self, project: Project) -> spaces.Space:
        return self.known

    def question(self, project: Project, text: str) -> np.ndarray:
        return np.ones(2, np.float32)

    def documents(self, project: Project, numbers: np.ndarray) -> None:
        def read(txn) -> None:
            self.now += documents.text_sizes(txn, numbers).sum() / 1024
            digests = [bytes(24) + int(number).to_bytes(8, "big") for number in numbers]
            count = len(numbers)
            vectors = np.ones((count, 2), np.float32)
            rows = hidden_states.append(txn, self.known, digests, vectors, np.ones(count, np.int32))
            references.link(txn, self.known, numbers, rows)

        self.environment.write(read)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([1 << 20, 1 << 20, 1 << 20], [1, 2, 3, 3]),  # each longer than a search may take: one at a time
        ([1 << 10] * 150, [64, 128, 150]),
        ([1 << 5] * 2_500, [1_024, 2_048, 2_500]),
        ([1] * 3_000, [2_048, 3_000]),
        ([], [0]),
    ],
)
def test_a_search_embeds_for_a_while_and_answers_for_what_it_has(tmp_path, monkeypatch, sizes, expected):
    """Of long documents fewer are read than of short ones, so that the asker does not give up before the answer."""
    catalogue = Catalogue(tmp_path / "store", 64 << 20, 64 << 20)
    catalogue.create(Project("p", ("a", "b")))
    made = [Document(str(number), "x" * size) for number, size in enumerate(sizes)]
    catalogue.open("p").write(lambda txn: documents.upsert(txn, made))
    reader = SlowReader(catalogue)
    monkeypatch.setattr(search_step, "time", SimpleNamespace(monotonic=lambda: reader.now))
    searching = search_step.Search(catalogue, reader, search_step.Select(catalogue, None), Settings())
    for searched in expected:
        found = searching.nearest("p", search_step.Question("x", limit=5))
        assert (found.searched, found.not_embedded) == (searched, len(sizes) - searched)
    catalogue.close()
