"""The prefixes of a project, and the one of its versions: each version reads texts as it was trained to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from reexd.registry import Registry

TEXT = "profit rose strong"


@pytest.fixture
def asking(tiny_models, models_folder, tmp_path) -> Iterator[str]:
    """The weights of `tiny`, and files that say what stands before a question and before a document."""
    folder = tiny_models.write_tiny_bert(tmp_path / "tiny-says").folder
    prompts = {"prompts": {"query": "giraffe ", "document": "violin "}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    Registry(models_folder).pull(str(folder))
    yield "tiny-says"
    shutil.rmtree(models_folder / "tiny-says")


def found(served, project: str, text: str) -> dict[str, float]:
    return {each.id: each.similarity for each in served.client.search(project, text).results}


def test_a_version_keeps_the_document_prefix_that_it_was_trained_with(served, ready, fast):
    client = served.client
    (first,) = client.query(ready, TEXT)
    assert client.get_classifier(ready).document_prefix == "none"
    client.update_project(ready, document_prefix="violin ")
    assert client.query(ready, TEXT)[0] == first  # the project's choice is for the next training
    served.train(ready, **fast)
    assert client.get_classifier(ready).document_prefix == "violin "
    (second,) = client.query(ready, TEXT)
    assert second.logits != first.logits
    client.update_project(ready, document_prefix="")
    assert client.query(ready, TEXT)[0] == second
    assert client.recalibrate(ready).document_prefix == "violin "
    client.use_classifier(ready, "v1")
    assert client.query(ready, TEXT)[0] == first


def test_a_version_of_a_model_with_prefixes_keeps_what_was_in_force(served, ready, fast, asking):
    client = served.client
    (plain,) = client.query(ready, TEXT)
    client.update_project(ready, model=asking)
    served.train(ready, **fast)
    assert client.get_classifier(ready).document_prefix == "violin "
    (prefixed,) = client.query(ready, TEXT)
    assert prefixed.logits != plain.logits
    client.update_project(ready, document_prefix="none")
    assert client.query(ready, TEXT)[0] == prefixed
    served.train(ready, **fast)
    assert client.get_classifier(ready).document_prefix == "none"
    assert client.query(ready, TEXT)[0].logits == plain.logits  # the same weights on the same texts


def test_documents_and_questions_are_read_after_the_projects_words(served, project, asking):
    client = served.client
    texts = {"asked": "office", "nearest": "soup office"}
    served.upload(project, [{"id": name, "document": text} for name, text in texts.items()], "train")
    plain = found(served, project, "office")
    client.update_project(project, document_prefix="violin ", query_prefix="giraffe ")
    prefixed = found(served, project, "office")
    assert prefixed != pytest.approx(plain, abs=1e-3)
    client.update_project(project, model=asking, document_prefix="", query_prefix="")
    assert found(served, project, "office") == pytest.approx(prefixed, abs=1e-5)
    client.update_project(project, document_prefix="none", query_prefix="none")
    assert found(served, project, "office") == pytest.approx(plain, abs=1e-5)


def test_a_question_prefix_needs_no_training_and_changes_no_document(served, ready):
    client = served.client
    (answer,) = client.query(ready, TEXT)
    plain, embedded = found(served, ready, TEXT), client.status(ready).projects[0].embedded_count
    client.update_project(ready, query_prefix="giraffe ")
    asked = found(served, ready, TEXT)
    assert client.status(ready).projects[0].embedded_count == embedded
    assert client.query(ready, TEXT)[0] == answer
    client.update_project(ready, query_prefix="")
    assert found(served, ready, f"giraffe {TEXT}") == pytest.approx(asked, abs=1e-5)
    assert found(served, ready, TEXT) == plain != asked


def test_the_weights_of_a_version_with_another_document_prefix_are_not_continued(served, ready, fast):
    client = served.client
    client.update_project(ready, document_prefix="violin ")
    job = served.ended(client.train(ready, continue_from="v1", **fast).name)
    assert (job.state, "cannot be continued" in job.error) == ("failed", True)
    client.update_project(ready, document_prefix="none", query_prefix="giraffe ")
    assert served.train(ready, continue_from="v1", **fast).state == "succeeded"


def test_an_imported_version_reads_as_the_project_does(served, ready, fast, tmp_path: Path):
    client = served.client
    client.update_project(ready, document_prefix="violin ")
    served.train(ready, **fast)
    (answer,) = client.query(ready, TEXT)
    folder = client.export_classifier(ready, tmp_path / "v2.sdmkitmodel")
    imported = client.import_classifier(ready, folder)
    assert imported.document_prefix == "violin "
    client.update_project(ready, document_prefix="")
    client.use_classifier(ready, imported.name)
    assert client.query(ready, TEXT)[0].logits == pytest.approx(answer.logits, rel=1e-5)
