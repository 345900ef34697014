"""Status: counts, the live version, the engine, and projects that cannot be opened."""

from __future__ import annotations

import pytest
from reex import errors


def test_a_project_at_a_glance(trained):
    status = trained.client.status(trained.project)
    (found,) = status.projects
    assert found.project.name == trained.project
    assert found.project.live_version == 1
    assert found.project.document_count == sum(len(lines) for lines in trained.lines.values())
    assert {row.split: row.documents for row in found.splits} == {
        split: len(lines) for split, lines in trained.lines.items()
    }
    counts = {row.split: {count.name: count.count for count in row.labels} for row in found.splits}
    assert counts["train"] == {
        "negative": 60,
        "neutral": 60,
        "positive": 60,
        "unlabelled": 1,
        "out-of-distribution": 2,
    }
    assert found.version_count == 1
    assert found.store_size_bytes > 0
    assert found.problem == ""
    # One text of the test split repeats one of train: a hidden state is per text, not per document.
    assert found.embedded_count == found.project.document_count - 1
    live = found.classifier
    assert live.support_count + live.calibration_count == 240
    assert [region.alpha for region in live.regions] == sorted((r.alpha for r in live.regions), reverse=True)
    assert all(len(region.thresholds) == 3 for region in live.regions)
    assert live.create_time is not None


def test_the_engine(trained):
    engine = trained.client.status().engine
    assert engine.backend in ("cpu", "metal")
    assert engine.blas
    assert "tiny" in engine.models_loaded
    assert {worker.state for worker in engine.workers} <= {"idle", "busy", "starting"}
    assert all(worker.pid > 0 for worker in engine.workers)


def test_an_empty_project_has_its_standing_splits(served, project):
    (found,) = served.client.status(project).projects
    assert [row.split for row in found.splits] == ["train", "calibration", "test"]
    assert found.classifier is None
    with pytest.raises(errors.NotFound):
        served.client.status("absent")


def test_a_damaged_record_is_shown_and_blocks_no_other(fresh, new_project, corpus, fast):
    daemon = fresh()
    sound, broken = new_project(daemon), new_project(daemon)
    for project in (sound, broken):
        daemon.upload(project, corpus(30), "train")
    daemon.train(broken, **fast)
    assert daemon.stop() == 0
    file = daemon.home / "store" / "projects" / broken / "data.mdb"
    stored = file.read_bytes()
    assert b'"settings": {' in stored
    file.write_bytes(stored.replace(b'"settings": {', b'"settings"; {'))
    daemon.start()
    found = {status.project.name: status for status in daemon.client.status().projects}
    assert found[sound].problem == ""
    assert "no JSON" in found[broken].problem
    with pytest.raises(errors.DataLoss):
        daemon.client.query(broken, "profit rose")


@pytest.mark.parametrize("damage", ["garbage", "empty", "cut", "absent"])
def test_a_damaged_project_is_shown_and_blocks_no_other(fresh, new_project, corpus, damage):
    daemon = fresh()
    broken, sound = new_project(daemon), new_project(daemon)
    for project in (broken, sound):
        daemon.upload(project, corpus(100), "train")
    assert daemon.stop() == 0
    file = daemon.home / "store" / "projects" / broken / "data.mdb"
    size = file.stat().st_size
    if damage == "garbage":
        file.write_bytes(b"\xa5" * size)
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "cut":
        with file.open("r+b") as opened:
            opened.truncate(size // 2)
    else:
        file.unlink()
    daemon.start()
    found = {status.project.name: status for status in daemon.client.status().projects}
    assert found[sound].problem == ""
    assert found[sound].project.document_count == 300
    assert [project.name for project in daemon.client.list_projects()] == sorted([broken, sound])
    assert daemon.client.search(sound, "profit rose").results
    assert found[broken].problem
    assert any(broken in warning for warning in daemon.client.status().warnings)
    with pytest.raises(errors.DataLoss) as caught:
        daemon.client.get_document(broken, corpus(1)[0]["id"])
    assert caught.value.reason == "STORE_CORRUPT"
    # It can be deleted and made anew.
    daemon.client.delete_project(broken)
    daemon.client.create_project(broken, ("a", "b"), model="tiny")
    assert daemon.client.status(broken).projects[0].problem == ""
