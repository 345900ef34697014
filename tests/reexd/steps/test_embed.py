"""What other calls do between two transactions of an embedding. The daemon's own steps over a store, with the moment of
the other call chosen; the engine alone is made up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from reexd.engine.client import EmbeddedBatch
from reexd.errors import ClassifierNotFound
from reexd.records import AdapterFiles, Document, ModelFacts, ModelFiles, Project
from reexd.steps.embed import Embed
from reexd.steps.housekeeping import Housekeeping
from reexd.steps.tuned import viewed
from reexd.store import adapters, documents, hidden_states, references, spaces
from reexd.store.catalogue import Catalogue

COUNT, WIDTH, MAP_SIZE_BYTES = 50, 4, 64 << 20
FACTS = ModelFacts("m", "bert", WIDTH, 64, 1, 1, False, "frozen")


class Engine:
    """Reads every text as the number of its adapter. `meanwhile` runs once, while the first text is read."""

    def __init__(self) -> None:
        self.read = 0
        self.meanwhile: Callable[[], None] = lambda: None

    def open(self, files: ModelFiles) -> ModelFacts:
        return FACTS if files.adapter is None else replace(FACTS, fingerprint=f"tuned-{files.adapter.digest}")

    def embed_stream(self, files: ModelFiles, texts: list[str], **how: object) -> Iterator[EmbeddedBatch]:
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        self.read += len(texts)
        value = 0.0 if files.adapter is None else float(files.adapter.digest)
        windows = np.ones(len(texts), np.int32)
        yield EmbeddedBatch(
            np.arange(len(texts)), np.full((len(texts), WIDTH), value, np.float32), windows, windows
        )


@pytest.fixture
def house(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """A project of documents, and what embeds them."""
    catalogue, engine = Catalogue(tmp_path / "store", MAP_SIZE_BYTES, MAP_SIZE_BYTES), Engine()
    project = Project("p", ("a", "b"))
    catalogue.create(project)
    environment = catalogue.open("p")
    registry = SimpleNamespace(find=lambda name: ModelFiles("m", tmp_path, {}))
    made = SimpleNamespace(catalogue=catalogue, engine=engine, project=project, environment=environment)
    made.embed = Embed(catalogue, engine, registry, None)
    upload(made, 1.0)
    with environment.read() as txn:
        made.numbers = documents.numbers(txn)
    yield made
    catalogue.close()


def upload(house: SimpleNamespace, attribute: float) -> None:
    found = [Document(str(at), f"text {at}", attributes=(attribute,)) for at in range(COUNT)]
    house.environment.write(lambda txn: documents.upsert(txn, found))


def states(house: SimpleNamespace, space: spaces.Space) -> np.ndarray:
    """(n, D) of the documents. Raises StoreCorrupt for one that is linked to nothing."""
    with house.environment.read() as txn:
        return hidden_states.gather(txn, space, references.rows(txn, space, house.numbers))


def test_what_housekeeping_frees_before_it_is_linked_is_read_again(house, monkeypatch):
    house.embed.documents(house.project, house.numbers)
    upload(house, 2.0)  # the same texts: nothing refers to their hidden states, which are found again
    looked_up = hidden_states.lookup

    def and_freed(*asked: object) -> np.ndarray:
        rows = looked_up(*asked)
        monkeypatch.setattr(hidden_states, "lookup", looked_up)
        Housekeeping(house.catalogue).run()
        return rows

    monkeypatch.setattr(hidden_states, "lookup", and_freed)
    rows = house.embed.documents(house.project, house.numbers)
    assert (rows >= 0).all()
    assert house.engine.read == 2 * COUNT
    assert states(house, house.embed.space(house.project)).shape == (COUNT, WIDTH)


def tuned(house: SimpleNamespace, digest: str) -> tuple:
    """The project as a version with a tuned model sees it, and that model's space."""
    view = viewed(house.project, adapter=AdapterFiles(Path("unused"), digest))
    fingerprint = house.engine.open(SimpleNamespace(adapter=view.adapter)).fingerprint

    def make(txn) -> spaces.Space:
        space = spaces.find_or_create(txn, fingerprint, WIDTH)
        adapters.put(txn, space, {"weight": np.full(3, float(digest), np.float16)})
        return space

    return view, house.environment.write(make)


def test_a_tuned_version_deleted_while_documents_are_read_for_it_leaves_nothing(house):
    view, space = tuned(house, "1")
    house.engine.meanwhile = lambda: house.environment.write(lambda txn: adapters.release(txn, space))
    for _ in ("while they are read", "and afterwards"):
        with pytest.raises(ClassifierNotFound, match="deleted while documents were read"):
            house.embed.documents(view, house.numbers)
    with house.environment.read() as txn:
        assert spaces.listed(txn) == []


def test_what_was_read_for_a_deleted_version_is_never_another_ones(house):
    view, space = tuned(house, "1")
    made = []

    def replace_it() -> None:
        house.environment.write(lambda txn: adapters.release(txn, space))
        made.extend(tuned(house, "2"))

    house.engine.meanwhile = replace_it
    with pytest.raises(ClassifierNotFound):
        house.embed.documents(view, house.numbers)
    other, its_space = made
    assert its_space.number != space.number
    house.embed.documents(other, house.numbers)
    assert (states(house, its_space) == 2.0).all()
