"""What the stored documents tell of themselves: wrong labels, what to label next, and texts that stand twice."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest
from reex import AsyncClient, errors
from reexd.steps import suspects
from reexd.steps.duplicates import grouped
from reexd.steps.suggest import choose
from reexd.steps.suspects import Pick, shown


@pytest.fixture
def mistaken(served, project, corpus, fast):
    """A live v1, of whose documents three have a wrong label; their ids."""
    lines = corpus(40)
    wrong = {line["id"] for line in (lines[0], lines[50], lines[100])}
    lines = [line | {"label": (line["label"] + (line["id"] in wrong)) % 3} for line in lines]
    served.upload(project, lines, "train")
    served.upload(project, corpus(10, seed=2), "test")
    served.train(project, **fast)
    return project, wrong


def test_wrong_labels_come_first_and_are_gone_once_corrected(served, mistaken):
    client = served.client
    project, wrong = mistaken
    found = client.find_label_errors(project, limit=3)
    assert found.examined == 150
    assert found.contradicted >= 3
    assert {each.prediction.id for each in found.suspects} == wrong
    for each in found.suspects:
        assert (each.split, each.prediction.classifier) == ("train", "v1")
        assert each.alike < 12, "most of what is near it belongs to another class"
        assert len(each.prediction.neighbors) == 5
        assert each.prediction.id not in [neighbor.id for neighbor in each.prediction.neighbors]
        client.edit_documents(project, each.prediction.id, set_label=each.prediction.prediction)
    again = asyncio.run(_label_errors(served.location.socket, project))
    assert not wrong & {each.prediction.id for each in again.suspects}
    assert client.find_label_errors(project, splits="test").examined == 30


async def _label_errors(socket, project):
    async with AsyncClient(socket) as client:
        return await client.find_label_errors(project)


def test_documents_of_no_class_are_suspected_when_they_are_admitted(served, ready, tiny_models):
    client = served.client
    text = tiny_models.texts("positive", 1, seed=9)[0]
    (answer,) = client.query(ready, text)
    served.upload(ready, [{"id": "odd", "document": text, "label": -99}], "aside")
    found = client.find_label_errors(ready, splits=["aside"])
    assert (found.examined, found.contradicted) == (1, int(answer.region_alpha > 0))


def test_what_is_suggested_has_no_label_and_is_not_all_alike(served, ready, tiny_models):
    client = served.client
    copies = [{"id": f"copy-{number}", "document": "violin soup mountain castle"} for number in range(5)]
    served.upload(ready, copies, "incoming")
    found = client.suggest_labelling(ready, limit=6)
    assert found.unlabelled == 11
    ids = [each.prediction.id for each in found.suggestions]
    assert len(set(ids)) == 6
    assert sum(id.startswith("copy") for id in ids) <= 1
    assert all(each.prediction.label == -1 and each.split == "incoming" for each in found.suggestions)
    client.edit_documents(ready, split="incoming", set_label=0)
    assert client.suggest_labelling(ready).suggestions == ()


def test_duplicates_are_grouped_and_contradictions_come_first(served, project):
    lines = [
        {"id": "a", "document": "profit rose strong growth record", "label": 2},
        {"id": "b", "document": "violin soup mountain castle", "label": 0},
        {"id": "c", "document": "loss fell weak decline warning", "label": 0},
        {"id": "d", "document": "loss fell weak decline warning", "label": 0},
    ]
    served.upload(project, lines, "train")
    served.upload(project, [{"id": "e", "document": lines[0]["document"]}], "test")
    found = served.client.find_duplicates(project, similarity_min=0.9999)
    assert (found.compared, found.group_count, found.duplicate_count) == (5, 2, 2)
    first, second = found.groups
    assert [each.id for each in first.documents] == ["a", "e"]
    assert (first.splits_differ, first.labels_differ) == (True, False), "no label is no other label"
    assert [each.id for each in second.documents] == ["c", "d"]
    served.upload(project, [lines[3] | {"label": 1}], "train")
    found = served.client.find_duplicates(project, similarity_min=0.9999)
    assert [each.labels_differ for each in found.groups] == [True, False]
    assert served.client.find_duplicates(project, splits="train", similarity_min=0.9999).group_count == 1


def test_what_is_shown_ends_where_texts_are_long(served, mistaken, monkeypatch):
    """In process, by the steps themselves: a daemon's bound takes megabytes of text."""
    project, _ = mistaken
    client = served.client
    whole = client.find_label_errors(project, limit=3)
    picks = [Pick(at, each.split) for at, each in enumerate(whole.suspects)]
    texts = {at: each.prediction.text for at, each in enumerate(whole.suspects)}

    class Stored:
        def stored(self, project, loaded, numbers, neighbors):
            predictions = [SimpleNamespace(document=int(n), neighbors=()) for n in numbers if n != 1]
            return SimpleNamespace(
                predictions=predictions, texts=[texts[each.document] for each in predictions]
            )

    last = SimpleNamespace(loaded=None)
    assert [each.text for each in shown(Stored(), project, last, picks)] == [texts[0], texts[2]]
    monkeypatch.setattr(suspects, "CHARACTERS_MAX", len(texts[0]) - 1)
    assert [each.text for each in shown(Stored(), project, last, picks)] == [texts[0]]


def test_duplicates_show_the_beginning_of_their_texts(served, project):
    text = "profit rose " * 200
    served.upload(project, [{"id": id, "document": text} for id in "ab"], "train")
    (group,) = served.client.find_duplicates(project).groups
    assert [each.text for each in group.documents] == [text[:1000]] * 2


def test_what_cannot_be_discovered_says_why(served, project, corpus):
    client = served.client
    served.upload(project, corpus(2), "train")
    for ask in (client.find_label_errors, client.suggest_labelling):
        with pytest.raises(errors.NotTrained):
            ask(project)
        with pytest.raises(errors.NotFound, match="split"):
            ask(project, splits="nowhere")
        with pytest.raises(errors.InvalidArgument, match="limit"):
            ask(project, limit=0)
    with pytest.raises(errors.InvalidArgument, match="similarity"):
        client.find_duplicates(project, similarity_min=0.1)


def test_groups_do_not_chain():
    angles = np.deg2rad([0, 10, 20, 90, 90])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = grouped(vectors, float(np.cos(np.deg2rad(11))))
    assert [places.tolist() for places, _ in found] == [[0, 1], [3, 4]]


def test_suggestions_are_doubtful_and_apart():
    vectors = np.array([[1, 0], [1, 0], [0.6, 0.8], [0, 1]], np.float32)
    assert choose(vectors, np.array([0.9, 0.9, 0.5, 0.1]), 2) == [0, 2]
    assert choose(np.zeros((0, 2), np.float32), np.zeros(0), 5) == []
    assert sorted(choose(vectors, np.zeros(4), 9)) == [0, 1, 2, 3]
