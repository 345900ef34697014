"""`query --explain`: what is asked, and what is shown of the answer."""

from __future__ import annotations

import json

from reex.v1 import explanation_pb2, predictions_pb2, projects_pb2


def explained(request, context):
    pieces = [(0, 5, 0.5), (6, 10, -1.25), (10, 11, 0.0)]
    return explanation_pb2.ExplainResponse(
        prediction=predictions_pb2.Prediction(
            prediction=2, prediction_name="positive", logits=[0, 0, 1.5], text=request.text.text, label=-1
        ),
        label=2,
        label_name="positive",
        baseline=2.0,
        other=0.25,
        tokens=[explanation_pb2.Contribution(start=a, end=b, contribution=value) for a, b, value in pieces],
        sentences=[
            explanation_pb2.Contribution(start=0, end=5, contribution=0.5),
            explanation_pb2.Contribution(start=6, end=11, contribution=-1.25),
        ],
    )


def test_the_text_and_its_strongest_pieces_are_shown(held, reexctl):
    held.answers["Explain"] = explained
    ended = reexctl("query", "s", "Sales\tfell.", "--explain", "--class", "positive", "-n", 0)
    assert ended.code == 0
    (request,) = [each for method, each in held.requests if method == "Explain"]
    assert (request.project, request.label, request.neighbors) == ("s", 2, 0)
    assert "of its logit +1.500 the average training document has +2.000, and +0.250 come" in ended.out
    assert "Sales\\tfell." in ended.out
    rows = [line.split() for line in ended.out.splitlines() if line.lstrip().startswith(("+", "-"))]
    assert rows == [
        ["+0.500", "0", "Sales"],
        ["-1.250", "6", "fell."],
        ["+0.500", "0", "Sales"],
        ["+0.000", "10", "."],
        ["-1.250", "6", "fell"],
    ]


def test_json_has_all_of_it(held, reexctl):
    held.answers["Explain"] = explained
    (shape,) = reexctl("query", "s", "Sales fell.", "--explain", "--json").lines
    assert shape["prediction"]["prediction_name"] == "positive"
    assert shape["tokens"][1] == {"start": 6, "end": 10, "text": "fell", "contribution": -1.25}
    assert json.dumps(shape)


def test_usage(held, reexctl):
    held.answers["GetProject"] = lambda request, context: projects_pb2.GetProjectResponse(
        project=projects_pb2.Project(name="s", classes=["a", "b"])
    )
    for arguments in (("-", "--explain"), ("text", "--class", "a"), ("text", "--explain", "--class", "c")):
        assert reexctl("query", "s", *arguments).code == 2
