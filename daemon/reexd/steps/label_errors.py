"""Label errors: documents whose label the live version contradicts, those first whose neighbours do, too.

The network has seen the labels of what trained it, wrong ones among them; the nearest training documents, itself
excluded, are witnesses that it does not sway, and where they do not tell, the softmax of the label does. With every
twentieth label of three sets set wrong at random, the sum of both found about as many as the better of the two
(docs/calibration.md).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

from reexd.records import OUT_OF_DISTRIBUTION, Prediction
from reexd.steps.answers import Answers
from reexd.steps.predict import Predict
from reexd.steps.suspects import Pick, Suspect, answered, check_limit, shown
from reexd.store.catalogue import Catalogue

LIMIT_MAX = 10_000
NEIGHBORS = 25  # that are asked
NEIGHBORS_WEIGHT = 2.0  # beside the softmax

_Rank = tuple[float, float, int]


@dataclass(frozen=True)
class LabelErrors:
    classes: tuple[str, ...]
    stale: str
    suspects: list[Suspect]
    examined_count: int
    contradicted_count: int


class FindLabelErrors:
    def __init__(self, catalogue: Catalogue, predict: Predict) -> None:
        self._catalogue = catalogue
        self._predict = predict

    def run(self, project: str, wanted: Sequence[str], limit: int) -> LabelErrors:
        """Score what is not scored yet in the splits, none for all, then rank. Raises NotTrained, SplitNotFound,
        InvalidInput.
        """
        check_limit(limit, LIMIT_MAX)
        examined = contradicted = 0
        best: list[tuple[_Rank, Pick]] = []  # a heap, the least suspected first
        last: Answers | None = None
        for split, answers in answered(self._catalogue, self._predict, project, wanted, NEIGHBORS):
            last = answers
            for record in answers.predictions:
                if not (0 <= record.label < len(answers.classes) or record.label == OUT_OF_DISTRIBUTION):
                    continue
                examined += 1
                if not _contradicted(record):
                    continue
                contradicted += 1
                alike = sum(each.label == record.label for each in record.neighbors)
                push = heapq.heappush if len(best) < limit else heapq.heappushpop
                push(best, (_rank(record), Pick(record.document, split, alike)))
        if last is None:
            return LabelErrors((), "", [], 0, 0)
        ranked = [pick for _, pick in sorted(best, key=lambda entry: entry[0], reverse=True)]
        suspects = shown(self._predict, project, last, ranked)
        return LabelErrors(last.classes, last.stale, suspects, examined, contradicted)


def _contradicted(record: Prediction) -> bool:
    """Of no class and admitted to one all the same, or of another class."""
    if record.label == OUT_OF_DISTRIBUTION:
        return record.region_alpha > 0
    return record.label != record.prediction


def _rank(record: Prediction) -> _Rank:
    """The larger, the more suspected: by how little the nearest training documents have its label, nearer ones weighing
    more, and how little the softmax gives it; then by the region. The document's number, which is unique, breaks ties.
    """
    weights = [1.0 / place for place in range(1, len(record.neighbors) + 1)]
    own = math.fsum(
        weight for weight, each in zip(weights, record.neighbors, strict=True) if each.label == record.label
    )
    near = own / math.fsum(weights) if weights else 0.0
    return -(NEIGHBORS_WEIGHT * near + _softmax(record)), record.region_alpha, -record.document


def _softmax(record: Prediction) -> float:
    """What the softmax gives the label; nothing to that of no class."""
    if record.label < 0:
        return 0.0
    top = max(record.logits)
    return math.exp(record.logits[record.label] - top) / math.fsum(
        math.exp(each - top) for each in record.logits
    )
