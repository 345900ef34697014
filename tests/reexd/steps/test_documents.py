"""Deleting documents: what goes, what stays, and what is said of the versions that used them."""

from __future__ import annotations

import asyncio

import pytest
from reex import AsyncClient, errors


@pytest.fixture
def ready(served, project, corpus, fast):
    for split, lines in (
        ("train", corpus(20)),
        ("calibration", corpus(10, seed=1)),
        ("test", corpus(5, seed=2)),
    ):
        served.upload(project, lines, split)
    served.train(project, **fast)
    return project


def counts(client, project):
    return {each.split: each.documents for each in client.split_summary(project) if each.documents}


def test_deleted_documents_are_gone_and_the_version_that_used_them_is_stale(served, ready):
    client = served.client
    text = client.get_document(ready, "positive-0-1").text
    before = client.query(ready, text)[0]
    assert before.neighbors[0].id == "positive-0-1"
    assert len(list(client.predict_split(ready, "test"))) == 15
    ids = ["positive-0-1", "negative-1-2", "positive-2-0", "nobody", "positive-0-1", ""]
    for validate_only in (True, False):
        deletion = client.delete_documents(ready, ids, validate_only=validate_only)
        assert (deletion.deleted, deletion.used_by_live, deletion.classifier, deletion.missing_ids) == (
            3,
            2,
            "v1",
            ("nobody", ""),
        )
        if validate_only:
            assert counts(client, ready) == {"train": 60, "calibration": 30, "test": 15}
            assert client.get_classifier(ready).stale == ""
    assert counts(client, ready) == {"train": 59, "calibration": 29, "test": 14}
    with pytest.raises(errors.NotFound):
        client.get_document(ready, "positive-0-1")
    assert client.get_classifier(ready).stale == "of its training documents: 2 deleted"
    after = client.query(ready, text)[0]
    assert (after.neighbors[0].id, after.neighbors[0].text) == ("", "(deleted)")
    assert (after.prediction, after.q, after.stale) == (
        before.prediction,
        before.q,
        "of its training documents: 2 deleted",
    )
    assert len(list(client.predict_split(ready, "test"))) == 14
    assert "positive-2-0" not in [each.id for each in client.search(ready, text, limit=1000).results]
    again = client.delete_documents(ready, ids)
    assert (again.deleted, again.used_by_live, len(again.missing_ids)) == (0, 0, 5)


def test_a_split_is_deleted_whole_and_alone(served, ready, corpus):
    deletion = asyncio.run(_delete_split(served.location.socket, ready))
    assert (deletion.deleted, deletion.used_by_live) == (15, 0)
    assert counts(served.client, ready) == {"train": 60, "calibration": 30}
    assert served.client.get_classifier(ready).stale == ""
    assert served.upload(ready, corpus(5, seed=2), "test").added == 15


async def _delete_split(socket, project):
    async with AsyncClient(socket) as client:
        return await client.delete_documents(project, split="test")


def test_nothing_and_too_much_are_refused(served, ready):
    client = served.client
    for ids, split in (((), None), (("a",), "test"), ([str(n) for n in range(1001)], None)):
        with pytest.raises(errors.InvalidArgument, match="ids, or a split"):
            client.delete_documents(ready, ids, split=split)
    with pytest.raises(errors.NotFound, match="split"):
        client.delete_documents(ready, split="nowhere")
    with pytest.raises(errors.NotFound, match="project"):
        client.delete_documents("nowhere", "a")


def test_documents_that_are_deleted_while_a_training_reads_them_cost_it_nothing(served, ready, fast):
    """Its pool was frozen when it began; the version is stale from the start."""
    client = served.client
    for phase in ("embed", "fit", "calibrate"):
        job = client.train(ready, **(fast | {"epochs": 300}))
        deleted = 0
        for report in client.watch_job(job.name):
            if report.phase == phase and not deleted:
                some = [each.id for each in client.list_documents(ready, "train", label=2)][:2]
                deleted = client.delete_documents(ready, some).deleted
        assert report.state == "succeeded", report.error
        assert client.query(ready, "profit rose")[0].classifier == report.result["version"]
        if deleted and phase != "embed":  # which begins before the pool is frozen
            assert client.get_classifier(ready).stale == "of its training documents: 2 deleted"
        assert client.evaluate(ready, "test").n == 15
    client.recalibrate(ready)
    served.train(ready, **fast)
    assert client.get_classifier(ready).stale == ""
