"""The same text under two ids: it never trains a version and calibrates it as well."""

from __future__ import annotations

import pytest

MEDIUM = {"epochs": 120, "patience": 0, "shuffles": 2, "learning_rate": 0.001}


def sides(client, project: str, *splits: str) -> dict[str, str]:
    """The role of each document in the live version, by id."""
    return {each.id: each.role for split in splits for each in client.predict_split(project, split)}


def copies(lines: list[dict], name: str = "copy") -> list[dict]:
    return [{**line, "id": f"{name}-{line['id']}"} for line in lines]


@pytest.mark.parametrize("tuned", [False, True])
def test_the_same_text_under_two_ids_is_on_one_side(served, project, corpus, fast, tuned):
    client, lines = served.client, corpus(40)
    served.upload(project, lines, "train")
    served.upload(project, copies(lines[:60]), "calibration")
    more = {"tune": True, "tune_epochs": 1} if tuned else {}
    record = served.train(project, **fast, **more).result
    found = sides(client, project, "train", "calibration")
    assert {found[f"copy-{line['id']}"] == found[line["id"]] for line in lines[:60]} == {True}
    assert set(found.values()) == {"support", "calibration"}
    assert record["twins"] == 120
    assert sum(record["support_rows"]) == pytest.approx(180 * record["settings"]["training_share"], abs=2)
    calibrating = [
        each for each in client.predict_split(project, "calibration") if each.role == "calibration"
    ]
    assert min(each.d0 for each in calibrating) > 1e-6


def test_a_pool_without_them_says_so(trained):
    assert trained.job.result["twins"] == 0


def test_killed_in_mid_fit_twins_are_split_as_before(fresh, new_project, daemons, corpus):
    daemon, weights = fresh(checkpoint_s="0.1"), []
    for disturbed in (False, True):
        project = new_project(daemon)
        daemon.upload(project, corpus(30), "train")
        daemon.upload(project, copies(corpus(30)[:40]), "train")
        job = daemon.client.train(project, **MEDIUM)
        if disturbed:
            daemons.wait_for(lambda name=job.name: fitted(daemon, name) >= 40, 120)
            daemon.kill()
            daemon.start()
        ended = daemon.ended(job.name)
        assert (ended.state, ended.attempts) == ("succeeded", 1 + disturbed), ended.error
        assert ended.result["twins"] == 80
        weights.append(ended.result["weights_sha256"])
    assert weights[0] == weights[1]


def fitted(daemon, name: str) -> int:
    job = daemon.client.get_job(name)
    assert not job.ended, f"{name} ended before it was killed: {job}"
    return job.done if job.phase == "fit" else 0


def test_a_class_of_one_text_is_not_trained_on(served, project, corpus, fast):
    lines = corpus(20)
    served.upload(project, [line for line in lines if line["label"]], "train")
    served.upload(project, [{**lines[0], "id": f"n{n}", "label": 0} for n in range(9)], "train")
    job = served.ended(served.client.train(project, **fast).name)
    assert job.state == "failed"
    assert "class 0 has 9 rows, and equal ones stay together" in job.error


def test_a_continued_version_keeps_them_together(served, ready, corpus, fast):
    client, lines = served.client, corpus(40)
    served.upload(ready, copies(lines[:50]), "train")
    served.train(ready, continue_from="", **{**fast, "shuffles": 2})
    found = sides(client, ready, "train")
    assert {found[f"copy-{line['id']}"] == found[line["id"]] for line in lines[:50]} == {True}


def test_what_is_attributed_otherwise_is_no_twin(served, project, corpus, fast):
    lines = [{**line, "attributes": [0.0]} for line in corpus(20)]
    served.upload(project, lines, "train")
    served.upload(project, [{**line, "attributes": [1.0]} for line in copies(lines)], "train")
    assert served.train(project, **fast).result["twins"] == 0
