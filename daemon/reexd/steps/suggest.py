"""Suggest: which unlabelled documents to label next.

Those that the live version is least likely right on, that many others are like, and that are unlike those suggested
before them: the labels of near copies would say much the same.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reexd.records import UNLABELLED
from reexd.steps.answers import Answers
from reexd.steps.predict import Predict
from reexd.steps.suspects import Pick, Suspect, answered, check_limit, shown
from reexd.store import hidden_states, predictions, references, spaces
from reexd.store.catalogue import Catalogue

LIMIT_MAX = 1_000
CANDIDATES_MAX = 10_000  # the least certain ones; vectors of no more are held
COMPARED = 1_000  # others by which it is told how many are like one


@dataclass(frozen=True)
class Suggestions:
    classes: tuple[str, ...]
    stale: str
    suggestions: list[Suspect]
    unlabelled_count: int


class Suggest:
    def __init__(self, catalogue: Catalogue, predict: Predict) -> None:
        self._catalogue = catalogue
        self._predict = predict

    def run(self, project: str, wanted: Sequence[str], limit: int) -> Suggestions:
        """Score what is not scored yet in the splits, none for all, then choose. Raises NotTrained, SplitNotFound,
        InvalidInput.
        """
        check_limit(limit, LIMIT_MAX)
        count = 0
        candidates: list[
            tuple[float, int, Pick]
        ] = []  # a heap, the most certain first; of equals the last uploaded
        last: Answers | None = None
        for split, answers in answered(self._catalogue, self._predict, project, wanted, 0):
            last = answers
            for record in answers.predictions:
                if record.label != UNLABELLED:
                    continue
                count += 1
                entry = (
                    -predictions.probability(record),
                    -record.document,
                    Pick(record.document, split),
                )
                push = heapq.heappush if len(candidates) < CANDIDATES_MAX else heapq.heappushpop
                push(candidates, entry)
        if last is None:
            return Suggestions((), "", [], 0)
        candidates.sort(reverse=True)
        picks = [pick for _, _, pick in candidates]
        doubt = 1.0 + np.array([negative for negative, _, _ in candidates])
        places = choose(self._vectors(project, last, picks), doubt, limit)
        chosen = shown(self._predict, project, last, [picks[at] for at in places])
        return Suggestions(last.classes, last.stale, chosen, count)

    def _vectors(self, project: str, answers: Answers, picks: Sequence[Pick]) -> np.ndarray:
        """(n, D) hidden states of one length; zero for a document that was deleted meanwhile."""
        numbers = np.array([each.number for each in picks], np.int64)
        with self._catalogue.open(project).read() as txn:
            space = spaces.get(txn, answers.loaded.record.space)
            rows = references.rows(txn, space, numbers)
            vectors = np.zeros((len(numbers), space.dimension), np.float32)
            vectors[rows >= 0] = hidden_states.gather(txn, space, rows[rows >= 0])
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def choose(vectors: np.ndarray, doubt: np.ndarray, limit: int) -> list[int]:
    """Places, in order. (n, D) vectors of one length, (n,) doubt in [0, 1] -> at most `limit` of the n.

    What counts is doubt x mean cosine with the others x (1 - cosine with the nearest that was chosen before).
    """
    some = vectors[:: max(1, len(vectors) // COMPARED)]
    worth = doubt * np.clip(vectors @ some.mean(axis=0), 0.0, 1.0) if len(vectors) else doubt
    apart = np.ones(len(vectors))
    left = np.ones(len(vectors), bool)
    chosen: list[int] = []
    while left.any() and len(chosen) < limit:
        at = int(np.argmax(np.where(left, worth * apart, -1.0)))
        chosen.append(at)
        left[at] = False
        apart = np.minimum(apart, 1.0 - np.clip(vectors @ vectors[at], 0.0, 1.0))
    return chosen
