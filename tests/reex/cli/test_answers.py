"""`query`, `predict`, `evaluate`: what is asked of the daemon, and what a person and a program see."""

from __future__ import annotations

import pytest
from reex.v1 import evaluation_pb2, predictions_pb2, projects_pb2

CLASSES = ["negative", "neutral", "positive"]


def answer(**fields) -> predictions_pb2.Prediction:
    given = {
        "prediction": 1,
        "prediction_name": "neutral",
        "probabilities": [0.1, 0.8, 0.1],
        "classifier": "v1",
        "reliability": "lowest",
        "reason": "beyond-calibration",
        **fields,
    }
    return predictions_pb2.Prediction(**given)


def test_query_says_why_it_cannot_be_trusted_and_shows_its_evidence(held, reexctl):
    near = predictions_pb2.Neighbor(id="n", label=2, prediction=1, distance=0.25, text="near\x1b[31m")
    held.answers["Query"] = lambda request, context: predictions_pb2.QueryResponse(
        predictions=[answer(q=7, d=0.5, q_prime=3.5, neighbors=[near])]
    )
    ended = reexctl("query", "s", "a text", "--neighbors", 1)
    assert ended.code == 0
    for expected in ("neutral", "lowest", "farther", "0.800", "q 7", "positive", "0.25", "near\\x1b[31m"):
        assert expected in ended.out
    assert "\x1b" not in ended.out
    request = held.requests[0][1]
    assert (request.project, request.texts[0].text, request.neighbors) == ("s", "a text", 1)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"region_alpha": 0.95, "lower_region_alpha": 0.9, "reason": ""}, "admitted at alpha 0.95; 0.9 at"),
        ({"reason": "zero-similarity"}, "another class"),
        ({"reason": "no-calibrated-region"}, "not reliably right"),
        ({"reason": "born-later"}, "born-later"),
        ({"windows": 3, "role": "support", "stale": "a label changed"}, "3 windows"),
        ({"effective_sample_sizes": [7, 0, 1200]}, "per class 7, 0, 1,200\n"),
        ({"effective_sample_sizes": [*range(9), 36, 5]}, "per class 0 to 36\n"),
    ],
)
def test_query_has_words_for_every_verdict(held, reexctl, fields, expected):
    held.answers["Query"] = lambda request, context: predictions_pb2.QueryResponse(
        predictions=[answer(**fields)]
    )
    assert expected in reexctl("query", "s", "a text").out


def test_query_says_how_probable_it_is_and_what_it_cannot_exclude(held, reexctl):
    told = answer(
        probability=0.625,
        probability_lower=0.5,
        probability_upper=0.75,
        probability_documents=45,
        prediction_set=[0, 1],
        prediction_set_uncalibrated=[0],
        coverage=0.95,
    )
    held.answers["Query"] = lambda request, context: predictions_pb2.QueryResponse(predictions=[told])
    ended = reexctl("query", "s", "a text", "--coverage", 0.95)
    assert held.requests[0][1].coverage == 0.95
    for expected in ("0.625 that this is right", "0.500 to 0.750", "45 calibration documents like it"):
        assert expected in ended.out
    assert "negative, neutral    at coverage 0.95; 1 of them with too few" in ended.out
    assert reexctl("query", "s", "a text", "--coverage", 0.3).code == 2
    told.probability_documents = 1
    assert "; 1 calibration document like it" in reexctl("query", "s", "a text").out


def test_query_says_when_nothing_is_known_of_the_probability(held, reexctl):
    held.answers["Query"] = lambda request, context: predictions_pb2.QueryResponse(predictions=[answer()])
    ended = reexctl("query", "s", "a text")
    assert "not known: v1 was made without" in ended.out
    assert "at coverage" not in ended.out
    far = answer(probability=1 / 3, probability_lower=0.0, probability_upper=1.0, probability_documents=0)
    held.answers["Query"] = lambda request, context: predictions_pb2.QueryResponse(predictions=[far])
    assert "0.000 to 1.000; no calibration document is like it" in reexctl("query", "s", "a text").out


def test_a_set_of_many_classes_is_counted(held, reexctl):
    classes = [f"class{number}" for number in range(40)]
    held.answers["GetProject"] = lambda request, context: projects_pb2.GetProjectResponse(
        project=projects_pb2.Project(name="s", classes=classes)
    )
    told = answer(probability=0.5, prediction_set=range(30), coverage=0.9)
    held.answers["Query"] = lambda request, context: predictions_pb2.QueryResponse(predictions=[told])
    out = reexctl("query", "s", "a text").out
    assert "30 of 40 classes: class0, class1," in out
    assert "class29" not in out


def test_query_as_json_is_one_object(held, reexctl):
    held.answers["Query"] = lambda request, context: predictions_pb2.QueryResponse(
        predictions=[answer(text="é\u009b\u202e")]
    )
    ended = reexctl("query", "s", "a text", "--json")
    assert ended.lines[0]["text"] == "é\u009b\u202e"
    assert "é" in ended.out
    assert "\u009b" not in ended.out
    assert "\u202e" not in ended.out


def test_predict_of_a_file_keeps_order_names_and_bad_lines_apart(held, reexctl, tmp_path):
    path = tmp_path / "data.jsonl"
    given = [
        '{"document": "x", "label": "positive"}',
        "{broken",
        '{"id": "b", "document": "y", "label": "no"}',
        '{"document": "z", "label": 3}',
        '{"document": "z", "label": -99}',
    ]
    path.write_text("\n".join(given))
    ended = reexctl("predict", "s", path, "--json")
    assert ended.code == 1
    answers = [(each["id"], each["text"], each["label"]) for each in ended.lines]
    assert answers == [("1", "x", 2), ("5", "z", -99)]
    assert [line.split(": ")[:2] for line in ended.err.splitlines()] == [
        [f"{path}:2", "not JSON"],
        [f"{path}:3", "label"],
        [f"{path}:4", "label"],
    ]


def test_predict_of_a_split_counts_at_the_end(held, reexctl):
    held.answers["PredictSplit"] = lambda request, context: iter(
        predictions_pb2.PredictSplitResponse(
            predictions=[answer(id=f"{n}\n", label=1, region_alpha=0.9 * (n % 2), text="a\ttext", role=role)]
        )
        for n, role in enumerate(("", "support", "", "calibration"))
    )
    ended = reexctl("predict", "s", "--split", "test")
    assert (ended.code, len(ended.out.splitlines())) == (0, 4)
    told = "2 admitted to a region, 4 of 4 labelled ones right; 2 of these the version has used"
    assert f"4 predictions, {told}" in ended.err
    assert len(reexctl("predict", "s", "--split", "test", "--json").lines) == 4


@pytest.mark.parametrize("arguments", [(), ("{file}", "--split", "test")])
def test_predict_takes_a_split_or_a_file(reexctl, tmp_path, arguments):
    (tmp_path / "x.jsonl").touch()
    given = [argument.format(file=tmp_path / "x.jsonl") for argument in arguments]
    assert reexctl("predict", "s", *given).code == 2


def test_evaluate_shows_headline_regions_and_confusion(held, reexctl):
    figures = evaluation_pb2.EvaluateResponse(
        split="test", classifier="v1", n=10, correct=8, accuracy=0.8, balanced_accuracy=0.75, unseen_count=11
    )
    figures.interval.lower, figures.interval.upper = 0.44, 0.97
    region = figures.regions.add(alpha=0.95, admitted=4, admitted_share=0.4, correct=4, accuracy=1.0)
    region.interval.lower, region.interval.upper = 0.4, 1.0
    for label, name in enumerate(CLASSES):
        figures.classes.add(label=label, name=name, support=5, recall=0.5)
        figures.confusion.add(counts=[1, 2, 30 + label])
    held.answers["Evaluate"] = lambda request, context: figures
    out = reexctl("evaluate", "s", "--split", "test").out
    for expected in (
        "80.0% (8 of 10",
        "44.0% to 97.0%",
        "balanced accuracy 75.0%",
        "40.0%",
        "as positive",
        "32",
    ):
        assert expected in out
    (shape,) = reexctl("evaluate", "s", "--split", "test", "--json").lines
    assert (shape["n"], shape["confusion"][2]) == (10, [1, 2, 32])


def _accuracy(n: int, correct: int) -> evaluation_pb2.Accuracy:
    interval = evaluation_pb2.Interval(lower=0.125, upper=0.875)
    return evaluation_pb2.Accuracy(n=n, correct=correct, accuracy=correct / n if n else 0, interval=interval)


@pytest.mark.parametrize(
    ("unseen", "why"), [(0, "used every labelled"), (7, "none of the 7 unseen documents has a label")]
)
def test_evaluate_says_why_there_is_nothing_to_measure_on(held, reexctl, unseen, why):
    held.answers["Evaluate"] = lambda request, context: evaluation_pb2.EvaluateResponse(
        split="incoming", classifier="v1", unseen_count=unseen
    )
    ended = reexctl("evaluate", "s", "--split", "incoming")
    assert (ended.code, why in ended.out) == (0, True)


def test_evaluate_shows_the_lowest_class_of_each_rung_and_what_is_beside_the_headline(held, reexctl):
    figures = evaluation_pb2.EvaluateResponse(
        split="test",
        classifier="v1",
        n=10,
        correct=8,
        accuracy=0.8,
        unseen_count=10,
        calibration_count=4,
        duplicate_count=2,
        used_before_count=3,
        ensemble_size=3,
        calibration=evaluation_pb2.PartEvaluation(accuracy=_accuracy(4, 3)),
        without_duplicates=evaluation_pb2.PartEvaluation(accuracy=_accuracy(8, 6)),
    )
    for name in CLASSES:
        figures.classes.add(name=name)
    rung = figures.regions.add(alpha=0.95, admitted=6, admitted_share=0.6, correct=5, accuracy=5 / 6)
    rung.by_label.extend([_accuracy(0, 0), _accuracy(4, 3), _accuracy(2, 2)])
    rung.by_prediction.extend([_accuracy(2, 1), _accuracy(4, 4), _accuracy(0, 0)])
    figures.probability.CopyFrom(
        evaluation_pb2.ProbabilityEvaluation(kind="calibrated", n=10, calibration_error=0.031, brier=0.0456)
    )
    figures.prediction_sets.CopyFrom(
        evaluation_pb2.PredictionSetEvaluation(
            promised=0.9,
            coverage=_accuracy(10, 9),
            by_label=[_accuracy(4, 3), _accuracy(0, 0), _accuracy(6, 6)],
            mean_size=1.25,
        )
    )
    held.answers["Evaluate"] = lambda request, context: figures
    out = reexctl("evaluate", "s", "--split", "test").out
    for expected in (
        f"75.0% {CLASSES[1]}",  # of the classes with admitted documents, the lowest
        f"50.0% {CLASSES[0]}",
        "2 unseen documents have the very text of one that was used",
        "4 calibration, 3 used by versions that it goes on from)",
        "calibration, not unseen",
        "calibrated probability of being right: calibration error 3.1%, Brier score 0.0456",
        "prediction sets hold the true class in 90.0%",
        "75.0% of the class where least; aimed at 90.0%",
        "admitted by all 3 members",
    ):
        assert expected in out, expected
    assert "support, not unseen" not in out  # there is none in the split
    (shape,) = reexctl("evaluate", "s", "--split", "test", "--json").lines
    assert shape["regions"][0]["by_label"][1]["interval"] == {"lower": 0.125, "upper": 0.875}
    assert shape["regions"][0]["by_label"][0]["accuracy"] is None
    assert shape["calibration"]["accuracy"]["n"] == 4


def test_discover_drift_says_the_verdict_and_what_to_do(held, reexctl):
    asked = []
    report = evaluation_pb2.MeasureDriftResponse(
        split="incoming",
        classifier="v2",
        n=200,
        calibration_count=300,
        verdict=evaluation_pb2.DRIFT_VERDICT_DRIFT,
        summary="drift: less like",
        advice="label some",
        quantities=[
            evaluation_pb2.DriftQuantity(
                name="q_prime",
                median=2,
                calibration_median=30,
                difference=0.55,
                p_value_adjusted=0.0015,
                effect=-0.5,
            )
        ],
        admission=[
            evaluation_pb2.DriftAdmission(
                alpha=0.95,
                calibration=evaluation_pb2.Share(n=300, count=150, share=0.5),
                arriving=evaluation_pb2.Share(n=200, count=20, share=0.1),
            )
        ],
        calibration_class_shares=[0.5, 0.25, 0.25],
        class_shares=[0.25, 0.5, 0.25],
    )

    def answer(request, context):
        asked.append((request.project, request.split, request.last))
        return report

    held.answers["MeasureDrift"] = answer
    out = reexctl("discover", "drift", "s", "--split", "incoming", "--last", "200").out
    for expected in (
        "drift: less like",
        "what to do: label some",
        "55.0%",
        "0.0015",
        "-0.50",
        "10.0%",
        "50.0%",
    ):
        assert expected in out, expected
    (shape,) = reexctl("discover", "drift", "s", "--split", "incoming", "--json").lines
    assert (shape["verdict"], shape["quantities"][0]["name"]) == ("drift", "q_prime")
    assert shape["zero_similarity"]["share"] is None
    assert asked == [("s", "incoming", 200), ("s", "incoming", 0)]
    assert reexctl("discover", "drift", "s").code == 2


def test_query_says_what_the_members_of_an_ensemble_say(held, reexctl):
    for size, agreed, alpha, expected in (
        (3, 3, 0.9, "3 of 3 members agree; admitted by all at alpha 0.9"),
        (3, 3, 0.0, "3 of 3 members agree; not admitted by all"),
        (3, 2, 0.0, "2 of 3 members agree; not admitted"),
    ):
        ensemble = predictions_pb2.Ensemble(size=size, agreed=agreed, region_alpha=alpha)
        answer = predictions_pb2.Prediction(
            prediction_name="neutral", probabilities=[0, 1, 0], ensemble=ensemble
        )
        held.answers["Query"] = lambda request, context, answer=answer: predictions_pb2.QueryResponse(
            predictions=[answer]
        )
        assert expected in reexctl("query", "s", "a text").out
        (shape,) = reexctl("query", "s", "a text", "--json").lines
        assert shape["ensemble"] == {
            "size": size,
            "agreed": agreed,
            "region_alpha": alpha,
            "admitted": alpha > 0,
        }
