"""Editing stored documents: what changes, what is told of the versions that used them, and what is refused."""

from __future__ import annotations

import asyncio

import pytest
from reex import AsyncClient, errors


def splits_of(client, project):
    return {each.split: each.documents for each in client.split_summary(project) if each.documents}


def test_documents_are_relabelled_and_moved_by_id(served, ready):
    client = served.client
    text = client.get_document(ready, "positive-0-1").text
    before = client.query(ready, text)[0]
    assert (before.neighbors[0].id, before.neighbors[0].label) == ("positive-0-1", 2)
    ids = ["positive-0-1", "outside-0", "nobody", "outside-0"]
    for validate_only in (True, False):
        edited = client.edit_documents(ready, ids, set_label="negative", validate_only=validate_only)
        assert (edited.changed, edited.unchanged, edited.used_by_live) == (2, 0, 1)
        assert (edited.classifier, edited.missing_ids) == ("v1", ("nobody",))
        labels = [client.get_document(ready, id).label for id in ids[:2]]
        assert labels == ([2, -1] if validate_only else [0, 0])
    assert client.get_classifier(ready).stale == "of its training documents: 1 relabelled"
    after = client.query(ready, text)[0]
    assert (after.logits, after.q) == (before.logits, before.q), "a version never changes"
    again = client.edit_documents(ready, ids, set_label=0)
    assert (again.changed, again.unchanged, again.used_by_live) == (0, 2, 0)
    moved = client.edit_documents(ready, "outside-0", set_split="aside", set_info="seen", set_group="")
    assert (moved.changed, moved.used_by_live) == (1, 0)
    document = client.get_document(ready, "outside-0")
    assert (document.split, document.info, document.label, document.revision) == ("aside", "seen", 0, 1)


def test_a_label_that_was_set_is_kept_by_uploads(served, ready):
    client = served.client
    line = {"id": "outside-0", "document": client.get_document(ready, "outside-0").text, "label": 1}
    client.edit_documents(ready, "outside-0", set_label=2)
    assert client.upload(ready, [line], "incoming").kept_labels == 1
    assert client.get_document(ready, "outside-0").label == 2


def test_a_split_is_edited_whole_or_one_label_of_it(served, ready):
    client = served.client
    before = splits_of(client, ready)
    asked = asyncio.run(_transfer(served.location.socket, ready, split="test", label=1, set_split="train"))
    assert (asked.changed, asked.used_by_live) == (10, 0)
    assert splits_of(client, ready) == before | {"train": before["train"] + 10, "test": before["test"] - 10}
    left = client.edit_documents(ready, split="train", set_split="aside")
    assert left.changed == before["train"] + 10
    assert left.used_by_live == before["train"], "they were in the pool and left it"
    assert splits_of(client, ready) == {"test": 20, "incoming": 6, "aside": before["train"] + 10}
    assert client.evaluate(ready, "test").n == 20


async def _transfer(socket, project, **options):
    async with AsyncClient(socket) as client:
        return await client.edit_documents(project, **options)


def test_a_split_is_renamed(served, ready):
    client = served.client
    client.rename_split(ready, "incoming", "december")
    assert [each.split for each in client.list_documents(ready, "december")] == ["december"] * 6
    with pytest.raises(errors.NotFound):
        client.rename_split(ready, "incoming", "january")
    client.edit_documents(ready, split="december", set_split="advent")
    assert "december" not in [each.split for each in client.split_summary(ready)], "nothing is in it"
    client.rename_split(ready, "advent", "december")
    assert splits_of(client, ready)["december"] == 6
    with pytest.raises(errors.Conflict):
        client.rename_split(ready, "december", "test")
    with pytest.raises(errors.InvalidArgument, match="keep their names"):
        client.rename_split(ready, "test", "exam")
    with pytest.raises(errors.InvalidName):
        client.rename_split(ready, "december", "../x")


def test_what_cannot_be_set_is_refused_whole(served, ready):
    client = served.client
    for options in ({}, {"split": "test", "ids": ["a"], "set_label": 0}, {"split": "test"}, {"set_label": 0}):
        with pytest.raises(errors.InvalidArgument):
            client.edit_documents(ready, **options)
    for label in (3, -2, "glad"):
        with pytest.raises(errors.InvalidLabel):
            client.edit_documents(ready, "outside-0", set_label=label)
    with pytest.raises(errors.InvalidName):
        client.edit_documents(ready, "outside-0", set_split="../x")
    with pytest.raises(errors.InvalidArgument, match="info"):
        client.edit_documents(ready, "outside-0", set_info="i" * 5000)
    with pytest.raises(errors.NotFound):
        client.edit_documents(ready, split="nowhere", set_label=0)
    assert client.get_document(ready, "outside-0").label == -1


def test_a_label_set_here_stays_unless_the_upload_says_otherwise_and_either_is_told(served, ready):
    client = served.client
    client.add_to_support(ready, ["outside-0", "outside-1"], label=2)
    lines = [
        {"id": "outside-0", "document": client.get_document(ready, "outside-0").text, "label": 1},
        {"id": "outside-1", "document": client.get_document(ready, "outside-1").text},  # says no other label
    ]

    def labels() -> list[int]:
        return [client.get_document(ready, line["id"]).label for line in lines]

    kept = client.upload(ready, lines, "train")
    assert (kept.kept_labels, kept.unchanged, labels()) == (1, 2, [2, 2])
    rehearsed = client.upload(ready, lines, "train", overwrite_labels=True, validate_only=True)
    assert (rehearsed.kept_labels, rehearsed.replaced, labels()) == (0, 1, [2, 2])
    said = client.upload(ready, lines, "train", overwrite_labels=True)
    assert (said.kept_labels, said.replaced, labels()) == (0, 1, [1, 2])
    assert client.upload(ready, [{**lines[0], "label": 0}], "train").kept_labels == 0, "it is the file's now"
