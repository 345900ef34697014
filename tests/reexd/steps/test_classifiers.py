"""Versions: listed, shown, compared, switched, deleted, and derived from one another without training."""

from __future__ import annotations

import threading

import pytest
from reex import errors


@pytest.fixture
def ready(served, project, corpus, tiny_models, fast) -> str:
    """A project of its own with a live v1, a split test, and texts of no class in `incoming`."""
    served.upload(project, corpus(40), "train")
    served.upload(project, corpus(10, seed=2), "test")
    outside = [
        {"id": f"outside-{number}", "document": text}
        for number, text in enumerate(tiny_models.texts("other", 6))
    ]
    served.upload(project, outside, "incoming")
    served.train(project, **fast)
    return project


def stale(client, project: str) -> tuple[str, int]:
    found = client.get_classifier(project)
    return found.stale, found.unused_count


def test_a_trained_version_is_shown_whole(trained):
    client, project = trained.client, trained.project
    found = client.get_classifier(project)
    assert found == client.get_classifier(project, "v1") == client.status(project).projects[0].classifier
    assert (found.name, found.live, found.origin, found.parent) == ("v1", True, "train", "")
    assert found.support_count + found.calibration_count == 180
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
    assert now.d0 == pytest.approx(0, abs=1e-4) < asked.d0
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
    # The way back is the version before; the document stays.
    assert client.use_classifier(ready, "v1").live
    (again,) = client.query(ready, line.text)
    assert again == before


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
    """Each of several callers derives from what is live when it commits: no addition is lost."""
    failures: list[Exception] = []

    def add(number: int) -> None:
        try:
            with served.connect() as client:
                client.add_to_support(ready, f"outside-{number}", label=-99)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    live = served.client.get_classifier(ready)
    assert live.name == "v5"
    assert live.support_count == served.client.get_classifier(ready, "v1").support_count + 4
    added = {served.client.get_classifier(ready, f"v{n}").training["added"][0] for n in (2, 3, 4, 5)}
    assert added == {f"outside-{number}" for number in range(4)}


def test_recalibrating_what_did_not_change_changes_nothing(served, ready):
    client = served.client
    made = client.recalibrate(ready)
    old = client.get_classifier(ready, "v1")
    assert (made.name, made.origin, made.parent, made.live) == ("v2", "recalibrate", "v1", True)
    assert (made.support_count, made.calibration_count) == (old.support_count, old.calibration_count)
    assert [region.alpha for region in made.regions] == [region.alpha for region in old.regions]
    for one, other in zip(made.regions, old.regions, strict=True):
        assert one.q_prime_min == pytest.approx(other.q_prime_min, rel=1e-3)
        assert one.thresholds == pytest.approx(other.thresholds, abs=1e-3)


def test_recalibration_follows_the_support_and_the_present_labels(served, ready):
    client = served.client
    calibration = [a for a in client.predict_split(ready, "train") if a.role == "calibration"]
    # Copies of calibration texts that belong to no class: those documents lose all similarity.
    copies = [{"id": f"copy-{a.id}", "document": a.text} for a in calibration[:10]]
    served.upload(ready, copies, "incoming")
    added = client.add_to_support(ready, [line["id"] for line in copies], label=-99)
    assert added.added_since_calibration == 10
    relabelled = calibration[-1]
    other = (relabelled.label + 1) % 3
    served.upload(ready, [{"id": relabelled.id, "document": relabelled.text, "label": other}], "train")
    gone = calibration[-2]
    served.upload(ready, [{"id": gone.id, "document": "another text", "label": gone.label}], "train")
    assert stale(client, ready)[0] == "of its training documents: 1 replaced, 1 relabelled"
    made = client.recalibrate(ready)
    assert (made.parent, made.added_since_calibration) == ("v2", 0)
    assert made.calibration_count == added.calibration_count - 1
    assert made.training["calibration_rows_left_out"] == 1
    assert made.stale == "of its training documents: 1 replaced"  # the weights were chosen with it
    before = {region.alpha: region for region in added.regions}
    assert made.regions != added.regions or not before
    found = {answer.id: answer for answer in client.predict_split(ready, "train")}
    assert all(found[a.id].q == 0 for a in calibration[:10])
    assert all(found[a.id].prediction == a.prediction for a in calibration[:-2])


def test_a_class_without_calibration_documents_cannot_be_recalibrated(served, ready):
    client = served.client
    own = [a for a in client.predict_split(ready, "train") if a.role == "calibration" and a.label == 0]
    served.upload(ready, [{"id": a.id, "document": a.text, "label": 0} for a in own], "aside")
    with pytest.raises(errors.FailedPrecondition, match="none is left of negative") as caught:
        client.recalibrate(ready)
    assert caught.value.reason == "NOT_ENOUGH_DATA"
    assert client.get_classifier(ready).name == "v1"


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


def test_without_a_classifier_there_is_nothing_to_derive_from(served, project):
    assert list(served.client.list_classifiers(project)) == []
    served.upload(project, [{"id": "a", "document": "a", "label": 0}], "train")
    for ask in (
        lambda: served.client.get_classifier(project),
        lambda: served.client.add_to_support(project, "a"),
        lambda: served.client.recalibrate(project),
    ):
        with pytest.raises(errors.NotTrained, match="reexctl train"):
            ask()
    with pytest.raises(errors.NotFound):
        served.client.use_classifier(project, "v1")
