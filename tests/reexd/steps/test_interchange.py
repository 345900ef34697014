"""Models and documents as folders, through the daemon: out, in, and scored to the official package's numbers."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from reex import errors
from reexd import sdm
from reexd.interchange.sdmdataset import DatasetRow, PortableDataset, read_dataset, write_dataset
from reexd.interchange.sdmkitmodel import read_model, write_model

STORED = sorted((Path(__file__).parents[1] / "interchange" / "official").iterdir())
TEXTS = ["profit rose strong", "weak loss", "giraffe soup mountain", "the board said"]


@pytest.fixture
def exported(served, ready, tmp_path) -> Path:
    return served.client.export_classifier(ready, tmp_path / "v1.sdmkitmodel", with_documents=True)


@pytest.fixture
def other(served, new_project, corpus) -> str:
    """A second project of the same classes; it holds the test documents of `ready` and nothing else."""
    name = new_project(served)
    served.upload(name, corpus(10, seed=2), "test")
    return name


def numbers(answer) -> tuple:
    """What a version says of a text, apart from its name and the store's document numbers."""
    exact = (answer.prediction, answer.q, answer.region_alpha, answer.lower_region_alpha, answer.reason)
    # A class that the version does not know goes out as -99: it agrees with nothing just the same.
    nearest = [(each.id, each.label if each.label in range(3) else -99) for each in answer.neighbors]
    return (*exact, answer.effective_sample_sizes, nearest)


def reals(answer) -> list[float]:
    return [answer.d, answer.q_prime, answer.d0, answer.lower_d, *answer.sdm, *answer.logits]


def assert_same_answers(one, other) -> None:
    for first, second in zip(one, other, strict=True):
        assert numbers(first) == numbers(second)
        assert reals(first) == pytest.approx(reals(second), rel=1e-5, abs=1e-5)


# A version, out and in


def test_an_imported_version_answers_like_the_one_that_was_exported(served, ready, other, exported):
    client = served.client
    found = client.import_classifier(other, exported)
    assert (found.name, found.live, found.origin, found.model) == ("v1", True, "import", "tiny")
    original = client.get_classifier(ready)
    assert (found.support_count, found.calibration_count) == (
        original.support_count,
        original.calibration_count,
    )
    assert found.regions == original.regions
    asked, said = (client.query(name, TEXTS, neighbors=25) for name in (ready, other))
    assert_same_answers(asked, said)
    assert [each.text for each in said[0].neighbors] == [each.text for each in asked[0].neighbors]
    scored = [list(client.predict_split(name, "test", neighbors=5)) for name in (ready, other)]
    assert_same_answers(*scored)
    assert [each.text for each in scored[1][0].neighbors] == [each.text for each in scored[0][0].neighbors]
    assert client.evaluate(other, "test").accuracy == client.evaluate(ready, "test").accuracy
    assert client.evaluate(other, "test").unseen_count == 30


def test_without_documents_no_text_leaves(served, ready, other, tmp_path):
    client = served.client
    folder = client.export_classifier(ready, tmp_path / "bare.sdmkitmodel", "v1")
    assert all(text is None for text in read_model(folder).support_texts)
    client.import_classifier(other, folder)
    (answer,) = client.query(other, "profit rose strong")
    assert [each.id for each in answer.neighbors] == [
        each.id for each in client.query(ready, "profit rose strong")[0].neighbors
    ]
    assert {each.text for each in answer.neighbors} == {""}


def test_there_and_back_it_is_the_same_model(served, other, exported, tmp_path):
    client = served.client
    client.import_classifier(other, exported)
    again = client.export_classifier(other, tmp_path / "again.sdmkitmodel", with_documents=True)
    first, second = read_model(exported), read_model(again)
    for name in ("model_id", "created_at", "classes", "representation", "normalization", "neighbors_max"):
        assert getattr(first, name) == getattr(second, name), name
    for name in ("support_ids", "support_texts", "calibration_ids"):
        assert getattr(first, name) == getattr(second, name), name
    for one, two in zip(first.weights.arrays(), second.weights.arrays(), strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(first.support_labels, second.support_labels)
    np.testing.assert_array_equal(first.support_predictions, second.support_predictions)
    np.testing.assert_allclose(first.exemplars, second.exemplars, atol=1e-5)
    assert first.calibration.regions == second.calibration.regions
    for name in ("distance_cdfs", "q_prime_cdfs"):
        for one, two in zip(getattr(first.calibration, name), getattr(second.calibration, name), strict=True):
            np.testing.assert_array_equal(one, two)
    for name in first.calibration.rows.__dataclass_fields__:
        np.testing.assert_array_equal(
            getattr(first.calibration.rows, name), getattr(second.calibration.rows, name), name
        )


def test_imported_where_its_documents_are_it_recognises_them(served, ready, exported):
    client = served.client
    found = client.import_classifier(ready, exported)
    assert (found.name, found.live, found.stale, found.unused_count) == ("v2", False, "", 0)
    assert found.training["documents_here"] == found.training["documents"] == 120
    before = client.status(ready).projects[0].embedded_count
    roles = {each.id: each.role for each in client.predict_split(ready, "train")}
    asked = client.query(ready, TEXTS)
    client.use_classifier(ready, "v2")
    assert {each.id: each.role for each in client.predict_split(ready, "train")} == roles
    assert_same_answers(client.query(ready, TEXTS), asked)
    assert client.status(ready).projects[0].embedded_count == before, "their vectors are stored once"
    assert client.compare_classifiers(ready, "v1", "v2", "test").agreed == 30
    job = served.train(ready, continue_from="v2", epochs=2)
    assert job.result["continuation"]["calibration_rows_seen"] == 0
    assert not [text for text in job.result["warnings"] if "imported" in text]


def test_a_document_of_the_same_name_and_another_text_is_a_stranger(served, other, exported):
    client = served.client
    served.upload(other, [{"id": "negative-0-0", "label": 0, "document": "profit rose strong"}], "train")
    client.predict_split(other, "train")
    list(client.search(other, "profit").results)  # embeds it
    found = client.import_classifier(other, exported)
    assert found.training["documents_here"] == 0
    (answer,) = [each for each in client.predict_split(other, "train") if each.id == "negative-0-0"]
    assert answer.role == ""


def test_it_is_a_version_like_any_other(served, ready, other, corpus, exported):
    client = served.client
    client.import_classifier(other, exported)
    served.upload(other, [{"id": "new", "document": "giraffe soup", "label": -99}], "incoming")
    before = client.query(other, "giraffe soup")[0]
    assert client.add_to_support(other, "new").name == "v2"
    after = client.query(other, "giraffe soup", neighbors=3)[0]
    assert (after.d0, after.neighbors[0].id, after.neighbors[0].text) == (0.0, "new", "giraffe soup")
    assert after.neighbors[1].id == before.neighbors[0].id
    assert after.neighbors[1].text == before.neighbors[0].text
    with pytest.raises(errors.NotEnoughData, match="v2 is an imported model, and the project holds none"):
        client.recalibrate(other)
    client.use_classifier(other, "v1")
    assert numbers(client.query(other, "giraffe soup")[0]) == numbers(before)
    client.delete_classifier(other, "v2")
    with pytest.raises(errors.Conflict):
        client.delete_classifier(other, "v1")
    served.upload(other, corpus(30), "train")
    record = served.train(other, continue_from="v1", epochs=2).result
    assert any("imported" in text for text in record["warnings"])
    client.delete_classifier(other, "v1")
    assert [each.name for each in client.list_classifiers(other)] == ["v3"]


@pytest.mark.parametrize("spacing", [0.01, 0.0025, 0.0004])
def test_the_ladder_of_an_imported_model_is_kept(served, ready, exported, tmp_path, spacing):
    client = served.client
    model, ladder = read_model(exported), sdm.ladder_alphas(spacing)
    rows = model.calibration.rows
    fitted = sdm.calibrate(rows.labels, rows.logits, rows.q, rows.d0, 3, alphas=ladder)
    fine = replace(model, alpha_resolution=spacing, calibration=fitted, metadata={})
    client.import_classifier(ready, write_model(tmp_path / "fine.sdmkitmodel", fine))
    again = read_model(client.export_classifier(ready, tmp_path / "again.sdmkitmodel", "v2"))
    assert (again.alpha_resolution, again.calibration.regions) == (spacing, fitted.regions)
    assert fitted.regions[0].alpha > 0.95
    client.use_classifier(ready, "v2")
    client.add_to_support(ready, "outside-0", label=-99)
    made = client.recalibrate(ready)
    assert [each.alpha for each in made.regions] == [each.alpha for each in fitted.regions]
    last = read_model(client.export_classifier(ready, tmp_path / "last.sdmkitmodel"))
    assert last.alpha_resolution == spacing


def test_a_version_with_added_documents_goes_out_whole(served, ready, other, tiny_models, tmp_path):
    """-99 has a place in the format; a class that the version does not know is never good there, like -99."""
    client = served.client
    client.update_project(ready, classes=[*tiny_models.CLASSES, "other"])
    client.add_to_support(ready, "outside-0", label=-99)
    client.add_to_support(ready, "outside-1", label="other")
    folder = client.export_classifier(ready, tmp_path / "added.sdmkitmodel")
    assert read_model(folder).support_labels[-2:].tolist() == [-99, -99]
    client.import_classifier(other, folder)
    assert_same_answers(client.query(ready, TEXTS), client.query(other, TEXTS))
    client.delete_classifier(ready, "v1")


def test_other_classes_are_refused(served, exported):
    client = served.client
    client.create_project("two-classes", ["positive", "negative"], model="tiny")
    with pytest.raises(errors.InvalidArgument, match=r"positive, negative.*negative, neutral, positive"):
        client.import_classifier("two-classes", exported)
    client.delete_project("two-classes")


def test_another_representation_answers_for_texts_only_when_it_is_assumed(served, other, exported, tmp_path):
    client = served.client
    model = read_model(exported)
    renamed = replace(model, representation=replace(model.representation, fingerprint="elsewhere-7"))
    folder = write_model(tmp_path / "renamed.sdmkitmodel", renamed)
    found = client.import_classifier(other, folder)
    assert found.model == ""
    assert any("--assume-model" in text for text in found.warnings)
    with pytest.raises(errors.FailedPrecondition, match=r"elsewhere-7.*--assume-model"):
        client.query(other, "profit rose")
    with pytest.raises(errors.FailedPrecondition, match="no document of split 'test'"):
        list(client.predict_split(other, "test"))
    with pytest.raises(errors.FailedPrecondition, match="sdmdataset"):
        client.add_to_support(other, next(client.list_documents(other, "test")).id)
    with pytest.raises(errors.FailedPrecondition, match="vectors that were imported"):
        client.train(other, continue_from="v1")
    assert client.import_classifier(other, folder, assume_model=True).model == "tiny"
    client.use_classifier(other, "v2")
    assert client.query(other, "profit rose strong growth")[0].prediction_name == "positive"
    client.update_project(other, model="tiny-wide")
    with pytest.raises(errors.InvalidArgument, match="40 hidden-state components"):
        client.import_classifier(other, folder, assume_model=True)


# Documents, out and in


def test_a_split_goes_out_with_its_vectors_and_comes_in_without_the_model(served, ready, other, tmp_path):
    client = served.client
    folder = client.export_documents(ready, "train", tmp_path / "train.sdmdataset")
    dataset = read_dataset(folder)
    assert len(dataset.rows) == len(dataset.embeddings) == 120
    before = client.status(other).projects[0].embedded_count
    result = client.upload(other, folder, "train")
    assert (result.added, result.vectors, result.rejected) == (120, 120, 0)
    assert client.status(other).projects[0].embedded_count == before + 120
    again = client.upload(other, folder, "train")
    assert (again.unchanged, again.vectors) == (120, 0)
    one, two = ({each.id: each for each in client.list_documents(name, "train")} for name in (ready, other))
    for id, document in one.items():
        assert (two[id].text, two[id].label, two[id].revision) == (document.text, document.label, 1)


def test_every_field_survives_the_way(served, project, new_project, tmp_path):
    client = served.client
    lines = [
        {"id": "a", "document": "one", "label": 0, "info": "i", "group": "g", "prompt": "p", "x": [1, None]},
        {"id": "b", "document": "two\n", "label": -1, "attributes": [1.5, -2.0]},
        {"id": "c", "document": "three", "label": -99, "attributes": [0.0, 1.0], "metadata": "text"},
        {"id": "d", "document": "ünï 🙂", "label": "positive", "attributes": [2.0, 3.0], "embedding": [1.0]},
        {"id": "e", "document": "five", "attributes": [4.0, 5.0], "huge": 1 << 80},
    ]
    assert served.upload(project, lines, "odd").added == 5
    folder = client.export_documents(project, "odd", tmp_path / "odd.sdmdataset", with_vectors=False)
    second = new_project(served)
    assert client.upload(second, folder, "odd").added == 5
    for one, two in zip(
        client.list_documents(project, "odd"), client.list_documents(second, "odd"), strict=True
    ):
        first, other = one.to_dict(), two.to_dict()
        assert first.pop("update_time") != other.pop("update_time")
        assert first == other


def test_a_row_without_text_is_rejected_and_costs_no_other(served, project, tmp_path):
    rows = (
        DatasetRow("a", 0, "one"),
        DatasetRow("b", 1),
        DatasetRow("c", 2, " "),
        DatasetRow("d", 2, "four"),
    )
    vectors = np.ones((4, 3), np.float32)
    folder = write_dataset(tmp_path / "rows.sdmdataset", PortableDataset(rows, vectors))
    checked = served.client.upload(project, folder, "train", validate_only=True)
    assert (checked.added, checked.rejected, checked.vectors) == (2, 2, 0)
    assert list(served.client.list_documents(project)) == []
    result = served.client.upload(project, folder, "train")
    assert (result.added, result.rejected, result.total, result.vectors) == (2, 2, 4, 2)
    assert [(each.line, each.field, each.id) for each in result.rejections] == [
        (2, "document", "b"),
        (3, "document", "c"),
    ]


def test_classes_are_matched_by_their_names(served, project, tmp_path):
    rows = (DatasetRow("a", 0, "one"), DatasetRow("b", 1, "two"), DatasetRow("c", 2, "three"))
    dataset = PortableDataset(rows, classes=("positive", "negative", "unknown"))
    result = served.client.upload(project, write_dataset(tmp_path / "named.sdmdataset", dataset), "train")
    assert (result.added, [each.field for each in result.rejections]) == (2, ["label"])
    assert [each.label for each in served.client.list_documents(project)] == [2, 0]


# The official package


@pytest.mark.parametrize("folder", STORED, ids=lambda folder: folder.name)
def test_official_models_answer_here_with_their_numbers(served, folder, tmp_path):
    """Its models, its vectors as documents: prediction, q, alphas and neighbours are equal, the rest to 1e-5."""
    client, name = served.client, f"official-{folder.name.replace('_', '-')}"
    client.create_project(name, ["first", "second", "third"], model="tiny")
    official = [json.loads(line) for line in (folder / "scored.jsonl").read_text().splitlines()]
    dataset = read_dataset(folder / "queries.sdmdataset")
    rows = tuple(replace(row, document=row.document or f"nothing {row.id}") for row in dataset.rows)
    queries = write_dataset(tmp_path / "queries.sdmdataset", replace(dataset, rows=rows))
    assert client.import_classifier(name, folder / "model.sdmkitmodel").live
    assert client.upload(name, queries, "test").vectors == len(rows)
    answers = list(client.predict_split(name, "test", neighbors=25))
    assert len(answers) == len(official)
    assert len({answer.region_alpha for answer in answers}) > 1, (
        "the set must hold admitted and rejected rows"
    )
    for ours, theirs in zip(answers, official, strict=True):
        assert (ours.prediction, ours.q) == (theirs["prediction"], theirs["q"])
        assert ours.region_alpha == pytest.approx(theirs["centroidRegionAlpha"])
        assert ours.lower_region_alpha == pytest.approx(theirs["lowerRegionAlpha"])
        assert list(ours.effective_sample_sizes) == theirs["cumulativeEffectiveSampleSizes"]
        assert [each.id for each in ours.neighbors] == [
            each["id"] for each in theirs["nearestSupportMatches"]
        ]
        assert ours.d == pytest.approx(theirs["d"], abs=1e-5)
        assert ours.sdm == pytest.approx(theirs["sdm"], abs=1e-5)
        assert ours.q_prime == pytest.approx(theirs["qPrime"], abs=1e-5, rel=1e-5)
        assert ours.lower_d == pytest.approx(theirs["dLower"], abs=1e-5)
        assert ours.d0 == pytest.approx(theirs["d0"], abs=1e-4, rel=1e-4)
    again = client.export_classifier(name, tmp_path / "again.sdmkitmodel", with_documents=True)
    assert read_model(again).support_texts == read_model(folder / "model.sdmkitmodel").support_texts
    client.delete_project(name)


def test_an_export_that_fails_leaves_nothing(served, ready, tmp_path):
    client = served.client
    with pytest.raises(errors.NotFound):
        client.export_classifier(ready, tmp_path / "v9.sdmkitmodel", "v9")
    with pytest.raises(errors.NotFound):
        client.export_documents(ready, "nowhere", tmp_path / "x.sdmdataset")
    (tmp_path / "taken.sdmkitmodel").mkdir()
    with pytest.raises(errors.Conflict, match="never overwrite"):
        client.export_classifier(ready, tmp_path / "taken.sdmkitmodel")
    with pytest.raises(errors.InvalidArgument, match=r"ends in \.sdmkitmodel"):
        client.export_classifier(ready, tmp_path / "model")
    assert [each.name for each in tmp_path.iterdir()] == ["taken.sdmkitmodel"]
    shutil.rmtree(tmp_path / "taken.sdmkitmodel")
