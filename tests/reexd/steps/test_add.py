"""Documents added to the support without training: what follows at once, and what never changes."""

from __future__ import annotations

import threading

import pytest
from reex import errors


def stale(client, project: str) -> tuple[str, int]:
    found = client.get_classifier(project)
    return found.stale, found.unused_count


def test_an_added_document_is_a_neighbour_at_once_and_no_prediction_changes(served, ready, tiny_models):
    client = served.client
    texts = [text for name in tiny_models.WORDS for text in tiny_models.texts(name, 8, seed=5)]
    before = client.query(ready, texts)
    (asked,) = client.query(ready, "violin soup mountain castle")
    unlike = next(name for name in tiny_models.CLASSES if name != asked.prediction_name)
    lines = [{"id": "new", "document": "violin soup mountain castle", "label": unlike}]
    served.upload(ready, lines, "train")
    made = client.add_to_support(ready, "new")
    assert (made.name, made.live, made.origin, made.parent) == ("v2", True, "add", "v1")
    assert made.support_count == client.get_classifier(ready, "v1").support_count + 1
    assert (made.training["added"], made.added_since_calibration) == (["new"], 1)
    assert "job" not in made.training
    (now,) = client.query(ready, "violin soup mountain castle")
    assert (now.classifier, now.neighbors[0].id, now.neighbors[0].label) == (
        "v2",
        "new",
        tiny_models.CLASSES.index(unlike),
    )
    assert now.d0 < 1e-3 < asked.d0
    assert now.q == 0  # its nearest neighbour is of another class
    assert now.logits == asked.logits
    after = client.query(ready, texts)
    assert [each.logits for each in after] == [each.logits for each in before]
    assert [each.prediction for each in after] == [each.prediction for each in before]
    for one, other in zip(before, after, strict=True):
        assert other.d0 <= one.d0 + 1e-6
    # What was not touched stays: distributions of v1's calibration, thresholds, weights.
    assert made.regions == client.get_classifier(ready, "v1").regions
    assert made.training["weights_sha256"] == client.get_classifier(ready, "v1").training["weights_sha256"]


def test_a_right_document_extends_the_similarity_near_it(served, ready):
    client = served.client
    text = "profit rose strong growth record"
    (before,) = client.query(ready, text)
    lines = [{"id": f"near-{number}", "document": f"{text} {number}"} for number in range(5)]
    served.upload(ready, lines, "incoming")
    client.add_to_support(ready, [line["id"] for line in lines], label=before.prediction_name)
    (after,) = client.query(ready, text)
    assert after.q == before.q + 5  # five more agree before the first that does not
    assert after.prediction == before.prediction


def test_documents_of_no_class_cut_the_similarity_of_their_neighbours(served, ready):
    client = served.client
    line = next(iter(client.list_documents(ready, "test")))
    (before,) = client.query(ready, line.text)
    assert before.q > 0
    served.upload(ready, [{"id": "bad", "document": line.text}], "incoming")
    client.add_to_support(ready, "bad", label=-99)
    (after,) = client.query(ready, line.text)
    assert (after.neighbors[0].id, after.neighbors[0].label) == ("bad", -99)
    assert (after.q, after.region_alpha, after.prediction) == (0, 0.0, before.prediction)
    assert client.get_document(ready, "bad").split == "train"
    assert client.get_document(ready, "bad").label == -99
    # The way back gives the document back, too.
    assert client.undo_add_to_support(ready).classifier.name == "v1"
    (again,) = client.query(ready, line.text)
    assert again == before
    assert client.get_document(ready, "bad").split == "incoming"
    assert client.get_document(ready, "bad").label == -1


def test_undoing_gives_back_labels_and_splits_of_what_nobody_edited_since(served, ready):
    client = served.client
    test = list(client.list_documents(ready, "test"))[:2]
    ids = ["outside-0", "outside-1", "outside-2", "outside-3", *(each.id for each in test)]
    before = {each: client.get_document(ready, each) for each in ids}
    made = client.add_to_support(ready, ids, label=-99)
    assert {(each["label"], each["by_person"]) for each in made.training["added_from"]} == {
        (-1, False),
        (test[0].label, False),
        (test[1].label, False),
    }
    assert {client.get_document(ready, each).split for each in ids} == {"train"}
    served.upload(ready, [{"id": "outside-1", "document": "another text"}], "train")
    served.upload(ready, [{"id": "outside-2", "document": before["outside-2"].text}], "aside")
    undone = client.undo_add_to_support(ready)
    assert (undone.classifier.name, undone.classifier.live, undone.classifier.stale) == ("v1", True, "")
    assert (undone.restored_count, undone.kept_ids) == (4, ("outside-1", "outside-2"))
    for each in ("outside-0", "outside-3", *(document.id for document in test)):
        now = client.get_document(ready, each)
        assert (now.label, now.split, now.revision) == (before[each].label, before[each].split, 1)
    edited = [client.get_document(ready, each) for each in ("outside-1", "outside-2")]
    assert [(each.label, each.split) for each in edited] == [(-99, "train"), (-99, "aside")]
    # The label that came back is no person's: an upload replaces it as it would have before.
    served.upload(ready, [{"id": test[0].id, "document": test[0].text, "label": 1}], "test")
    assert client.get_document(ready, test[0].id).label == 1
    # What is undone can be done again, and a label by a person's hand goes back as one.
    client.add_to_support(ready, "outside-0", label=0)
    client.use_classifier(ready, "v1")
    client.add_to_support(ready, "outside-0", label=1)
    assert client.undo_add_to_support(ready).restored_count == 1
    served.upload(ready, [{"id": "outside-0", "document": before["outside-0"].text, "label": 2}], "train")
    assert client.get_document(ready, "outside-0").label == 0


def test_only_the_add_that_made_the_live_version_is_undone(served, ready):
    client = served.client
    with pytest.raises(errors.FailedPrecondition, match="v1 was made by train"):
        client.undo_add_to_support(ready)
    client.add_to_support(ready, "outside-0", label=-99)
    client.add_to_support(ready, "outside-1", label=-99)
    client.recalibrate(ready)
    with pytest.raises(errors.FailedPrecondition, match="v4 was made by recalibrate"):
        client.undo_add_to_support(ready)
    client.use_classifier(ready, "v3")
    assert client.undo_add_to_support(ready).classifier.name == "v2"
    labels = [client.get_document(ready, f"outside-{number}").label for number in range(2)]
    assert labels == [-99, -1]
    client.delete_classifier(ready, "v1")
    with pytest.raises(errors.NotFound, match="no classifier v1"):
        client.undo_add_to_support(ready)
    assert (client.get_classifier(ready).name, client.get_document(ready, "outside-0").label) == ("v2", -99)


def test_a_document_of_a_class_that_the_version_does_not_know_cuts_too(served, ready, tiny_models):
    client = served.client
    (before,) = client.query(ready, "whale lantern comet")
    client.update_project(ready, classes=(*tiny_models.CLASSES, "other"))
    served.upload(ready, [{"id": "new", "document": "whale lantern comet", "label": "other"}], "train")
    client.add_to_support(ready, "new")
    (after,) = client.query(ready, "whale lantern comet")
    assert (after.q, after.neighbors[0].label) == (0, 3)
    assert (after.logits, len(after.sdm)) == (before.logits, 3)


def test_attributes_are_part_of_an_added_document(served, project, corpus, fast):
    """Texts that say nothing: only attributes make the added document the nearest of its own kind."""
    client = served.client
    lines = [
        {
            "id": f"line-{n}",
            "document": f"the report {n}",
            "label": n % 3,
            "attributes": [4.0 * (n % 3), n / 50],
        }
        for n in range(90)
    ]
    served.upload(project, lines, "train")
    served.train(project, **fast)
    new = {"id": "new", "document": "the report of a giraffe", "attributes": [8.0, 1.0]}
    served.upload(project, [new], "incoming")
    asked = {key: value for key, value in new.items() if key != "id"}
    (before,) = client.query(project, [asked])
    client.add_to_support(project, "new", label=-99)
    (after,) = client.query(project, [asked])
    assert (after.neighbors[0].id, after.q, after.logits) == ("new", 0, before.logits)
    assert after.d0 < 1e-3 < before.d0
    (elsewhere,) = client.query(project, [{**asked, "attributes": [0.0, 1.0]}])
    assert elsewhere.neighbors[0].id != "new"
    assert client.recalibrate(project).parent == "v2"


def test_an_added_document_is_support_and_no_witness_for_itself(served, ready):
    client = served.client
    chosen = next(iter(client.list_documents(ready, "test")))
    unseen = client.evaluate(ready, "test").n
    client.add_to_support(ready, chosen.id)
    found = {answer.id: answer for answer in client.predict_split(ready, "train")}
    assert found[chosen.id].role == "support"
    assert chosen.id not in {neighbor.id for neighbor in found[chosen.id].neighbors}
    assert found[chosen.id].d0 > 1e-6
    assert client.evaluate(ready, "test").n == unseen - 1


def test_staleness_of_a_derived_version_counts_what_was_added(served, ready):
    client = served.client
    served.upload(ready, [{"id": "new", "document": "profit fell", "label": 0}], "train")
    assert stale(client, ready) == ("", 1)
    client.add_to_support(ready, ["new", "outside-0"], label=-99)
    assert stale(client, ready) == ("", 0)
    old = client.get_classifier(ready, "v1")
    assert (old.stale, old.unused_count) == ("", 0)  # what belongs to no class is not missing from a training
    served.upload(ready, [{"id": "new", "document": "another text", "label": -99}], "train")
    assert stale(client, ready) == ("of its training documents: 1 replaced", 0)
    assert client.get_classifier(ready, "v1").stale == ""
    client.use_classifier(ready, "v1")
    assert stale(client, ready) == ("", 0)


@pytest.mark.parametrize(
    ("ids", "label", "error", "words"),
    [
        ([], 0, errors.InvalidArgument, "1 to 10,000"),
        (["absent"], 0, errors.NotFound, "absent"),
        (["outside-0"], None, errors.InvalidLabel, "has no label"),
        (["outside-0"], -1, errors.InvalidLabel, "received -1"),
        (["outside-0"], 3, errors.InvalidLabel, "received 3"),
        (["outside-0"], "great", errors.InvalidLabel, "received 'great'"),
    ],
)
def test_what_cannot_be_added_is_refused_whole(trained, ids, label, error, words):
    """On a project that tests share: nothing may come of it."""
    client, project = trained.client, trained.project
    ids = ["unlabelled" if id == "outside-0" else id for id in ids]
    with pytest.raises(error, match=words):
        client.add_to_support(project, ids, label=label)
    assert client.get_classifier(project).name == "v1"


def test_a_document_in_use_cannot_be_added_again(trained):
    client, project = trained.client, trained.project
    roles: dict[str, str] = {}
    for answer in client.predict_split(project, "train"):
        roles.setdefault(answer.role, answer.id)
    for role, words in (("support", "in the support of v1 already"), ("calibration", "calibrates v1")):
        with pytest.raises(errors.Conflict, match=words):
            client.add_to_support(project, ["unlabelled", roles[role]], label=0)
    assert client.get_document(project, "unlabelled").label == -1


def test_documents_added_at_once_are_all_in_the_end(served, ready):
    """Each caller derives from what the one before it made live: no addition is lost."""
    failures: list[Exception] = []

    def add(number: int) -> None:
        try:
            with served.connect() as client:
                client.add_to_support(ready, f"outside-{number}", label=-99)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    live = served.client.get_classifier(ready)
    assert live.name == "v7"
    assert live.support_count == served.client.get_classifier(ready, "v1").support_count + 6
    added = {served.client.get_classifier(ready, f"v{n}").training["added"][0] for n in range(2, 8)}
    assert added == {f"outside-{number}" for number in range(6)}
