"""Housekeeping on a real store: what nothing needs is given back, and a damaged project holds up no other."""

from __future__ import annotations

import numpy as np
from reexd.records import Document, Project
from reexd.steps.housekeeping import Housekeeping
from reexd.store import documents, hidden_states, references, spaces
from reexd.store.catalogue import Catalogue


def test_spare_hidden_states_go_and_needed_ones_stay(tmp_path) -> None:
    catalogue = Catalogue(tmp_path / "store", 64 << 20, 64 << 20)
    for name in ("broken", "kept"):
        catalogue.create(Project(name, ("a", "b")))
    environment = catalogue.open("kept")

    def fill(txn) -> None:
        space = spaces.find_or_create(txn, "f", 4)
        documents.upsert(txn, [Document(str(place), f"text {place}") for place in range(3)])
        digests = [hidden_states.digest("f", "", f"text {place}") for place in range(3)]
        rows = hidden_states.append(txn, space, digests, np.eye(3, 4, dtype=np.float32))
        references.link(txn, space, documents.numbers(txn)[:2], rows[:2])  # the third belongs to nothing

    environment.write(fill)
    catalogue.close()
    (tmp_path / "store" / "projects" / "broken" / "data.mdb").write_bytes(b"no store")
    catalogue = Catalogue(tmp_path / "store", 64 << 20, 64 << 20)
    Housekeeping(catalogue).run()
    with catalogue.open("kept").read() as txn:
        space = spaces.find(txn, "f")
        digests = [hidden_states.digest("f", "", f"text {place}") for place in range(3)]
        assert (hidden_states.lookup(txn, space, digests) >= 0).tolist() == [True, True, False]
    catalogue.close()
