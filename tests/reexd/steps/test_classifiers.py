"""Versions: listed, shown, compared, switched and deleted."""

from __future__ import annotations

import threading

import pytest
from reex import errors


def test_a_trained_version_is_shown_whole(trained):
    client, project = trained.client, trained.project
    found = client.get_classifier(project)
    assert found == client.get_classifier(project, "v1") == client.status(project).projects[0].classifier
    assert (found.name, found.live, found.origin, found.parent) == ("v1", True, "train", "")
    assert found.support_count + found.calibration_count == 240
    assert (found.stale, found.unused_count, found.added_since_calibration) == ("", 0, 0)
    assert [region.alpha for region in found.regions] == sorted(
        (region.alpha for region in found.regions), reverse=True
    )
    record = found.training
    assert len(record["history"]) >= record["best_epoch"] >= 1
    assert sum(record["support_rows"]) == found.support_count
    assert len(record["weights_sha256"]) == 64
    assert record["settings"]["exemplar_size"] == 32
    (listed,) = client.list_classifiers(project)
    assert listed.training == {}
    assert listed.regions == found.regions


def test_versions_are_switched_and_deleted(served, ready, fast):
    client = served.client
    (first,) = client.query(ready, "profit rose strong")
    served.train(ready, **{**fast, "seed": 7})
    (second,) = client.query(ready, "profit rose strong")
    assert second.logits != first.logits
    assert [each.name for each in client.list_classifiers(ready)] == ["v2", "v1"]
    assert [each.live for each in client.list_classifiers(ready)] == [True, False]
    list(client.predict_split(ready, "test"))
    client.use_classifier(ready, "v1")
    assert client.query(ready, "profit rose strong")[0] == first
    assert client.get_project(ready).live_version == 1
    with pytest.raises(errors.Conflict, match="is live"):
        client.delete_classifier(ready, "v1")
    client.delete_classifier(ready, "v2")
    assert [each.name for each in client.list_classifiers(ready)] == ["v1"]
    for ask in (
        lambda: client.use_classifier(ready, "v2"),
        lambda: client.get_classifier(ready, "v2"),
        lambda: client.delete_classifier(ready, "v2"),
        lambda: client.compare_classifiers(ready, "v1", "v2", "test"),
    ):
        with pytest.raises(errors.NotFound, match="this project has v1") as caught:
            ask()
        assert caught.value.reason == "CLASSIFIER_NOT_FOUND"
    assert client.add_to_support(ready, "outside-0", label=-99).name == "v3"  # a number is never given again


def test_a_version_that_was_derived_outlives_its_parent(served, ready):
    client = served.client
    client.add_to_support(ready, "outside-0", label=-99)
    before = client.query(ready, ["profit rose", "giraffe soup"])
    client.delete_classifier(ready, "v1")
    assert client.query(ready, ["profit rose", "giraffe soup"]) == before
    assert client.recalibrate(ready).parent == "v2"


def test_a_switch_under_queries_is_atomic(served, ready):
    """A reply names one version, and its numbers are that version's."""
    text = "violin soup mountain castle"
    served.upload(ready, [{"id": "new", "document": text}], "incoming")
    served.client.add_to_support(ready, "new", label=-99)
    over = threading.Event()
    failures: list[str] = []
    seen: set[str] = set()

    def ask() -> None:
        with served.connect() as client:
            while not over.is_set():
                replies = client.query(ready, [text, text], neighbors=1)
                names = {reply.classifier for reply in replies}
                nearest = {reply.neighbors[0].id == "new" for reply in replies}
                seen.update(names)
                if len(names) != 1 or nearest != {names == {"v2"}}:
                    failures.append(f"{names}: {nearest}")
                    return

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for turn in range(20):
        served.client.use_classifier(ready, f"v{1 + turn % 2}")
    over.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert seen


def test_two_versions_are_compared_on_what_neither_used(served, ready, fast):
    client = served.client
    chosen = [document.id for document in client.list_documents(ready, "test")][:4]
    served.train(ready, **{**fast, "seed": 7, "epochs": 1})
    client.use_classifier(ready, "v1")
    served.upload(
        ready, [{"id": id, "document": client.get_document(ready, id).text, "label": 0} for id in chosen], "x"
    )
    found = client.compare_classifiers(ready, "v1", "v2", "test")
    assert (found.n, found.left_out_count) == (26, 0)
    by_id = {a.id: a for a in client.predict_split(ready, "test")}
    client.use_classifier(ready, "v2")
    other = {a.id: a for a in client.predict_split(ready, "test")}
    pairs = [(by_id[id], other[id]) for id in by_id]
    assert {(one.classifier, two.classifier) for one, two in pairs} == {("v1", "v2")}
    right = [(one.prediction == one.label, two.prediction == two.label) for one, two in pairs]
    assert found.first.correct == sum(one for one, _ in right)
    assert found.second.correct == sum(two for _, two in right)
    assert found.only_first_correct == right.count((True, False))
    assert found.only_second_correct == right.count((False, True))
    assert found.agreed == sum(one.prediction == two.prediction for one, two in pairs)
    for region in found.second.regions:
        assert region.admitted == sum(two.region_alpha >= region.alpha for _, two in pairs)
    assert [each.alpha for each in found.first.regions] == [each.alpha for each in found.second.regions]
    # A document that joined the support of one of them counts for neither.
    client.use_classifier(ready, "v1")
    first = next(iter(client.list_documents(ready, "test"))).id
    client.add_to_support(ready, first)
    served.upload(ready, [{"id": first, "document": by_id[first].text, "label": by_id[first].label}], "test")
    later = client.compare_classifiers(ready, "v1", "v3", "test")
    assert (later.n, later.left_out_count, later.agreed) == (25, 1, 25)
    assert client.compare_classifiers(ready, "v1", "v1", "train").n == 0


@pytest.mark.parametrize("name", ["", "3", "v0", "V1", "v1 ", "v", "v99999999999", "latest"])
def test_a_name_that_is_no_version_is_refused(trained, name):
    client, project = trained.client, trained.project
    for ask in (
        lambda: client.use_classifier(project, name),
        lambda: client.delete_classifier(project, name),
        lambda: client.compare_classifiers(project, "v1", name, "test"),
    ):
        with pytest.raises(errors.InvalidArgument, match="named like v3"):
            ask()


def test_without_a_classifier_there_is_nothing_to_derive_from(served, project, tmp_path):
    assert list(served.client.list_classifiers(project)) == []
    served.upload(project, [{"id": "a", "document": "a", "label": 0}], "train")
    for ask in (
        lambda: served.client.get_classifier(project),
        lambda: served.client.add_to_support(project, "a"),
        lambda: served.client.undo_add_to_support(project),
        lambda: served.client.recalibrate(project),
        lambda: served.client.export_classifier(project, tmp_path / "none.sdmkitmodel"),
    ):
        with pytest.raises(errors.NotTrained, match=f"reexctl train {project}"):
            ask()
    with pytest.raises(errors.NotFound):
        served.client.use_classifier(project, "v1")
