"""Projects over the wire: what is valid, what may change, and that nothing of a deleted one stays."""

from __future__ import annotations

import threading

import pytest
from reex import errors


def test_created_read_listed_and_deleted(served):
    client = served.client
    created = client.create_project("life", ("no", "yes"), model="tiny", prompt="Is it?", alpha=0.9)
    assert (created.name, created.classes, created.model, created.prompt) == (
        "life",
        ("no", "yes"),
        "tiny",
        "Is it?",
    )
    assert (created.alpha, created.attribute_count, created.live_version, created.document_count) == (
        0.9,
        -1,
        0,
        0,
    )
    assert created.create_time is not None
    assert client.get_project("life") == created
    assert created in list(client.list_projects())
    with pytest.raises(errors.AlreadyExists):
        client.create_project("life", ("a", "b"))
    served.upload("life", [{"id": "a", "document": "a"}], "train")
    client.delete_project("life")
    with pytest.raises(errors.NotFound) as caught:
        client.get_project("life")
    assert caught.value.reason == "PROJECT_NOT_FOUND"
    client.create_project("life", ("no", "yes"), model="tiny")
    assert client.get_project("life").document_count == 0
    assert not list(client.list_documents("life"))


def test_defaults(served):
    created = served.client.create_project("plain", ("no", "yes"))
    assert (created.model, created.pooling, created.prompt, created.alpha) == ("minilm", "", "", 0.95)
    assert (created.document_prefix, created.query_prefix) == ("", "")


def test_a_pooling_is_kept_in_its_one_form_and_may_change(served, project):
    assert served.client.update_project(project, pooling="mean+max@1").pooling == "mean+max"
    assert served.client.get_project(project).pooling == "mean+max"
    with pytest.raises(errors.InvalidSetting, match="mean, max, first, last"):
        served.client.update_project(project, pooling="mean@0")
    assert served.client.update_project(project, pooling="").pooling == ""


def test_prefixes_are_kept_letter_by_letter_and_may_change(served):
    client = served.client
    created = client.create_project("prefixed", ("a", "b"), document_prefix="passage: ", query_prefix="none")
    assert (created.document_prefix, created.query_prefix) == ("passage: ", "none")
    changed = client.update_project("prefixed", query_prefix="query: ")
    assert (changed.document_prefix, changed.query_prefix) == ("passage: ", "query: ")
    assert client.update_project("prefixed", document_prefix="").document_prefix == ""
    assert client.get_project("prefixed").query_prefix == "query: "


@pytest.mark.parametrize("name", ["", "A", ".a", "-a", "a b", "a/b", "é", "a" * 64, "a\n", "a\x00"])
def test_names_that_are_refused(served, name):
    with pytest.raises(errors.InvalidName):
        served.client.create_project(name, ("a", "b"))


@pytest.mark.parametrize("name", ["a", "0", "a" * 63, "a.b_c-d", "0.."])
def test_names_that_are_taken(served, name):
    served.client.create_project(name, ("a", "b"))
    served.client.delete_project(name)


@pytest.mark.parametrize(
    "classes",
    [(), ("one",), ("a", "a"), ("a", ""), ("a", " b"), ("a", "b" * 129), tuple(map(str, range(1001)))],
)
def test_class_lists_that_are_refused(served, classes):
    with pytest.raises(errors.InvalidLabel):
        served.client.create_project("classes", classes)


@pytest.mark.parametrize(
    ("setting", "kind"),
    [
        ({"alpha": 0.0}, errors.InvalidSetting),
        ({"alpha": 0.5}, errors.InvalidSetting),
        ({"alpha": 1.0}, errors.InvalidSetting),
        ({"alpha": float("nan")}, errors.InvalidSetting),
        ({"model": "../x"}, errors.InvalidName),
        ({"prompt": "p" * 4097}, errors.InvalidSetting),
        ({"pooling": "median"}, errors.InvalidSetting),
        ({"pooling": "mean+mean"}, errors.InvalidSetting),
        ({"document_prefix": "p" * 1025}, errors.InvalidSetting),
        ({"document_prefix": " "}, errors.InvalidSetting),
        ({"query_prefix": "\n"}, errors.InvalidSetting),
    ],
)
def test_settings_that_are_refused(served, setting, kind):
    with pytest.raises(kind):
        served.client.create_project("settings", ("a", "b"), **setting)


def test_classes_are_renamed_and_appended_never_removed(served, project):
    client = served.client
    served.upload(project, [{"id": "a", "document": "a", "label": 2}], "train")
    changed = client.update_project(project, classes=("bad", "so-so", "good", "other"), alpha=0.9)
    assert (changed.classes, changed.alpha, changed.model) == (("bad", "so-so", "good", "other"), 0.9, "tiny")
    (summary,) = (row for row in client.split_summary(project) if row.split == "train")
    assert [(count.label, count.name) for count in summary.labels] == [(2, "good")]
    with pytest.raises(errors.InvalidLabel):
        client.update_project(project, classes=("bad", "so-so", "good"))
    with pytest.raises(errors.InvalidSetting):
        client.update_project(project)
    with pytest.raises(errors.NotFound):
        client.update_project("absent", alpha=0.9)
    served.upload(project, [{"id": "b", "document": "b", "label": "other"}], "train")
    assert client.get_document(project, "b").label == 3


@pytest.mark.parametrize(
    "classes",
    [
        ("negative", "mixed", "neutral", "positive"),  # a new one in between
        ("positive", "neutral", "negative"),
        ("neutral", "positive", "mixed"),  # one left out
    ],
)
def test_classes_are_never_renumbered_under_their_names(served, project, classes):
    """Labels are positions: what was labelled neutral would be called mixed, and nobody would be told."""
    before = served.client.get_project(project).classes
    assert before == ("negative", "neutral", "positive")
    with pytest.raises(
        errors.InvalidLabel, match=r"is number [012], and classes are never renumbered"
    ) as found:
        served.client.update_project(project, classes=classes)
    assert "new classes after them" in str(found.value)
    assert served.client.get_project(project).classes == before


def test_many_projects_are_listed_page_by_page(fresh):
    daemon = fresh()
    names = sorted(f"p{number}" for number in range(120))
    for name in names:
        daemon.client.create_project(name, ("a", "b"), model="tiny")
    assert [project.name for project in daemon.client.list_projects()] == names


def test_an_upload_into_a_project_that_is_deleted_says_so(served, project):
    deleted = threading.Event()

    def lines():
        for number in range(4000):
            if number == 2000:
                assert deleted.wait(60)
            yield {"id": str(number), "document": "a text"}

    def delete(progress):
        if not deleted.is_set():
            served.client.delete_project(project)
            deleted.set()

    with pytest.raises(errors.NotFound, match=f"there is no project '{project}'") as gone:
        served.client.upload(project, lines(), "train", on_progress=delete)
    assert "are stored" not in gone.value.message
