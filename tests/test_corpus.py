"""The shipped corpus keeps the promises of its README, and the checker notices when one is broken.

Owns the tests of tools/check_corpus.py and of examples/corpus; knows nothing of the daemon.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "examples" / "corpus"


@pytest.fixture(scope="module")
def checker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_corpus", ROOT / "tools" / "check_corpus.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their own module up by name
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(CORPUS, tmp_path / "corpus")


Rows = list[dict[str, Any]]


def edit(corpus: Path, split: str, change: Callable[[Rows], object]) -> None:
    path = corpus / f"{split}.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    change(rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_shipped_corpus_keeps_its_promises(checker: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert checker.main([]) == 0, capsys.readouterr().err
    figures = json.loads(capsys.readouterr().out)
    assert figures["jaccard_max"] <= 0.6
    assert 0.75 <= figures["bag_of_words_accuracy"] <= 0.92


def test_readme_states_the_measured_counts(checker: ModuleType) -> None:
    rows = checker.read_rows(CORPUS, problems := [])
    assert problems == []
    readme = (CORPUS / "README.md").read_text(encoding="utf-8")
    for split in (*checker.LABELLED_SPLITS, checker.OFF_TOPIC_SPLIT):
        count = sum(row.split == split for row in rows)
        assert f"| `{split}.jsonl` | {count} |" in readme


def near_copy(rows: Rows) -> None:
    rows[1]["document"] = rows[0]["document"] + " Regards."


def word_at_end(rows: Rows) -> None:
    """Gives every class away by one word."""
    for row in rows:
        row["document"] += " " + ("ash", "birch", "cedar", "damson")[row["label"]] * 2


@pytest.mark.parametrize(
    ("split", "change", "message"),
    [
        ("train", near_copy, "word overlap"),
        ("train", lambda rows: rows[1].update(id=rows[0]["id"]), "is used 2 times"),
        ("test", lambda rows: rows[3].update(document=rows[2]["document"]), "occurs 2 times"),
        ("train", lambda rows: rows[0].update(label=-1), "label -1 does not belong"),
        ("off_topic", lambda rows: rows[0].update(label=0), "label 0 does not belong"),
        ("train", lambda rows: rows[0].update(label="billing"), "train.jsonl:1: not a document line"),
        ("train", lambda rows: rows[0].update(lable=1), "unknown fields ['lable']"),
        ("calibration", lambda rows: rows[0].update(document="Far too short."), "3 words"),
        ("calibration", lambda rows: rows[0].update(info="hard"), "hard cases are held out"),
        ("calibration", lambda rows: rows.__delitem__(slice(120, None)), "at least 40 a class"),
        ("train", lambda rows: rows.__delitem__(slice(150, None)), "labelled documents, expected"),
        ("off_topic", lambda rows: rows.__delitem__(slice(20, None)), "20 off-topic documents"),
        ("test", lambda rows: [row.pop("info", None) for row in rows], "0 hard documents"),
    ],
)
def test_broken_promise_is_reported(
    checker: ModuleType, corpus: Path, split: str, change: Callable[[Rows], object], message: str
) -> None:
    edit(corpus, split, change)
    _, problems = checker.check(corpus)
    assert any(message in problem for problem in problems), problems


def test_a_corpus_that_a_bag_of_words_solves_is_reported(checker: ModuleType, corpus: Path) -> None:
    for split in checker.LABELLED_SPLITS:
        edit(corpus, split, word_at_end)
    _, problems = checker.check(corpus)
    assert any("bag-of-words accuracy" in problem for problem in problems), problems


def test_jaccard_of_word_sets(checker: ModuleType) -> None:
    documents = ["The bell rang.", "a bell RANG the bell", "nothing in common"]
    assert checker.nearest_pair(documents) == (pytest.approx(3 / 4), 0, 1)
