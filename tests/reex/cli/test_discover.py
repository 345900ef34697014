"""`discover label-errors`, `next` and `duplicates`: what is asked of the daemon, and how answers are shown."""

from __future__ import annotations

from reex.v1 import discovery_pb2, predictions_pb2


def suspect(**more):
    answer = predictions_pb2.Prediction(
        id="a",
        label=0,
        prediction=2,
        prediction_name="positive",
        probability=0.9,
        classifier="v3",
        text="x\x1b",
        **more,
    )
    return discovery_pb2.Suspect(split="train", prediction=answer, alike=1)


def test_label_errors(held, reexctl):
    held.answers["FindLabelErrors"] = lambda request, context: discovery_pb2.FindLabelErrorsResponse(
        suspects=[suspect(region_alpha=0.95)], examined=40, contradicted=7
    )
    ended = reexctl("discover", "label-errors", "s", "--split", "train", "-k", "1")
    assert ended.out.splitlines()[1].split() == [
        "a",
        "train",
        "negative",
        "positive",
        "1",
        "0.900",
        "0.95",
        "x\\x1b",
    ]
    assert "7 of 40 labelled documents" in ended.err
    assert "reexctl documents edit s ID --set-label CLASS" in ended.err
    asked = held.requests[-2][1] if held.requests[-1][0] == "GetProject" else held.requests[-1][1]
    assert (list(asked.splits), asked.limit) == (["train"], 1)
    (shape,) = reexctl("discover", "label-errors", "s", "--json").lines
    assert (shape["id"], shape["split"], shape["alike"], shape["label"], shape["prediction"]) == (
        "a",
        "train",
        1,
        0,
        2,
    )


def test_next(held, reexctl):
    held.answers["SuggestLabelling"] = lambda request, context: discovery_pb2.SuggestLabellingResponse(
        suggestions=[suspect(reason="beyond-calibration", stale="1 relabelled")], unlabelled=12
    )
    ended = reexctl("discover", "next", "s")
    assert "farther from the training documents than anything seen in calibration" in ended.out
    assert "1 of 12 unlabelled documents" in ended.err
    assert "v3 is stale: 1 relabelled" in ended.err
    assert reexctl("discover", "next", "s", "--json").lines[0]["reason"] == "beyond-calibration"


def test_duplicates(held, reexctl):
    documents = [
        discovery_pb2.Duplicate(id=id, split="train", label=label, text="same", similarity=1.0)
        for id, label in (("a", 0), ("b", 1))
    ]
    held.answers["FindDuplicates"] = lambda request, context: discovery_pb2.FindDuplicatesResponse(
        groups=[discovery_pb2.DuplicateGroup(documents=documents, labels_differ=True)],
        compared=9,
        group_count=3,
        duplicate_count=4,
    )
    ended = reexctl("discover", "duplicates", "s", "--similarity", "0.99")
    assert ended.out.splitlines()[0] == "2 documents: labels differ"
    assert "3 groups among 9 documents, 1 of them shown; 4 read like an earlier one" in ended.err
    (shape,) = reexctl("discover", "duplicates", "s", "--json").lines
    assert ([each["id"] for each in shape["documents"]], shape["labels_differ"]) == (["a", "b"], True)
