"""Documents that made a version, or one that it goes on from, are no witnesses for it, whatever became of them."""

from __future__ import annotations

import numpy as np
import pytest
from reex import errors
from reexd.records import Role
from reexd.steps import used_before
from reexd.steps.used_before import UsedBefore
from reexd.store import keys, ranges
from reexd.store.environment import Environment

STILL = {"epochs": 1, "learning_rate": 1e-30, "shuffles": 1}


def roles(client, project: str, split: str) -> dict[str, str]:
    return {each.id: each.role for each in client.predict_split(project, split)}


def moved(served, project: str, lines: list[dict], split: str = "aside") -> list[str]:
    served.upload(project, lines, split)
    return [line["id"] for line in lines]


def test_what_trained_an_ancestor_is_not_unseen(served, ready, corpus, fast):
    """Its weights began with the ancestor's; that must not be forgotten when the ancestor is deleted."""
    client = served.client
    away = moved(served, ready, corpus(40)[:30])
    assert set(roles(client, ready, "aside").values()) == {"support", "calibration"}
    record = served.train(ready, continue_from="v1", **fast).result
    assert (record["documents"], record["used_before"]) == (90, 30)
    client.add_to_support(ready, [corpus(10, seed=2)[0]["id"]])
    client.recalibrate(ready)
    for name in ("v1", "v2", "v3"):
        client.delete_classifier(ready, name)
    served.train(ready, continue_from="v4", **fast)
    for name in ("v5", "v4"):
        client.use_classifier(ready, name)
        found = client.evaluate(ready, "aside")
        assert (found.classifier, found.n, found.unseen_count, found.used_before_count) == (name, 0, 0, 30)
        assert (found.support_count, found.calibration_count, found.used_before.accuracy.n) == (0, 0, 30)
        assert roles(client, ready, "aside") == dict.fromkeys(away, "used-before")
        assert client.drift(ready, "aside").n == 0
    compared = client.compare_classifiers(ready, "v4", "v5", "aside")
    assert (compared.n, compared.left_out_count) == (0, 30)
    assert client.get_classifier(ready).stale == ""
    assert client.evaluate(ready, "test").n == 29


def test_it_is_unseen_to_a_version_that_was_trained_anew_and_when_its_text_is_another(
    served, ready, corpus, fast
):
    client, lines = served.client, corpus(40)
    moved(served, ready, lines[:9])
    served.train(ready, continue_from="v1", **fast)
    moved(served, ready, [{**line, "document": f"another {line['document']}"} for line in lines[:4]])
    found = client.evaluate(ready, "aside")
    assert (found.unseen_count, found.used_before_count) == (4, 5)
    assert served.train(ready, **fast).result["used_before"] == 0
    found = client.evaluate(ready, "aside")
    assert (found.unseen_count, found.used_before_count) == (9, 0)


def test_what_trained_a_deleted_ancestor_still_trains(served, ready, corpus, fast):
    client = served.client
    trained = [id for id, role in roles(client, ready, "train").items() if role == "support"][:20]
    lines = {line["id"]: line for line in corpus(40)}
    moved(served, ready, [lines[id] for id in trained], "elsewhere")
    served.train(ready, continue_from="v1", **fast)
    client.delete_classifier(ready, "v1")
    moved(served, ready, [lines[id] for id in trained[:10]], "calibration")
    again = [{**lines[id], "id": f"again-{id}"} for id in trained[10:]]
    served.upload(ready, again, "calibration")
    served.train(ready, continue_from="v2", **fast)
    assert set(roles(client, ready, "calibration").values()) == {"support"}


def test_a_text_of_an_ancestor_is_counted_among_copies(served, ready, corpus, fast):
    moved(served, ready, corpus(40)[:12])
    served.train(ready, continue_from="v1", **fast)
    served.upload(ready, [{**line, "id": f"copy-{line['id']}"} for line in corpus(40)[:20]], "copies")
    found = served.client.evaluate(ready, "copies")
    assert (found.unseen_count, found.duplicate_count, found.without_duplicates.accuracy.n) == (20, 20, 0)


def test_a_tuned_version_that_is_continued(served, project, corpus, fast):
    """The language model itself learned from them."""
    served.upload(project, corpus(30), "train")
    served.train(project, **fast, tune=True, tune_epochs=1)
    moved(served, project, corpus(30)[:12])
    served.train(project, continue_from="v1", **STILL)
    served.client.delete_classifier(project, "v1")
    found = served.client.evaluate(project, "aside")
    assert (found.unseen_count, found.used_before_count) == (0, 12)


def test_what_left_the_pool_while_a_model_was_tuned_on_it(fresh, new_project, daemons, corpus, fast):
    daemon, lines = fresh(checkpoint_s="0.1"), corpus(60, words=20)
    project = new_project(daemon)
    daemon.upload(project, lines, "train")
    job = daemon.client.train(project, **fast, tune=True, tune_epochs=12)
    daemons.wait_for(lambda: tuned_documents(daemon, job.name) > 0, 120)
    moved(daemon, project, lines[:40])
    ended = daemon.ended(job.name)
    assert (ended.state, ended.result["documents"]) == ("succeeded", 140), ended.error
    found, tuning = daemon.client.evaluate(project, "aside"), ended.result["tuning"]
    assert found.used_before_count + found.unseen_count == 40
    assert (
        found.used_before_count
        == tuning["tuned_on"] + tuning["held_out"] - sum(ended.result["support_rows"])
        > 20
    )


def tuned_documents(daemon, name: str) -> int:
    job = daemon.client.get_job(name)
    assert not job.ended, f"{name} ended before its documents were moved: {job}"
    return job.done if job.phase == "tune" else 0


def test_a_prompt_that_the_model_does_not_read_makes_no_document_unseen(served, ready, corpus):
    """Its hidden state is the one that was used: unseen, it would be its own nearest neighbour."""
    before = roles(served.client, ready, "train")
    served.upload(ready, [{**line, "prompt": "Is this good?"} for line in corpus(40)], "train")
    answers = list(served.client.predict_split(ready, "train"))
    assert {each.id: each.role for each in answers} == before
    assert min(each.d0 for each in answers) > 1e-6
    found = served.client.evaluate(ready, "train")
    assert (found.n, found.unseen_count, found.duplicate_count) == (0, 0, 0)


def test_copies_of_calibration_texts_are_counted_as_those_of_support_texts(served, ready, corpus):
    found = roles(served.client, ready, "train")
    lines = {line["id"]: line for line in corpus(40)}
    served.upload(ready, [{**lines[id], "id": f"copy-{id}"} for id in lines], "copies")
    copies = served.client.evaluate(ready, "copies")
    assert "calibration" in found.values()
    assert (copies.unseen_count, copies.duplicate_count) == (120, 120)


def test_a_calibration_document_does_not_vouch_for_itself_under_another_id(served, ready, corpus):
    client, lines = served.client, {line["id"]: line for line in corpus(40)}
    calibrating = [id for id, role in roles(client, ready, "train").items() if role == "calibration"][:8]
    served.upload(ready, [{**lines[id], "id": f"copy-{id}"} for id in calibrating], "incoming")
    before = client.add_to_support(ready, [f"copy-{id}" for id in calibrating])
    made = client.recalibrate(ready)
    assert made.calibration_count == before.calibration_count - 8
    assert made.training["calibration_rows_left_out"] == 8
    assert set(roles(client, ready, "train").values()) == {"support", "calibration"}


def test_nor_in_any_member_of_an_ensemble(served, project, corpus, fast):
    served.upload(project, corpus(40), "train")
    served.train(project, **{**fast, "shuffles": 3}, ensemble=True)
    lines = [{**line, "id": f"copy-{line['id']}"} for line in corpus(40)]
    served.upload(project, lines, "incoming")
    served.client.add_to_support(project, [line["id"] for line in lines])
    with pytest.raises(errors.NotEnoughData, match="none is left"):
        served.client.recalibrate(project)


def test_a_version_from_before_this_was_recorded_opens_and_knows_its_support(
    fresh, new_project, corpus, fast
):
    daemon = fresh()
    project = new_project(daemon)
    daemon.upload(project, corpus(40), "train")
    daemon.train(project, **fast)
    before = roles(daemon.client, project, "train")
    daemon.stop()
    environment = Environment(daemon.home / "store" / "projects" / project)
    environment.write(
        lambda txn: [ranges.delete(txn, keys.classifier_array(1, n, 0, 0)[:-8]) for n in range(19, 24)]
    )
    environment.close()
    daemon.start()
    assert roles(daemon.client, project, "train") == before
    moved(daemon, project, corpus(40)[:9])
    daemon.train(project, continue_from="v1", **fast)
    assert daemon.client.evaluate(project, "aside").used_before_count == 9
    daemon.client.use_classifier(project, "v1")
    daemon.upload(project, [{**line, "prompt": "Is this good?"} for line in corpus(40)[9:]], "train")
    known = {id for id, role in roles(daemon.client, project, "train").items() if role}
    assert known == {line["id"] for line in corpus(40)[9:] if before[line["id"]] == "support"}


def test_what_was_used_twice_has_trained() -> None:
    def used(*rows: tuple[int, int, int, int]) -> UsedBefore:
        kinds = (np.int64, np.int64, np.uint8, np.int64)
        return UsedBefore(
            *(np.array(column, kind) for column, kind in zip(zip(*rows, strict=True), kinds, strict=True))
        )

    both = used_before.joined(
        [
            used((7, 1, Role.CALIBRATION, 70), (3, 2, Role.SUPPORT, 30)),
            used_before.NOTHING,
            used((7, 1, Role.SUPPORT, -1), (7, 2, Role.CALIBRATION, 71)),
        ]
    )
    told = list(zip(both.documents, both.revisions, both.roles, both.rows, strict=True))
    assert told == [(3, 2, 1, 30), (7, 1, 1, -1), (7, 2, 2, 71)]
    numbers, revisions, rows = np.array([[3, 9, 0], [3, 9, 30], [7, 1, -1], [8, 1, 70], [7, 3, -1]]).T
    assert both.holds(numbers, revisions, rows).tolist() == [False, True, True, False, False]
    left = both.apart_from(np.array([7, 3]), np.array([2, 1]))
    assert left.documents.tolist() == [3, 7]
    assert len(used_before.joined([used_before.NOTHING] * 2)) == 0
