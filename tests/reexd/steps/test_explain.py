"""Explanations by a real daemon: what tokens and sentences add is exactly the logit."""

from __future__ import annotations

import asyncio

import pytest
from reex import AsyncClient, Text, errors


def total(found, parts):
    return found.baseline + found.other + sum(each.contribution for each in parts)


@pytest.mark.parametrize("label", [None, 0, 1])
def test_tokens_and_sentences_add_up_to_the_logit(trained, tiny_models, label):
    client = trained.client
    text = f"{tiny_models.texts('positive', 1)[0]}. {tiny_models.texts('negative', 1)[0]}! profit rose"
    found = client.explain(trained.project, text, label=label, neighbors=3)
    (answer,) = client.query(trained.project, text, neighbors=3)
    assert found.prediction == answer
    assert found.label == (answer.prediction if label is None else label)
    assert found.label_name == client.get_project(trained.project).classes[found.label]
    for parts in (found.tokens, found.sentences):
        assert total(found, parts) == pytest.approx(answer.logits[found.label], abs=1e-3)
        assert all(text[each.start : each.end] == each.text for each in parts)
    assert len(found.sentences) == 3
    assert found.sentences[-1].text == "profit rose"


def test_what_speaks_for_a_class_is_what_is_said_of_it(trained, tiny_models):
    """Each class of the corpus has words of its own: those of the one and of the other, in one text."""
    for_it, against = (tiny_models.texts(label, 1, seed=4)[0] for label in ("positive", "negative"))
    found = trained.client.explain(trained.project, f"{for_it}. {against}.", label=2)
    assert [each.text for each in found.sentences] == [f"{for_it}.", f"{against}."]
    assert found.sentences[0].contribution > 0 > found.sentences[1].contribution


def test_a_long_text_and_odd_ones(trained, tiny_models):
    for text in (" ".join(tiny_models.texts("positive", 60, seed=8)), "\x00", "a\n\n b", "\U0001f600 rose"):
        found = trained.client.explain(trained.project, text)
        logit = found.prediction.logits[found.label]
        assert total(found, found.tokens) == pytest.approx(logit, abs=1e-3)
        assert total(found, found.sentences) == pytest.approx(logit, abs=1e-3)


@pytest.mark.parametrize("pooling", ["max+first@2", "mean+last:unit"])
def test_whatever_the_pooling(served, ready, fast, pooling):
    served.client.update_project(ready, pooling=pooling)
    served.train(ready, **fast)
    found = served.client.explain(ready, "profit rose strong")
    assert total(found, found.tokens) == pytest.approx(found.prediction.logits[found.label], abs=1e-3)


def test_attributes_belong_to_the_baseline(served, project, corpus, fast):
    client = served.client
    lines = [{**line, "attributes": [line["label"] * 2.0, 1.0]} for line in corpus(40)]
    served.upload(project, lines, "train")
    served.train(project, **fast)
    low, high = (
        client.explain(project, Text("profit rose", attributes=[value, 1.0]), label=2) for value in (0.0, 4.0)
    )
    for found in (low, high):
        assert total(found, found.tokens) == pytest.approx(found.prediction.logits[2], abs=1e-3)
    assert high.baseline > low.baseline
    assert [each.contribution for each in high.tokens] == pytest.approx(
        [each.contribution for each in low.tokens]
    )


def test_what_cannot_be_explained_says_why(served, trained, project):
    with pytest.raises(errors.NotTrained):
        served.client.explain(project, "profit rose")
    client = trained.client
    with pytest.raises(errors.InvalidLabel, match="0 to 2"):
        client.explain(trained.project, "profit rose", label=3)
    for times in (2_500, 50_000):  # too many tokens; so many characters that nobody counts them
        with pytest.raises(errors.InvalidDocument, match="explain parts"):
            client.explain(trained.project, "profit rose " * times)
    for text in ("", " \n"):
        with pytest.raises(errors.InvalidDocument):
            client.explain(trained.project, text)
    assert asyncio.run(_explained(trained)).label == 2


async def _explained(trained):
    async with AsyncClient(trained.daemon.location.socket) as client:
        return await client.explain(trained.project, "profit rose", label=2)
