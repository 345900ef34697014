"""`classifiers`, `add`, `recalibrate`: what is asked of the daemon, and what is shown."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace

import grpc
import pytest
from reex.cli import completion
from reex.v1 import classifiers_pb2, documents_pb2, evaluation_pb2, predictions_pb2

RECORD = {"settings": {"epochs": 3}, "weights_sha256": "ab", "regions": []}


def version(number: int, **fields) -> classifiers_pb2.ClassifierSummary:
    given = {"origin": "train", "model": "minilm", "support_count": 1200, "calibration_count": 300, **fields}
    found = classifiers_pb2.ClassifierSummary(name=f"v{number}", **given)
    found.regions.add(alpha=0.95, q_prime_min=3.0, thresholds=[0.95, 0.96])
    return found


def test_list_shows_newest_first_with_what_made_each(held, reexctl):
    found = [version(2, live=True, origin="add", parent="v1"), version(1, stale="1 deleted")]
    held.answers["ListClassifiers"] = lambda request, context: classifiers_pb2.ListClassifiersResponse(
        classifiers=found
    )
    ended = reexctl("classifiers", "list", "s")
    first, second = ended.out.splitlines()[1:]
    assert ("v2" in first, "live" in first, "add v1" in first, "1,200" in first) == (True,) * 4
    assert ("live" in second, "1 deleted" in second, "0.95" in second) == (False, True, True)
    assert [line["name"] for line in reexctl("classifiers", "list", "s", "--json").lines] == ["v2", "v1"]


def test_list_tells_versions_apart_by_how_they_were_trained(held, reexctl):
    found = [
        version(4, origin="add", parent="v3", tuned=True),
        version(3, tuned=True, ensemble_size=4),
        version(2, official=True),
        version(1),
    ]
    held.answers["ListClassifiers"] = lambda request, context: classifiers_pb2.ListClassifiersResponse(
        classifiers=found
    )
    shown = reexctl("classifiers", "list", "s").out.splitlines()[1:]
    for line, said in zip(
        shown, ("add v3 (tuned) ", "train (tuned, 4 members) ", "train (official) "), strict=False
    ):
        assert f" {said}" in line
    assert "(" not in shown[3]
    facts = [
        (line["tuned"], line["official"], line["ensemble_size"])
        for line in reexctl("classifiers", "list", "s", "--json").lines
    ]
    assert facts == [(True, False, 0), (True, False, 4), (False, True, 0), (False, False, 0)]


def test_versions_complete_by_the_project_on_the_line(held, home):
    held.answers["ListClassifiers"] = lambda request, context: classifiers_pb2.ListClassifiersResponse(
        classifiers=[version(11), version(2), version(1)] if request.project == "s" else []
    )
    context = SimpleNamespace(params={"name": "s"})
    assert completion.versions(context, "v1") == ["v11", "v1"]
    assert completion.versions(SimpleNamespace(params={}), "v") == []


def test_an_empty_list_says_what_to_do(held, reexctl):
    held.answers["ListClassifiers"] = lambda request, context: classifiers_pb2.ListClassifiersResponse()
    ended = reexctl("classifiers", "list", "s")
    assert (ended.code, ended.out) == (0, "")
    assert "reexctl train s" in ended.err


def test_show_asks_for_the_live_one_unless_told(held, reexctl):
    found = version(3, live=True, training_json=json.dumps(RECORD), added_since_calibration=2, parent="v2")
    held.answers["GetClassifier"] = lambda request, context: classifiers_pb2.GetClassifierResponse(
        classifier=found
    )
    shown = reexctl("classifiers", "show", "s")
    assert "v3" in shown.out
    assert "reexctl recalibrate s" in shown.out
    (record,) = reexctl("classifiers", "show", "s", "v3", "--json").lines
    assert record["training"] == RECORD
    assert record["regions"] == [{"alpha": 0.95, "q_prime_min": 3.0, "thresholds": [0.95, 0.96]}]
    assert [request.name for _, request in held.requests] == ["", "v3"]


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        ("passage: ", "model minilm (mean, 'passage: ' before documents)"),
        ("none", "model minilm (mean, no prefix before documents)"),
        ("", "model minilm (mean)"),
    ],
)
def test_show_says_what_texts_were_read_after(held, reexctl, prefix, said):
    found = version(3, pooling="mean", document_prefix=prefix)
    held.answers["GetClassifier"] = lambda request, context: classifiers_pb2.GetClassifierResponse(
        classifier=found
    )
    assert said in reexctl("classifiers", "show", "s").out
    (record,) = reexctl("classifiers", "show", "s", "--json").lines
    assert (record["pooling"], record["document_prefix"]) == ("mean", prefix)


def test_show_says_what_the_probability_rests_on(held, reexctl):
    told = RECORD | {
        "probability_documents": 1234,
        "set_coverage": 0.9,
        "set_shared_classes": ["few", "fewer"],
        "set_uncalibrated_classes": ["rare", *(f"rarer{number}" for number in range(20))],
    }
    found = version(3, training_json=json.dumps(told))
    held.answers["GetClassifier"] = lambda request, context: classifiers_pb2.GetClassifierResponse(
        classifier=found
    )
    out = reexctl("classifiers", "show", "s").out
    assert "fitted to 1,234 documents that were not trained on" in out
    assert "too few of rare, rarer0" in out and "rarer19" not in out and "at coverage 0.9" in out
    assert "few of few, fewer, whose sets keep their coverage together" in out


def test_compare_puts_two_versions_side_by_side(held, reexctl):
    def figures(name: str, correct: int) -> classifiers_pb2.ComparedClassifier:
        region = evaluation_pb2.RegionEvaluation(alpha=0.9, admitted=4, admitted_share=0.4, accuracy=1.0)
        return classifiers_pb2.ComparedClassifier(
            name=name, correct=correct, accuracy=correct / 10, regions=[region]
        )

    answer = classifiers_pb2.CompareClassifiersResponse(
        split="test",
        n=10,
        first=figures("v1", 8),
        second=figures("v2", 9),
        agreed=7,
        only_first_correct=1,
        only_second_correct=2,
    )
    held.answers["CompareClassifiers"] = lambda request, context: answer
    ended = reexctl("classifiers", "compare", "s", "v1", "v2")
    for expected in ("10 labelled documents", "7 (70.0%)", "80.0%", "90.0%", "admitted at 0.9", "40.0%"):
        assert expected in ended.out
    (_, request) = held.requests[-1]
    assert (request.first, request.second, request.split) == ("v1", "v2", "test")
    (shape,) = reexctl("classifiers", "compare", "s", "v1", "v2", "--json").lines
    assert (shape["n"], shape["second"]["correct"]) == (10, 9)


def test_use_and_delete_name_the_version(held, reexctl):
    held.answers["UseClassifier"] = lambda request, context: classifiers_pb2.UseClassifierResponse(
        classifier=version(1, live=True)
    )
    held.answers["DeleteClassifier"] = lambda request, context: classifiers_pb2.DeleteClassifierResponse()
    assert reexctl("classifiers", "use", "s", "v1").out == "v1 is live\n"
    assert reexctl("classifiers", "delete", "s", "v2", "--json").lines == [{"deleted": "v2"}]
    assert [(name, request.name) for name, request in held.requests] == [
        ("UseClassifier", "v1"),
        ("DeleteClassifier", "v2"),
    ]


@pytest.fixture
def adding(held):
    held.answers["AddToSupport"] = lambda request, context: classifiers_pb2.AddToSupportResponse(
        classifier=version(2, origin="add", parent="v1", training_json='{"added": ["a", "b"]}')
    )
    held.answers["GetDocument"] = lambda request, context: held.abort(
        context, grpc.StatusCode.NOT_FOUND, "no document", "DOCUMENT_NOT_FOUND"
    )
    held.answers["Query"] = lambda request, context: predictions_pb2.QueryResponse()
    return held


def test_add_by_id_keeps_the_documents_own_labels(adding, reexctl):
    ended = reexctl("add", "s", "--id", "a", "--id", "b")
    assert ended.out == "v2 is live: 2 documents joined the support of v1, which holds 1,200 now\n"
    assert "reexctl add s --undo" in ended.err
    (request,) = [request for name, request in adding.requests if name == "AddToSupport"]
    assert (list(request.ids), request.WhichOneof("label_form")) == (["a", "b"], None)


@pytest.mark.parametrize(("label", "number"), [("neutral", 1), ("0", 0), ("-99", -99)])
def test_add_stores_a_text_in_train_first(adding, reexctl, label, number):
    assert reexctl("add", "s", "a new text", "--label", label).code == 0
    (line,) = adding.lines
    assert (adding.chunks[0].split, line.document.text, line.document.label) == (
        "train",
        "a new text",
        -1,  # `add` labels it, so that its undo can take the label back
    )
    (request,) = [request for name, request in adding.requests if name == "AddToSupport"]
    assert request.label == number
    assert list(request.ids) == [line.document.id] == [hashlib.sha256(b"a new text").hexdigest()[:32]]


def test_add_leaves_a_text_that_is_stored_as_it_is(adding, reexctl):
    digest = hashlib.sha256(b"a known text").hexdigest()[:32]
    known = documents_pb2.Document(id=digest, text="a known text", label=2, split="incoming")
    adding.answers["GetDocument"] = lambda request, context: documents_pb2.GetDocumentResponse(document=known)
    assert reexctl("add", "s", "a known text", "--label", "0").code == 0
    assert not adding.lines
    (request,) = [request for name, request in adding.requests if name == "AddToSupport"]
    assert (list(request.ids), request.label) == ([digest], 0)


def test_undo_says_what_is_live_and_what_was_left(held, reexctl):
    held.answers["UndoAddToSupport"] = lambda request, context: classifiers_pb2.UndoAddToSupportResponse(
        classifier=version(1, live=True), restored_count=2, kept_ids=["c"]
    )
    ended = reexctl("add", "s", "--undo")
    assert ended.out == "v1 is live again; 2 documents have their former label and split\n"
    assert "left as they are: c" in ended.err
    (shape,) = reexctl("add", "s", "--undo", "--json").lines
    assert (shape["classifier"]["name"], shape["restored_count"], shape["kept_ids"]) == ("v1", 2, ["c"])


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["text"],
        ["text", "--id", "a", "--label", "0"],
        ["--undo", "--id", "a"],
        ["text", "--undo"],
        ["--undo", "--label", "0"],
    ],
)
def test_add_says_what_is_missing(adding, reexctl, arguments):
    assert reexctl("add", "s", *arguments).code == 2
    assert adding.requests == []


def test_recalibrate_says_how_to_undo(held, reexctl):
    held.answers["Recalibrate"] = lambda request, context: classifiers_pb2.RecalibrateResponse(
        classifier=version(3, live=True, origin="recalibrate", parent="v2")
    )
    ended = reexctl("recalibrate", "s")
    assert "recalibrated from v2" in ended.out
    assert "reexctl classifiers use s v2" in ended.err


def test_a_rejected_text_is_not_added(adding, reexctl):
    rejection = documents_pb2.Rejection(line=1, field="document", reason="only white space")
    adding.answers["UploadDocuments"] = lambda requests, context: (
        documents_pb2.UploadDocumentsResponse(rejections=[rejection]) for _ in requests
    )
    ended = reexctl("add", "s", "x", "--label", "0")
    assert ended.code == 2
    assert "only white space" in ended.err
    assert "AddToSupport" not in [name for name, _ in adding.requests]


def test_a_text_that_cannot_be_added_is_not_stored(adding, reexctl):
    adding.answers["Query"] = lambda request, context: adding.abort(
        context, grpc.StatusCode.FAILED_PRECONDITION, "no classifier yet", "NOT_TRAINED"
    )
    ended = reexctl("add", "s", "x", "--label", "0")
    assert (ended.code, ended.err, adding.chunks) == (1, "error: no classifier yet\n", [])


@pytest.mark.parametrize("label", ["3", "-1", "-2", "nosuch"])
def test_a_text_of_no_such_class_is_not_stored(adding, reexctl, label):
    ended = reexctl("add", "s", "x", "--label", label)
    assert (ended.code, adding.chunks) == (2, [])
    assert f"an index from 0 to 2, or -99; received '{label}'" in ended.err


@pytest.mark.parametrize("command", [("documents", "list", "s"), ("search", "s", "what")])
def test_an_index_of_no_class_is_an_error_and_not_nothing_found(held, reexctl, command):
    ended = reexctl(*command, "--label", "3")
    assert (ended.code, ended.out) == (2, "")
    assert "an index from 0 to 2, or -1 or -99; received '3'" in ended.err


def test_compare_over_no_labelled_document_shows_no_accuracy(held, reexctl):
    compared = classifiers_pb2.ComparedClassifier(name="v1", interval=evaluation_pb2.Interval(upper=1.0))
    held.answers["CompareClassifiers"] = lambda request, context: classifiers_pb2.CompareClassifiersResponse(
        split="odd", first=compared, second=compared, out_of_distribution_count=60
    )
    shown = reexctl("classifiers", "compare", "s", "v1", "v1", "--split", "odd").out
    assert [line.split()[-2:] for line in shown.splitlines() if "accuracy" in line or "95" in line] == [
        ["-", "-"]
    ] * 3
    (record,) = reexctl("classifiers", "compare", "s", "v1", "v1", "--split", "odd", "--json").lines
    assert (record["first"]["accuracy"], record["second"]["balanced_accuracy"]) == (None, None)
