"""Checks the labelled corpus under examples/corpus against the promises of its README.

Owns the list of those promises: well-formed lines, unique ids, balanced classes, enough rows to calibrate, no
near-duplicates, and a difficulty that a bag of words neither solves nor fails at. It needs numpy and
scikit-learn, knows nothing of the daemon, and changes no file.

    python tools/check_corpus.py [FOLDER]

Prints the measured figures as one JSON object, then one line for each broken promise; exit code 1 if any.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline

DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / "examples" / "corpus"
LABELLED_SPLITS = ("train", "calibration", "test")
OFF_TOPIC_SPLIT = "off_topic"
OFF_TOPIC_LABEL = -99
HARD = "hard"

CLASSES_MIN, CLASSES_MAX = 3, 4
LABELLED_MIN = 600
CALIBRATION_PER_CLASS_MIN = 40
HARD_MIN = 20
OFF_TOPIC_MIN = 50
WORDS_MIN, WORDS_MAX = 8, 45
CLASS_IMBALANCE_MAX = 1.2
JACCARD_MAX = 0.6
ACCURACY_MIN, ACCURACY_MAX = 0.75, 0.92
FOLDS = 5

WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Row:
    """One document with the place it was read from, so that a problem can name its line."""

    split: str
    line: int
    id: str
    label: int
    document: str
    info: str

    @property
    def place(self) -> str:
        return f"{self.split}.jsonl:{self.line}"


def read_labels(folder: Path) -> dict[int, str]:
    """Class number -> display name, from labels.jsonl."""
    lines = (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    return {entry["label"]: entry["name"] for entry in map(json.loads, lines)}


def read_rows(folder: Path, problems: list[str]) -> list[Row]:
    """All rows of all splits; a line that is not a document is reported in `problems` and left out."""
    rows = []
    for split in (*LABELLED_SPLITS, OFF_TOPIC_SPLIT):
        # Not splitlines(): it also breaks at U+2028 and its kin, which JSON strings may hold unescaped.
        lines = (folder / f"{split}.jsonl").read_text(encoding="utf-8").removesuffix("\n").split("\n")
        for number, line in enumerate(lines, start=1):
            try:
                rows.append(_row(split, number, json.loads(line)))
            except (ValueError, TypeError, KeyError) as error:
                problems.append(f"{split}.jsonl:{number}: not a document line: {error!r}")
    return rows


def _row(split: str, line: int, entry: dict[str, Any]) -> Row:
    unknown = set(entry) - {"id", "label", "document", "info"}
    if unknown:
        raise ValueError(f"unknown fields {sorted(unknown)}")
    row = Row(split, line, entry["id"], entry["label"], entry["document"], entry.get("info", ""))
    if type(row.label) is not int or not all(
        isinstance(text, str) for text in (row.id, row.document, row.info)
    ):
        raise TypeError("id, document and info are strings, label is an integer")
    return row


def check_rows(rows: Sequence[Row], names: dict[int, str]) -> Iterator[str]:
    """Problems of single rows: ids, labels, lengths, stray white space, exact repeats."""
    ids = Counter(row.id for row in rows)
    texts = Counter(row.document for row in rows)
    for row in rows:
        words = len(row.document.split())
        known = row.label == OFF_TOPIC_LABEL if row.split == OFF_TOPIC_SPLIT else row.label in names
        if not known:
            yield f"{row.place}: label {row.label} does not belong in {row.split}"
        if ids[row.id] > 1:
            yield f"{row.place}: id {row.id!r} is used {ids[row.id]} times"
        if texts[row.document] > 1:
            yield f"{row.place}: the document occurs {texts[row.document]} times"
        if not WORDS_MIN <= words <= WORDS_MAX:
            yield f"{row.place}: {words} words, expected {WORDS_MIN} to {WORDS_MAX}"
        if row.document != " ".join(row.document.split()):
            yield f"{row.place}: stray white space"
        if row.info == HARD and row.split != "test":
            yield f"{row.place}: hard cases are held out, expected them in test only"


def check_counts(rows: Sequence[Row], names: dict[int, str]) -> Iterator[str]:
    """Problems of the corpus as a whole: number of classes, sizes, balance in each split."""
    if sorted(names) != list(range(len(names))) or not CLASSES_MIN <= len(names) <= CLASSES_MAX:
        yield f"labels.jsonl: labels {sorted(names)}, expected 0..{CLASSES_MIN - 1} or 0..{CLASSES_MAX - 1}"
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for row in rows:
        counts[row.split][row.label] += 1
    labelled = sum(counts[split].total() for split in LABELLED_SPLITS)
    hard = sum(row.info == HARD for row in rows)
    if labelled < LABELLED_MIN:
        yield f"{labelled} labelled documents, expected at least {LABELLED_MIN}"
    if hard < HARD_MIN:
        yield f"{hard} hard documents in test, expected at least {HARD_MIN}"
    if counts[OFF_TOPIC_SPLIT].total() < OFF_TOPIC_MIN:
        yield f"{counts[OFF_TOPIC_SPLIT].total()} off-topic documents, expected at least {OFF_TOPIC_MIN}"
    for split in LABELLED_SPLITS:
        sizes = {name: counts[split][label] for label, name in names.items()}
        if max(sizes.values()) > CLASS_IMBALANCE_MAX * min(sizes.values()):
            yield f"{split}: classes out of balance: {sizes}"
        if split == "calibration" and min(sizes.values()) < CALIBRATION_PER_CLASS_MIN:
            yield f"calibration: {sizes}, expected at least {CALIBRATION_PER_CLASS_MIN} a class"


def nearest_pair(documents: Sequence[str]) -> tuple[float, int, int]:
    """The largest Jaccard similarity of two lower-cased word sets, in 0..1, with the two positions (i < j).

    Raises ValueError for fewer than two documents.
    """
    if len(documents) < 2:
        raise ValueError(f"expected at least two documents, received {len(documents)}")
    vectorizer = CountVectorizer(binary=True, tokenizer=WORD.findall, token_pattern=None, dtype=np.int32)
    present = vectorizer.fit_transform(documents)
    shared = (present @ present.T).toarray()
    sizes = shared.diagonal()
    jaccard = np.triu(shared / (sizes[:, None] + sizes[None, :] - shared), k=1)
    first, second = np.unravel_index(int(jaccard.argmax()), jaccard.shape)
    return float(jaccard[first, second]), int(first), int(second)


def bag_of_words_accuracy(rows: Sequence[Row], seed: int = 0) -> float:
    """Mean accuracy, in 0..1, of TF-IDF with logistic regression over stratified folds of labelled rows."""
    labelled = [row for row in rows if row.label >= 0]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    texts, labels = [row.document for row in labelled], [row.label for row in labelled]
    return float(cross_val_score(model, texts, labels, cv=folds).mean())


def check(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The measured figures of the corpus in `folder`, and its broken promises (none when all are kept)."""
    problems: list[str] = []
    names = read_labels(folder)
    rows = read_rows(folder, problems)
    problems += check_rows(rows, names)
    problems += check_counts(rows, names)
    jaccard, first, second = nearest_pair([row.document for row in rows])
    if jaccard > JACCARD_MAX:
        pair = f"{rows[first].place} and {rows[second].place}"
        problems.append(f"{pair}: word overlap (Jaccard) {jaccard:.2f}, expected at most {JACCARD_MAX}")
    accuracy = bag_of_words_accuracy(rows)
    if not ACCURACY_MIN <= accuracy <= ACCURACY_MAX:
        problems.append(f"bag-of-words accuracy {accuracy:.3f}, expected {ACCURACY_MIN} to {ACCURACY_MAX}")
    figures = {
        "documents": dict(Counter(row.split for row in rows)),
        "hard": sum(row.info == HARD for row in rows),
        "words_mean": round(float(np.mean([len(row.document.split()) for row in rows])), 1),
        "jaccard_max": round(jaccard, 3),
        "bag_of_words_accuracy": round(accuracy, 3),
    }
    return figures, problems


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Check the labelled corpus against the promises of its README."
    )
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT_FOLDER)
    figures, problems = check(parser.parse_args(arguments).folder)
    print(json.dumps(figures, indent=2))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
