"""Ensembles, against the same shuffles trained one by one in projects of their own: shuffle i of seed s is shuffle 0 of
s + i, so that what the members say together follows from what each says alone. By the article's rule, where each has
rungs of its own: by default they share those that all certify (test_certify)."""

from __future__ import annotations

import pytest
from reex import errors

SIZE = 3


@pytest.fixture(scope="module")
def together(served, new_project, corpus, tiny_models, fast):
    """(project of the ensemble, projects of its members alone), with splits test and incoming."""
    projects = [new_project(served) for _ in range(1 + SIZE)]
    outside = [{"id": f"o{n}", "document": text} for n, text in enumerate(tiny_models.texts("other", 20))]
    for project in projects:
        served.upload(project, corpus(50), "train")
        served.upload(project, corpus(20, seed=2, words=4), "test")
        served.upload(project, outside, "incoming")
    settings = {**fast, "official": True}
    served.train(projects[0], **{**settings, "shuffles": SIZE}, ensemble=True)
    for number, project in enumerate(projects[1:]):
        served.train(project, **settings, seed=number)
    return projects[0], projects[1:]


def check(client, together, split: str) -> list:
    """Every answer of the ensemble about a split is what its members alone say; the answers."""
    ensemble, alone = together
    answers = list(client.predict_split(ensemble, split))
    columns = zip(*(client.predict_split(project, split) for project in alone), strict=True)
    for answer, members in zip(answers, columns, strict=True):
        agreed = [each.prediction == answer.prediction for each in members]
        alphas = [each.lower_region_alpha for each in members]
        assert answer.ensemble.size == SIZE
        assert answer.ensemble.agreed == sum(agreed)
        assert answer.ensemble.region_alpha == (min(alphas) if all(agreed) else 0.0)
        assert answer.ensemble.admitted == (all(agreed) and min(alphas) > 0)
    return answers


def test_members_say_together_what_each_says_alone(served, together):
    """Of unseen documents, and of the pool's, each of which supports some members and calibrates the others."""
    client = served.client
    unseen = check(client, together, "test")
    assert {each.ensemble.agreed == SIZE for each in unseen} == {True, False}
    assert {each.ensemble.admitted for each in unseen} == {True, False}
    pooled = check(client, together, "train")
    assert {each.role for each in pooled} == {"support", "calibration"}
    check(client, together, "incoming")
    # Asked as texts, which are not stored: the same, and stored answers are read back as they were given.
    asked = client.query(together[0], [each.text for each in unseen[:20]])
    assert [each.ensemble for each in asked] == [each.ensemble for each in unseen[:20]]
    assert list(client.predict_split(together[0], "test")) == unseen


def test_evaluation_counts_what_all_admit(served, together):
    evaluation = served.client.evaluate(together[0], "test")
    answers = list(served.client.predict_split(together[0], "test"))
    assert evaluation.ensemble_size == SIZE
    assert evaluation.ensemble_regions
    for rung in evaluation.ensemble_regions:
        inside = [each for each in answers if each.ensemble.region_alpha >= rung.alpha]
        assert rung.admitted == len(inside) > 0
        assert rung.correct == sum(each.label == each.prediction for each in inside)
    assert served.client.evaluate(together[1][0], "test").ensemble_size == 0


def test_members_follow_add_and_recalibrate(served, together):
    """The same done to each member alone: their supports grow, and each is calibrated by documents of its own."""
    client = served.client
    everyone = [together[0], *together[1]]
    for project in everyone:
        client.add_to_support(project, [f"o{number}" for number in range(10)], label=-99)
    grown = check(client, together, "test")
    check(client, together, "incoming")
    for project in everyone:
        made = client.recalibrate(project)
    assert made.added_since_calibration == 0
    fitted = check(client, together, "test")
    assert [each.lower_q_prime for each in fitted] != [each.lower_q_prime for each in grown]
    assert client.get_classifier(together[0]).ensemble_size == SIZE
    # Back to what was trained, and rid of what was derived: nothing of the members is left behind or missing.
    for project in everyone:
        client.use_classifier(project, "v1")
        for version in ("v2", "v3"):
            client.delete_classifier(project, version)
    check(client, together, "test")


def test_an_ensemble_is_stale_while_a_member_has_a_former_label(served, together):
    """Recalibrating gives the present label to what it fits; the support of a member keeps the one it was made with."""
    client, (ensemble, alone) = served.client, together
    assert client.get_classifier(ensemble).stale == ""
    roles = [{each.id: each.role for each in client.predict_split(project, "train")} for project in alone]
    by_role = {}
    for each in client.predict_split(ensemble, "train"):
        by_role.setdefault(frozenset(role[each.id] for role in roles), []).append(each)
    some = by_role[frozenset(["support", "calibration"])][:4]
    everywhere = by_role[frozenset(["calibration"])][:2]
    changed = [*some, *everywhere]
    assert len(changed) == 6

    def relabel(shift: int) -> None:
        lines = [{"id": a.id, "document": a.text, "label": (a.label + shift) % 3} for a in changed]
        served.upload(ensemble, lines, "train")

    relabel(1)
    assert client.get_classifier(ensemble).stale == "of its training documents: 6 relabelled"
    assert client.recalibrate(ensemble).stale == "of its training documents: 4 relabelled"
    relabel(0)  # now the calibration has the other one
    assert client.get_classifier(ensemble).stale == "of its training documents: 6 relabelled"
    assert client.recalibrate(ensemble).stale == ""


def test_an_ensemble_of_one_is_refused(served, project, corpus, fast):
    served.upload(project, corpus(20), "train")
    with pytest.raises(errors.InvalidSetting) as caught:
        served.client.train(project, **fast, ensemble=True)
    assert "--shuffles" in caught.value.message
    served.train(project, **fast)
    (answer,) = served.client.query(project, "profit rose")
    assert answer.ensemble is None
    assert served.client.get_classifier(project).ensemble_size == 0
