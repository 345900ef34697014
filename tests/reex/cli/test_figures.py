"""`evaluate` of documents whose class the version does not know: no figure says better than another."""

from __future__ import annotations

import pytest
from reex.v1 import evaluation_pb2


def cell(n: int, correct: int) -> evaluation_pb2.Accuracy:
    return evaluation_pb2.Accuracy(n=n, correct=correct, accuracy=correct / n if n else 0)


@pytest.mark.parametrize(
    ("covered", "least", "told"),
    [
        (cell(9, 7), "50.0%", ""),
        (cell(10, 7), "0.0%", "1 of the documents is of a class that v1 does not know"),
        (cell(12, 7), "0.0%", "3 of the documents are of a class that v1 does not know"),
    ],
)
def test_a_class_appended_since_is_in_no_set_and_said_to_be_unknown(held, reexctl, covered, least, told):
    figures = evaluation_pb2.EvaluateResponse(
        split="test", classifier="v1", n=covered.n, unseen_count=covered.n
    )
    figures.prediction_sets.CopyFrom(
        evaluation_pb2.PredictionSetEvaluation(
            promised=0.9, coverage=covered, by_label=[cell(5, 5), cell(4, 2), cell(0, 0)]
        )
    )
    held.answers["Evaluate"] = lambda request, context: figures
    out = reexctl("evaluate", "s").out
    assert f"{least} of the class where least" in out
    assert told in out
    assert ("does not know" in out) == bool(told)
