"""Folders that pass between daemon and workers, on a disk that has no room for them."""

from __future__ import annotations

import resource
import sys

import pytest
from reex import errors


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process")
def test_a_question_on_a_full_disk_is_told_so_and_answered_once_there_is_room(
    fresh, new_project, corpus, fast, tmp_path
):
    daemon = fresh()
    project = new_project(daemon)
    daemon.upload(project, corpus(20), "train")
    daemon.upload(project, corpus(10, seed=1), "calibration")
    daemon.upload(project, corpus(10, seed=2), "test")
    daemon.train(project, **fast)
    _, hard = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (256, hard))
    for ask in (
        lambda: daemon.client.query(project, "profit rose"),
        lambda: list(daemon.client.predict(project, ["profit rose"])),
        lambda: daemon.client.evaluate(project, "test"),
        lambda: daemon.client.export_classifier(project, tmp_path / "m.sdmkitmodel"),
        lambda: daemon.client.export_documents(project, "test", tmp_path / "d.sdmdataset"),
    ):
        with pytest.raises(errors.StorageFull, match="free some space"):
            ask()
    assert [path for kind in ("classifiers", "exchange") for path in daemon.home.rglob(f"{kind}/*")] == []
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert daemon.client.query(project, "profit rose")[0].classifier == "v1"
