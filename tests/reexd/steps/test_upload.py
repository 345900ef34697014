"""Upload: what is acknowledged is kept, what is wrong is told by line and field, and repeating changes nothing."""

from __future__ import annotations

import itertools
import json
import math
import random
import threading

import grpc
import pytest
from reex import errors
from reex.v1 import documents_pb2, documents_pb2_grpc

Document = documents_pb2.Document
KILLS = 5


def chunk(project: str, *documents: Document, first: int = 1, split: str = "train", **more):
    return documents_pb2.UploadDocumentsRequest(
        project=project,
        split=split,
        lines=[
            documents_pb2.DocumentLine(line=first + at, document=each) for at, each in enumerate(documents)
        ],
        **more,
    )


def send(daemon, *chunks) -> list[documents_pb2.UploadDocumentsResponse]:
    """Acknowledgements of chunks sent past the client's own checks."""
    with grpc.insecure_channel(daemon.target) as channel:
        return list(documents_pb2_grpc.DocumentServiceStub(channel).UploadDocuments(iter(chunks), timeout=60))


def stored(daemon, project: str, split: str | None = None) -> list[str]:
    return [document.id for document in daemon.client.list_documents(project, split)]


def test_bad_lines_cost_no_good_ones(served, project, tmp_path):
    good = [
        {"id": f"good-{number}", "document": f"text {number}", "label": number % 3} for number in range(6)
    ]
    lines = [
        json.dumps(good[0]),
        '{"id": "broken", "document": ',
        json.dumps(good[1]),
        '["a", "list"]',
        json.dumps({"id": "empty", "document": ""}),
        json.dumps({"id": "blank", "document": " \n\t"}),
        json.dumps({"id": "huge", "document": "x" * 5_000_000}),
        json.dumps(good[2]),
        json.dumps({"id": "wrong label", "document": "a", "label": 3}),
        json.dumps({"id": "wrong name", "document": "a", "label": "enthusiastic"}),
        json.dumps({"id": "real label", "document": "a", "label": 0.5}),
        '{"id": "surrogate", "document": "half \\ud800"}',
        json.dumps({"id": "i" * 257, "document": "a"}),
        json.dumps({"id": 7, "document": "a"}),
        json.dumps({"id": "no text"}),
        '{"id": "infinite", "document": "a", "attributes": [1e999]}',
        '{"id": "not a number", "document": "a", "attributes": [NaN]}',
        json.dumps({"id": "word", "document": "a", "attributes": ["one"]}),
        json.dumps({"id": "long info", "document": "a", "info": "i" * 5000}),
        json.dumps({"id": "named", "document": "by name", "label": "positive"}),
        json.dumps({"id": "nul", "document": "zero \x00 byte", "label": -99}),
        *(json.dumps(line) for line in good[3:]),
    ]
    file = tmp_path / "lines.jsonl"
    file.write_text("\n".join(lines) + "\n")
    result = served.client.upload(project, file, "train")
    assert (result.added, result.rejected, result.total) == (8, 16, 24)
    told = {rejection.line: rejection.field for rejection in result.rejections}
    assert told == {
        2: "",
        4: "",
        5: "document",
        6: "document",
        7: "document",
        9: "label",
        10: "label",
        11: "label",
        12: "document",
        13: "id",
        14: "id",
        15: "document",
        16: "attributes",
        17: "attributes",
        18: "attributes",
        19: "info",
    }
    assert all(rejection.reason for rejection in result.rejections)
    documents = {document.id: document for document in served.client.list_documents(project)}
    assert set(documents) == {*(line["id"] for line in good), "named", "nul"}
    assert documents["named"].label == 2
    assert (documents["nul"].text, documents["nul"].label) == ("zero \x00 byte", -99)


BAD = [
    ("document", Document(id="a", text="")),
    ("document", Document(id="a", text=" \u2003\n")),
    ("document", Document(id="a", text="x" * ((1 << 20) + 1))),
    ("id", Document(id="i" * 257, text="a")),
    ("label", Document(id="a", text="a", label=3)),
    ("label", Document(id="a", text="a", label=-2)),
    ("label", Document(id="a", text="a", label_name="enthusiastic")),
    ("label", Document(id="a", text="a", label_name="")),
    ("split", Document(id="a", text="a", split="../train")),
    ("split", Document(id="a", text="a", split="Train")),
    ("split", Document(id="a", text="a", split="s" * 64)),
    ("prompt", Document(id="a", text="a", prompt="p" * 4097)),
    ("info", Document(id="a", text="a", info="p" * 4097)),
    ("group", Document(id="a", text="a", group="p" * 4097)),
    ("attributes", Document(id="a", text="a", attributes=[math.nan])),
    ("attributes", Document(id="a", text="a", attributes=[0.0, math.inf])),
    ("attributes", Document(id="a", text="a", attributes=[1e300])),
    ("attributes", Document(id="a", text="a", attributes=[0.0] * 4097)),
    ("extra_json", Document(id="a", text="a", extra_json="[1]")),
    ("extra_json", Document(id="a", text="a", extra_json='{"a": ')),
    ("extra_json", Document(id="a", text="a", extra_json="[" * 100_000)),
]


def test_the_daemon_checks_for_clients_that_do_not(served, project):
    good = Document(id="good", text="fine", label=0)
    chunks = [chunk(project, good, bad, first=10 * at) for at, (_, bad) in enumerate(BAD)]
    answers = send(served, *chunks)
    for at, ((field, _), answer) in enumerate(zip(BAD, answers, strict=True)):
        assert [(told.line, told.field) for told in answer.rejections] == [(10 * at + 1, field)], at
        assert len(answer.rejections[0].reason) < 500
    assert stored(served, project) == ["good"]


def test_bounds_are_inside(served, project):
    documents = [
        Document(id="i" * 256, text="x" * (1 << 20), label=-1),
        Document(id="é" * 128, text="a", label=-99, info="i" * 4096, group="g" * 4096, prompt="p" * 4096),
        Document(text="no id", split="s" * 63),
    ]
    answers = send(served, *(chunk(project, document) for document in documents))
    assert [answer.added for answer in answers] == [1, 1, 1]
    assert served.client.get_document(project, "i" * 256).text == "x" * (1 << 20)
    assert len(stored(served, project, "s" * 63)) == 1


@pytest.mark.parametrize(
    ("project_name", "split", "kind"),
    [
        ("absent", "train", errors.NotFound),
        ("../etc", "train", errors.InvalidName),
        (None, "a/b", errors.InvalidName),
    ],
)
def test_a_stream_that_leads_nowhere_is_refused(served, project, project_name, split, kind):
    with pytest.raises(kind) as caught:
        served.client.upload(project_name or project, [{"document": "a"}], split)
    assert caught.value.reason


def test_more_documents_than_a_chunk_may_hold_are_refused(served, project):
    documents = [Document(id=str(number), text="a") for number in range(257)]
    with pytest.raises(grpc.RpcError) as caught:
        send(served, chunk(project, *documents))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert stored(served, project) == []


def test_unknown_keys_come_back(served, project):
    line = {
        "id": "a",
        "document": "text",
        "label": 1,
        "source": {"page": 3, "tags": ["x", None]},
        "score": 0.5,
    }
    served.upload(project, [line], "train")
    document = served.client.get_document(project, "a")
    assert json.loads(document.extra_json) == {"source": line["source"], "score": 0.5}
    assert document.to_dict().items() >= line.items()


def test_sending_again_changes_nothing_and_replacing_moves(served, project):
    lines = [{"id": str(number), "document": f"text {number}", "label": 0} for number in range(600)]
    first = served.upload(project, lines, "train")
    assert (first.added, first.replaced, first.unchanged) == (600, 0, 0)
    before = served.client.get_document(project, "7")
    again = served.upload(project, lines, "train")
    assert (again.added, again.replaced, again.unchanged) == (0, 0, 600)
    assert served.client.get_document(project, "7") == before
    assert stored(served, project) == [line["id"] for line in lines]  # three chunks, in order

    changed = [{**lines[7], "document": "other text"}, {**lines[8], "label": 2}, lines[9]]
    moved = served.upload(project, changed, "test")
    assert (moved.added, moved.replaced, moved.unchanged) == (0, 3, 0)
    assert stored(served, project, "test") == ["7", "8", "9"]
    assert len(stored(served, project, "train")) == 597
    after = served.client.get_document(project, "7")
    assert (after.text, after.split, after.revision) == ("other text", "test", before.revision + 1)
    assert served.client.get_document(project, "8").label == 2
    summary = {row.split: row for row in served.client.split_summary(project)}
    assert summary["train"].documents == 597
    assert [(count.label, count.count) for count in summary["test"].labels] == [(0, 2), (2, 1)]


def test_a_repeated_id_is_counted_and_the_last_line_stands(served, project):
    lines = [
        {"id": "a", "document": "first"},
        {"id": "b", "document": "b"},
        {"id": "a", "document": "second"},
    ]
    result = served.upload(project, lines, "train")
    assert (result.added, result.replaced, result.unchanged, result.repeated) == (2, 0, 1, 1)
    assert served.client.get_document(project, "a").text == "second"
    again = served.upload(project, lines, "train")
    assert (again.added, again.replaced, again.unchanged, again.repeated) == (0, 0, 3, 1)
    assert served.client.get_document(project, "a").revision == 1, "as if nothing had been sent"


def test_equal_texts_without_id_merge(served, project):
    lines = [{"document": "same"}, {"document": "same"}, {"document": "other"}]
    result = served.upload(project, lines, "train")
    assert result.merged == 1
    assert len(stored(served, project)) == 2
    moved = served.upload(project, [*lines, {"document": "new"}], "test")
    assert (moved.added, moved.replaced, moved.moved) == (1, 2, 2), "out of train, and it is said"


def test_validate_only_stores_nothing(served, project):
    lines = [{"id": "a", "document": "a"}, {"id": "b", "document": "b", "label": 9}]
    result = served.client.upload(project, lines, "train", validate_only=True)
    assert (result.added, result.rejected) == (1, 1)
    assert stored(served, project) == []


@pytest.mark.parametrize("order", list(itertools.permutations(("none", "two", "none too"))), ids=str)
@pytest.mark.parametrize("lines_a_chunk", [1, 3])
def test_documents_with_and_without_attributes_can_be_sent_again(served, project, order, lines_a_chunk):
    lines = [
        Document(id=each, text=f"{each} of it", attributes=[1.5, -2] if each == "two" else [])
        for each in order
    ]
    chunks = [
        chunk(project, *lines[at : at + lines_a_chunk], first=at + 1)
        for at in range(0, len(lines), lines_a_chunk)
    ]
    for outcome in ("added", "unchanged"):
        answers = send(served, *chunks)
        assert [list(answer.rejections) for answer in answers] == [[]] * len(chunks)
        assert sum(getattr(answer, outcome) for answer in answers) == len(lines)
    assert served.client.get_project(project).attribute_count == 2


def test_attributes_of_another_count_are_told_what_is_expected(served, project):
    documents = [Document(id=str(n), text="a", attributes=[1.0] * n) for n in (2, 0, 1, 3)]
    (answer,) = send(served, chunk(project, *documents))
    assert [(told.line, told.field) for told in answer.rejections] == [(3, "attributes"), (4, "attributes")]
    assert "expected 2" in answer.rejections[0].reason
    assert "or none" in answer.rejections[0].reason
    assert stored(served, project) == ["2", "0"]


def test_attributes_have_one_count_even_between_streams(served, project):
    """Both streams begin before any document has attributes; the loser's lines are told, and cost no others."""
    with grpc.insecure_channel(served.target) as channel:
        stub = documents_pb2_grpc.DocumentServiceStub(channel)
        gates = [threading.Event(), threading.Event()]

        def requests(number: int, *documents: Document):
            yield chunk(project, Document(id=f"plain-{number}", text="a"))
            assert gates[number].wait(60)
            yield chunk(project, *documents, first=2)

        winner = stub.UploadDocuments(requests(0, Document(id="w", text="a", attributes=[1, 2])), timeout=60)
        loser = stub.UploadDocuments(
            requests(
                1, Document(id="l", text="a", attributes=[1]), Document(id="m", text="a", attributes=[3, 4])
            ),
            timeout=60,
        )
        assert (next(winner).added, next(loser).added) == (1, 1)
        gates[0].set()
        assert next(winner).added == 1
        gates[1].set()
        answer = next(loser)
    assert answer.added == 1
    assert [(told.line, told.field) for told in answer.rejections] == [(2, "attributes")]
    assert set(stored(served, project)) == {"plain-0", "plain-1", "w", "m"}
    assert served.client.get_project(project).attribute_count == 2


def test_acknowledged_documents_survive_sigkill(fresh, new_project):
    """The daemon is killed while chunks stream in; every acknowledged one is there, whole and once."""
    daemon = fresh()
    project = new_project(daemon)
    random_instants = random.Random(5)
    early = 0
    for kill in range(KILLS):
        size, chunks = 20, 400
        acknowledged, done = upload_until_killed(
            daemon, project, kill, size, chunks, random_instants.uniform(0.0, 0.4)
        )
        early += not done
        daemon.start()
        prefix = f"{kill}-"
        found = [id for id in stored(daemon, project) if id.startswith(prefix)]
        assert len(found) == len(set(found))
        assert set(found) >= {f"{prefix}{at}-{n}" for at in range(acknowledged) for n in range(size)}
        assert all(
            sum(1 for id in found if id.startswith(f"{prefix}{at}-")) in (0, size) for at in range(chunks)
        )
    assert early >= 0.75 * KILLS
    # What a client does after an interruption: it sends everything again.
    answers = send(daemon, *(chunk_of(project, kill, at, 20) for at in range(20)))
    assert sum(answer.added + answer.unchanged for answer in answers) == 400
    again = send(daemon, *(chunk_of(project, kill, at, 20) for at in range(20)))
    assert sum(answer.unchanged for answer in again) == 400


def chunk_of(project: str, kill: int, at: int, size: int) -> documents_pb2.UploadDocumentsRequest:
    return chunk(
        project,
        *(
            Document(id=f"{kill}-{at}-{n}", text=f"document {n} of chunk {at}", label=n % 3)
            for n in range(size)
        ),
        first=at * size + 1,
    )


def upload_until_killed(
    daemon, project: str, kill: int, size: int, chunks: int, instant: float
) -> tuple[int, bool]:
    """Stream chunks and SIGKILL the daemon so long after the first acknowledgement: (acknowledged, all of them)."""
    acknowledged = itertools.count()
    killer = threading.Timer(instant, daemon.kill)
    with grpc.insecure_channel(daemon.target) as channel:
        requests = (chunk_of(project, kill, at, size) for at in range(chunks))
        try:
            for answer in documents_pb2_grpc.DocumentServiceStub(channel).UploadDocuments(requests):
                assert answer.added == size
                if next(acknowledged) == 0:
                    killer.start()
        except grpc.RpcError:
            pass
    count = next(acknowledged)
    killer.join()
    return count, count == chunks
