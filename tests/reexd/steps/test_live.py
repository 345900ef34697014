"""What is at hand of a version: nothing that would have to be read from a disk first."""

from __future__ import annotations

from pathlib import Path

from reexd.records import Project
from reexd.steps.live import Live
from reexd.store.catalogue import Catalogue

MAP_SIZE_BYTES = 16 << 20


def test_a_project_that_is_not_open_is_not_opened_on_the_event_loop(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "store", MAP_SIZE_BYTES)
    catalogue.create(Project("a", ("no", "yes"), created_at=12.5))
    catalogue.close()
    catalogue = Catalogue(tmp_path / "store", MAP_SIZE_BYTES)
    assert Live(catalogue, tmp_path).at_hand("a") is None
    assert catalogue.at_hand("a") is None
    catalogue.close()
