"""Predictions: what an answer holds, who is excluded from what, and that no reply mixes versions."""

from __future__ import annotations

import math
import threading
from datetime import UTC, datetime

import pytest
from reex import Text, errors

WORDS = {"highest", "high", "low", "lowest", "out-of-distribution"}


def answers(daemon, project: str, split: str, **more) -> dict:
    return {answer.id: answer for answer in daemon.client.predict_split(project, split, **more)}


def test_an_answer_holds_everything_that_was_promised(trained, tiny_models):
    (answer,) = trained.client.query(trained.project, tiny_models.texts("positive", 1, seed=9), neighbors=7)
    assert (answer.prediction, answer.prediction_name, answer.classifier, answer.role) == (
        2,
        "positive",
        "v1",
        "",
    )
    assert (answer.label, answer.id, answer.stale, answer.windows) == (-1, "", "", 1)
    for shares in (answer.probabilities, answer.sdm):
        assert len(shares) == 3
        assert sum(shares) == pytest.approx(1, abs=1e-5)
        assert max(shares) == shares[2]
    assert answer.logits[2] == max(answer.logits)
    assert answer.q > 0
    assert 0 <= answer.lower_d <= answer.d <= 1
    assert 0 < answer.q_prime <= answer.q
    assert len(answer.effective_sample_sizes) == 3
    assert answer.reliability in WORDS
    assert (answer.reason == "") == (answer.region_alpha > 0)
    assert len(answer.neighbors) == 7
    distances = [neighbor.distance for neighbor in answer.neighbors]
    assert distances == sorted(distances)
    assert answer.d0 == pytest.approx(distances[0], abs=1e-6)
    texts = {line["id"]: line["document"] for line in trained.lines["train"] + trained.lines["calibration"]}
    assert all(texts[neighbor.id] == neighbor.text for neighbor in answer.neighbors)
    assert {neighbor.label for neighbor in answer.neighbors} == {2}


def test_the_same_question_gets_the_same_answer(trained, tiny_models):
    texts = tiny_models.texts("negative", 5, seed=4)
    alone = [trained.client.query(trained.project, text)[0] for text in texts]
    together = trained.client.query(trained.project, texts)
    for one, other in zip(alone, together, strict=True):
        assert (one.prediction, one.q, one.region_alpha) == (other.prediction, other.q, other.region_alpha)
        assert one.sdm == pytest.approx(other.sdm, abs=1e-5)
        assert one.d0 == pytest.approx(other.d0, abs=1e-4)
        assert [neighbor.id for neighbor in one.neighbors] == [neighbor.id for neighbor in other.neighbors]


def test_a_stored_document_and_its_text_get_the_same_numbers(trained):
    stored = answers(trained.daemon, trained.project, "test")
    lines = trained.lines["test"][1:11]
    asked = trained.client.query(trained.project, [line["document"] for line in lines])
    for line, answer in zip(lines, asked, strict=True):
        kept = stored[line["id"]]
        assert (kept.prediction, kept.q, kept.region_alpha) == (
            answer.prediction,
            answer.q,
            answer.region_alpha,
        )
        assert kept.logits == answer.logits  # bit-equal: the hidden state comes from the cache
        assert kept.label == line["label"]


def test_a_support_of_fewer_rows_than_neighbours_asked_for_gives_all_but_oneself(
    served, project, corpus, fast
):
    served.upload(project, corpus(8), "train")
    served.train(project, **fast)
    found = answers(served, project, "train", neighbors=25)
    support = {id for id, each in found.items() if each.role == "support"}
    assert 2 < len(support) < 25
    for id, each in found.items():
        assert {neighbor.id for neighbor in each.neighbors} == support - {id}
        assert len(each.neighbors) == len(support - {id})
        assert all(math.isfinite(neighbor.distance) for neighbor in each.neighbors)


def test_an_untrained_project_says_so(served, project):
    served.upload(project, [{"document": "a"}], "test")
    for ask in (
        lambda: served.client.query(project, "a"),
        lambda: served.client.evaluate(project, "test"),
        lambda: list(served.client.predict_split(project, "test")),
        lambda: list(served.client.predict(project, ["a"])),
    ):
        with pytest.raises(errors.NotTrained, match=f"reexctl train {project}"):
            ask()


@pytest.mark.parametrize(
    ("texts", "field"),
    [(["fine", ""], "text"), ([" \n "], "text"), (["x" * ((1 << 20) + 1)], "text")],
)
def test_texts_that_cannot_be_scored_name_the_field(trained, texts, field):
    with pytest.raises(errors.InvalidDocument) as caught:
        trained.client.query(trained.project, texts)
    assert caught.value.metadata["field"] == field


def test_a_text_beyond_what_a_message_may_hold_is_refused(trained):
    with pytest.raises(errors.ReexError) as caught:
        trained.client.query(trained.project, "x" * 5_000_000)
    assert isinstance(caught.value, errors.ResourceExhausted | errors.InvalidArgument)


def test_batches_and_neighbours_have_bounds(trained):
    assert len(trained.client.query(trained.project, ["profit rose"] * 256, neighbors=0)) == 256
    for texts, neighbors in (([], 5), (["a"] * 257, 5), (["a"], 101), (["a"], -1)):
        with pytest.raises(errors.InvalidArgument):
            trained.client.query(trained.project, texts, neighbors=neighbors)
    with pytest.raises(errors.InvalidArgument):
        list(trained.client.predict_split(trained.project, "test", neighbors=26))
    # More neighbours than there are support documents: all of them.
    assert len(trained.client.query(trained.project, "profit rose", neighbors=100)[0].neighbors) == 100


@pytest.mark.parametrize(
    "text", ["\x00", "a\x00b", "e" + "\u0301" * 100_000, "\U0001f600" * 1000, "word " * 5000, "\u202e\ufeff"]
)
def test_odd_texts_get_an_answer_or_a_reason(trained, text):
    """Whatever its characters, a text is answered, and does not harm the one beside it."""
    odd, plain = trained.client.query(trained.project, [text, "profit rose"], neighbors=1)
    assert all(math.isfinite(value) for value in (*odd.logits, *odd.sdm, odd.d0, odd.d, odd.q_prime))
    (alone,) = trained.client.query(trained.project, ["profit rose"], neighbors=1)
    assert (plain.prediction, plain.q) == (alone.prediction, alone.q)
    assert plain.logits == pytest.approx(alone.logits, abs=1e-4)


def test_a_long_text_is_read_in_windows(trained, tiny_models):
    text = " ".join(tiny_models.texts("positive", 60, seed=8))
    (answer,) = trained.client.query(trained.project, text)
    assert answer.windows > 3


def test_texts_in_answers_out_in_order(trained, tiny_models):
    texts = [
        Text(text, id=f"t{n}", label=n % 3)
        for n, text in enumerate(tiny_models.texts("neutral", 300, seed=3))
    ]
    answered = list(trained.client.predict(trained.project, iter(texts), neighbors=2))
    assert [(answer.id, answer.label) for answer in answered] == [(text.id, text.label) for text in texts]
    assert all(len(answer.neighbors) == 2 for answer in answered)

    def one_after_another():
        """The next text is only known once the last answer is."""
        for turn in range(5):
            yield f"profit rose {turn}"
            assert told.acquire(timeout=60)

    told = threading.Semaphore(0)
    for turn, answer in enumerate(trained.client.predict(trained.project, one_after_another())):
        assert answer.text == f"profit rose {turn}"
        told.release()
    assert turn == 4


def test_a_bad_text_ends_its_stream_and_no_other(trained):
    with pytest.raises(errors.InvalidDocument):
        list(trained.client.predict(trained.project, ["fine", "", "never reached"]))
    assert len(list(trained.client.predict(trained.project, ["fine"]))) == 1


def test_answers_are_kept_while_current_and_dropped_with_their_text(served, project, corpus, fast):
    client = served.client
    served.upload(project, corpus(30), "train")
    lines = corpus(4, seed=2)
    served.upload(project, lines, "test")
    served.train(project, **fast)
    before = answers(served, project, "test")
    assert answers(served, project, "test") == before  # bit for bit: what is stored is not scored again
    opposite = {**lines[0], "document": lines[2]["document"] + " again"}
    served.upload(project, [opposite, {**lines[1], "label": 2}], "test")
    after = answers(served, project, "test")
    assert after[lines[0]["id"]].text == opposite["document"]
    assert after[lines[0]["id"]].prediction != before[lines[0]["id"]].prediction
    # A new label changes no number, and is seen at once.
    assert after[lines[1]["id"]].label == 2
    assert after[lines[1]["id"]].logits == before[lines[1]["id"]].logits
    assert {id: after[id] for id in after if id not in (lines[0]["id"], lines[1]["id"])} == {
        id: before[id] for id in before if id not in (lines[0]["id"], lines[1]["id"])
    }
    assert client.evaluate(project, "test").stale == ""  # the split is not part of what was trained


def test_only_what_was_stored_or_changed_since(served, ready, tiny_models):
    client = served.client
    before = datetime.now(UTC)
    known = [each.id for each in client.list_documents(ready, "incoming")]
    assert list(client.predict_split(ready, "incoming", since=before)) == []
    text = tiny_models.texts("positive", 1, seed=11)[0]
    served.upload(ready, [{"id": "new", "document": text}, {"id": known[0], "document": text}], "incoming")
    assert [each.id for each in client.predict_split(ready, "incoming", since=before)] == [known[0], "new"]
    assert len(list(client.predict_split(ready, "incoming"))) == len(known) + 1
    with pytest.raises(errors.InvalidArgument, match="with its zone"):
        next(client.predict_split(ready, "incoming", since=before.replace(tzinfo=None)))


def test_a_switch_is_atomic(served, project, corpus, fast):
    """Under a stream of batches each reply names one version, and the version never goes back."""
    served.upload(project, corpus(30), "train")
    served.train(project, **fast)
    over = threading.Event()
    failures: list[str] = []
    seen: set[str] = set()

    def ask() -> None:
        last = 0
        with served.connect() as client:
            while not over.is_set():
                replies = client.query(project, ["profit rose", "loss fell", "board report"], neighbors=1)
                versions = {int(reply.classifier[1:]) for reply in replies}
                if len(versions) != 1 or min(versions) < last:
                    failures.append(f"{versions} after {last}")
                    return
                last = max(versions)
                seen.add(f"v{last}")
                if any(len(reply.logits) != len(reply.sdm) for reply in replies):
                    failures.append("shapes")

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for seed in (1, 2):
            # A new class is known to the next version only.
            names = [f"{name}{seed}" for name in ("negative", "neutral", "positive")]
            served.client.update_project(project, classes=names)
            served.train(project, **fast, seed=seed)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert len(seen) >= 2
    assert served.client.query(project, "profit rose")[0].classifier == "v3"


def test_many_clients_at_once_while_a_job_trains(trained, new_project, corpus, daemons):
    daemon = trained.daemon
    project = new_project(daemon)
    daemon.upload(project, corpus(30), "train")
    job = daemon.client.train(project, epochs=10_000, patience=0)
    failures: list[Exception] = []
    done: list[int] = []

    def ask(number: int) -> None:
        try:
            with daemon.connect() as client:
                for turn in range(8):
                    texts = [f"profit rose {number} {turn} {place}" for place in range(3)]
                    replies = client.query(trained.project, texts, neighbors=1)
                    assert [reply.text for reply in replies] == texts
                    done.append(number)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    running = daemon.client.get_job(job.name)
    daemon.client.cancel_job(job.name)
    assert not failures
    assert len(done) == 16 * 8
    assert running.state == "running"
    assert daemon.ended(job.name).state == "cancelled"


def test_another_model_of_the_project_does_not_touch_the_version(served, project, corpus, fast):
    """What answers was fitted on the states of its own model: the project's next one is for the next version."""
    served.upload(project, corpus(30), "train")
    served.upload(project, corpus(5, seed=1), "test")
    served.train(project, **fast)
    (before,) = served.client.query(project, "profit rose strong")
    served.client.update_project(project, model="tiny-wide")
    (after,) = served.client.query(project, "profit rose strong")
    assert after.logits == pytest.approx(before.logits, abs=1e-5)
    assert served.client.evaluate(project, "test").n == 15
    served.train(project, **fast)
    (new,) = served.client.query(project, "profit rose strong")
    assert new.classifier == "v2"
    assert new.logits != before.logits
    assert served.client.status(project).projects[0].classifier.model == "tiny-wide"
    assert served.client.search(project, "profit rose").results


def test_texts_that_a_version_that_becomes_live_does_not_read_are_told_and_the_others_answered(
    served, project, corpus, fast
):
    client = served.client
    for split, lines in (("train", corpus(20)), ("calibration", corpus(10, seed=1))):
        served.upload(project, lines, split)
    served.train(project, **fast)
    for split, lines in (("train", corpus(20)), ("calibration", corpus(10, seed=1))):
        served.upload(project, [line | {"attributes": [0.5]} for line in lines], split)
    served.train(project, **fast)
    client.use_classifier(project, "v1")
    plain = {"document": "profit rose"}
    told: list = []
    passed = threading.Semaphore(0)

    def texts():
        yield plain
        assert passed.acquire(timeout=60)
        client.use_classifier(project, "v2")
        yield plain
        yield plain | {"attributes": [0.5]}

    answers = client.predict(project, texts(), on_rejection=told.append)
    assert next(answers).classifier == "v1"
    passed.release()
    assert [answer.classifier for answer in answers] == ["v2"]
    assert [(each.line, each.field) for each in told] == [(2, "attributes")]
    assert "v2 was trained with 1 attributes" in told[0].reason
