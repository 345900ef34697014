"""The catalogue: projects come and go whole, and one broken project leaves the others alone."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from reexd.errors import InvalidName, ProjectExists, ProjectNotFound, StorageFull, StoreCorrupt
from reexd.records import Document, Project
from reexd.store import documents
from reexd.store.catalogue import Catalogue

MAP_SIZE_BYTES = 16 << 20


def opened(root: Path) -> Catalogue:
    return Catalogue(root, MAP_SIZE_BYTES)


def project(name: str) -> Project:
    return Project(name, ("no", "yes"), created_at=12.5)


def test_a_project_is_created_listed_changed_and_found_after_reopening(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.create(project("b"))
    first.create(project("a"))
    changed = first.update("a", lambda found: replace(found, prompt="Which?", attribute_count=3))
    first.close()
    second = opened(tmp_path)
    assert second.listed() == [changed, project("b")]
    assert second.get("a") == changed and changed.attribute_count == 3
    second.close()


def test_names_are_unique_and_checked(tmp_path: Path) -> None:
    catalogue = opened(tmp_path)
    catalogue.create(project("taken"))
    with pytest.raises(ProjectExists, match="taken"):
        catalogue.create(project("taken"))
    for name in ("", "..", "../up", "Upper", "a/b", "-a", ".a", "a" * 64, "a\n", "ä"):
        with pytest.raises(InvalidName):
            catalogue.create(project(name))
        with pytest.raises(InvalidName):
            catalogue.open(name)
    with pytest.raises(ProjectNotFound, match="absent"):
        catalogue.open("absent")
    assert [folder.name for folder in (tmp_path / "projects").iterdir()] == ["taken"]
    catalogue.close()


def test_one_environment_serves_every_thread(tmp_path: Path) -> None:
    catalogue = opened(tmp_path)
    catalogue.create(project("p"))
    catalogue.close()
    catalogue = opened(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        environments = list(pool.map(lambda _: catalogue.open("p"), range(32)))
    assert len(set(map(id, environments))) == 1
    catalogue.close()


def test_a_deleted_project_is_gone_and_its_name_is_free(tmp_path: Path) -> None:
    catalogue = opened(tmp_path)
    catalogue.create(project("p"))
    catalogue.open("p").write(lambda txn: documents.upsert(txn, [Document("a", "text")]))
    catalogue.delete("p")
    assert not (tmp_path / "projects" / "p").exists()
    assert list((tmp_path / "trash").iterdir()) == []
    with pytest.raises(ProjectNotFound):
        catalogue.delete("p")
    catalogue.create(project("p"))
    with catalogue.open("p").read() as txn:
        assert documents.find(txn, "a") is None
    catalogue.close()


def test_what_a_crash_left_is_swept_when_the_catalogue_opens(tmp_path: Path) -> None:
    catalogue = opened(tmp_path)
    catalogue.create(project("kept"))
    catalogue.close()
    (tmp_path / "projects" / "half").mkdir()
    (tmp_path / "projects" / "half" / "data.mdb").write_bytes(b"x")
    (tmp_path / "trash" / "gone.0a1b").mkdir()
    catalogue = opened(tmp_path)
    assert [folder.name for folder in (tmp_path / "projects").iterdir()] == ["kept"]
    assert list((tmp_path / "trash").iterdir()) == []
    catalogue.close()


@pytest.mark.parametrize("lost", [Path.unlink, lambda file: file.write_bytes(b"")], ids=["missing", "empty"])
def test_projects_without_their_catalogue_are_no_leftovers(tmp_path: Path, lost) -> None:
    catalogue = opened(tmp_path)
    catalogue.create(project("p"))
    catalogue.open("p").write(lambda txn: documents.upsert(txn, [Document("a", "text")]))
    catalogue.close()
    file = tmp_path / "catalogue" / "data.mdb"
    kept = file.read_bytes()
    lost(file)
    with pytest.raises(StoreCorrupt, match=r"records of 1 projects \(p\)"):
        opened(tmp_path)
    file.write_bytes(kept)
    catalogue = opened(tmp_path)
    with catalogue.open("p").read() as txn:
        assert documents.get(txn, "a").text == "text"
    catalogue.close()


def test_one_broken_project_leaves_the_others_alone(tmp_path: Path) -> None:
    catalogue = opened(tmp_path)
    catalogue.create(project("good"))
    catalogue.create(project("bad"))
    catalogue.close()
    (tmp_path / "projects" / "bad" / "data.mdb").write_bytes(bytes(8192))
    catalogue = opened(tmp_path)
    for _ in range(2):
        with pytest.raises(StoreCorrupt, match="other stores are not affected"):
            catalogue.open("bad")
    assert catalogue.open("good").write(lambda txn: documents.upsert(txn, [Document("a", "text")])).outcomes
    catalogue.delete("bad")
    assert [p.name for p in catalogue.listed()] == ["good"]
    catalogue.close()


def test_a_call_under_which_its_project_is_deleted_hears_so(tmp_path: Path) -> None:
    catalogue = opened(tmp_path)
    catalogue.create(project("p"))
    environment = catalogue.open("p")
    catalogue.delete("p")
    with pytest.raises(ProjectNotFound, match="no project 'p'"), environment.read():
        pass
    with pytest.raises(ProjectNotFound, match="no project 'p'"):
        environment.write(lambda txn: documents.upsert(txn, [Document("a", "text")]))
    catalogue.close()


def test_a_project_is_deleted_where_only_that_makes_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = opened(tmp_path)
    catalogue.create(project("large"))
    catalogue.create(project("other"))
    write = catalogue.environment.write

    def full_until_it_is_gone(work):
        if (tmp_path / "projects" / "large").exists() or list((tmp_path / "trash").iterdir()):
            raise StorageFull("no room")
        return write(work)

    monkeypatch.setattr(catalogue.environment, "write", full_until_it_is_gone)
    catalogue.delete("large")
    assert [p.name for p in catalogue.listed()] == ["other"]
    catalogue.close()
    catalogue = opened(tmp_path)
    assert [p.name for p in catalogue.listed()] == ["other"]
    catalogue.close()


def test_a_deletion_that_waits_for_a_reader_holds_up_no_other_project(tmp_path: Path) -> None:
    catalogue = opened(tmp_path)
    catalogue.create(project("slow"))
    catalogue.create(project("other"))
    with ThreadPoolExecutor(1) as pool:
        with catalogue.open("slow").read():
            deleting = pool.submit(catalogue.delete, "slow")
            while "slow" in [p.name for p in catalogue.listed()]:
                time.sleep(0.001)
            catalogue.open("other").write(lambda txn: documents.upsert(txn, [Document("a", "text")]))
            catalogue.create(project("slow"))
            assert not deleting.done()
        deleting.result()
    assert catalogue.open("slow").write(lambda txn: documents.upsert(txn, [Document("a", "text")])).outcomes
    assert list((tmp_path / "trash").iterdir()) == []
    catalogue.close()


def test_an_open_project_is_had_while_another_is_created(tmp_path: Path) -> None:
    """Questions ask for theirs on the event loop: none waits for a disk."""
    catalogue = opened(tmp_path)
    catalogue.create(project("a"))
    catalogue.close()
    catalogue = opened(tmp_path)
    assert catalogue.at_hand("a") is None
    environment = catalogue.open("a")
    with ThreadPoolExecutor(1) as threads, catalogue._lock:  # as who creates, changes or deletes one has it
        assert threads.submit(catalogue.open, "a").result(timeout=30) is environment
        assert threads.submit(catalogue.at_hand, "a").result(timeout=30) is environment
    catalogue.delete("a")
    with pytest.raises(ProjectNotFound):
        catalogue.at_hand("a")
    catalogue.close()
