"""What the estimators are compared on: sets of labelled texts, and for four of them texts from elsewhere.

A task has a pool (train and calibration together, which every contender splits as it sees fit), a test split of the
same source, and foreign texts: of classes it knows but another source (covariate shift; labels 0..C-1), or of none of
its classes (label -99), which are right to reject and wrong to admit.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from reex import phrasebank

from bench import hidden_states
from bench.datasets import PHRASEBANK, needed

NO_CLASS = -99
FOREIGN_ROWS_MAX = 2000  # of each set, drawn once: enough for an interval of two points
REVIEWS_MAX = 300  # some 1,000 tokens each
NEUTRAL = 1  # of the tweets: a class that films have not


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """n documents: hidden states (n, D) float32 and labels (n,) int64."""

    vectors: np.ndarray
    labels: np.ndarray

    def some(self, count: int, seed: int) -> Rows:
        """At most `count` of them, drawn at random, in their order."""
        if len(self.labels) <= count:
            return self
        drawn = np.sort(np.random.default_rng(seed).permutation(len(self.labels))[:count])
        return Rows(self.vectors[drawn], self.labels[drawn])


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """`foreign` by name; see the module."""

    name: str
    class_count: int
    pool: Rows
    test: Rows
    foreign: dict[str, Rows]

    def with_pool(self, pool: Rows) -> Task:
        return replace(self, pool=pool)


_Lines = list[tuple[str, int]]


def tasks(folder: Path, chosen: list[str], say: Callable[[str], None] = print) -> list[Task]:
    """The `chosen` of EVERY. Raises DataAbsent for a file that is not below `folder`."""
    lines = {name: EVERY[name](folder) for name in chosen}
    texts = {
        f"{name}/{part}": [text for text, _ in rows]
        for name, parts in lines.items()
        for part, rows in parts.items()
    }
    states = hidden_states.of(texts, say)
    made = []
    for name, parts in lines.items():
        rows = {
            part: Rows(states[f"{name}/{part}"], np.array([label for _, label in lines_of], dtype=np.int64))
            for part, lines_of in parts.items()
        }
        pool, test = rows.pop("pool"), rows.pop("test")
        made.append(Task(name, int(pool.labels.max()) + 1, pool, test, rows))
    return made


def _phrasebank(folder: Path) -> dict[str, _Lines]:
    path = needed(folder / PHRASEBANK.parent.name / PHRASEBANK.name, "--data")
    published = phrasebank.split(path)
    pool = [*published.train, *published.calibration]
    pairs = {
        part: [(line["document"], line["label"]) for line in lines]
        for part, lines in (("pool", pool), ("test", published.test))
    }
    return pairs | {"out-of-scope questions": _out_of_scope(folder)}


def _trec(folder: Path) -> dict[str, _Lines]:
    return _own(folder, "trec6") | {"out-of-scope requests": _out_of_scope(folder)}


def _clinc(folder: Path) -> dict[str, _Lines]:
    return _own(folder, "clinc150") | {"out-of-scope requests": _out_of_scope(folder)}


def _sentiment(folder: Path) -> dict[str, _Lines]:
    """Sentences of film reviews; tweets and whole reviews have the same two classes elsewhere."""
    told = _read(folder, "tweeteval_sentiment", "test")
    tweets = [(text, int(label > NEUTRAL)) for text, label in told if label != NEUTRAL]
    reviews = _read(folder, "movie_reviews_2000", "test")
    return _own(folder, "sst2") | {
        "tweets": _some(tweets, FOREIGN_ROWS_MAX),
        "whole reviews": _some(reviews, REVIEWS_MAX),
        "out-of-scope questions": _out_of_scope(folder),
    }


def _tweets(folder: Path) -> dict[str, _Lines]:
    """Three classes; published without a training split."""
    return {
        "pool": _read(folder, "tweeteval_sentiment", "calibration"),
        "test": _read(folder, "tweeteval_sentiment", "test"),
    }


TASKS: dict[str, Callable[[Path], dict[str, _Lines]]] = {
    "phrasebank": _phrasebank,
    "trec6": _trec,
    "clinc150": _clinc,
    "sentiment": _sentiment,
}
EVERY = TASKS | {
    "tweets": _tweets,
    "whole reviews": lambda folder: _own(folder, "movie_reviews_2000"),
    "tweets in eight languages": lambda folder: _own(folder, "xlmt_sentiment_8lang"),
}


def _own(folder: Path, name: str) -> dict[str, _Lines]:
    pool = [*_read(folder, name, "train"), *_read(folder, name, "calibration")]
    return {"pool": pool, "test": _read(folder, name, "test")}


def _out_of_scope(folder: Path) -> _Lines:
    return [(text, NO_CLASS) for text, _ in _read(folder, "clinc150", "oos_test")]


def _read(folder: Path, name: str, part: str) -> _Lines:
    path = needed(folder / name / f"{part}.jsonl", "--data")
    with path.open(encoding="utf-8") as file:
        told = [json.loads(line) for line in file]
    return [(line["document"], int(line["label"])) for line in told]


def _some(lines: _Lines, count: int) -> _Lines:
    drawn = np.sort(np.random.default_rng(0).permutation(len(lines))[:count])
    return [lines[at] for at in drawn]
