"""Label errors: documents whose label the live version contradicts, those first whose neighbours do, too.

The network has seen the labels of what trained it, wrong ones among them; the nearest training documents, itself
excluded, are witnesses that it does not sway, and where they do not tell, the softmax of the label does. With every
twentieth label of three sets set wrong at random, the sum of both found about as many as the better of the two
(docs/calibration.md).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from reexd.errors import InvalidInput
from reexd.records import OUT_OF_DISTRIBUTION, Prediction
from reexd.steps.answers import Answers
from reexd.steps.predict import Predict
from reexd.store import splits
from reexd.store.catalogue import Catalogue

LIMIT_MAX = 10_000
NEIGHBORS_SHOWN = 5
NEIGHBORS = 25  # that are asked
NEIGHBORS_WEIGHT = 2.0  # beside the softmax


_Rank = tuple[float, float, int]


@dataclass(frozen=True)
class Suspect:
    """A document as the live version sees it."""

    split: str
    prediction: Prediction  # with its nearest training documents, NEIGHBORS_SHOWN of them
    text: str
    alike_count: int = 0  # of NEIGHBORS of them, those with its label


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
        best: list[tuple[_Rank, Suspect]] = []  # a heap, the least suspected first
        last: Answers | None = None
        for split, answers in answered(self._catalogue, self._predict, project, wanted, NEIGHBORS):
            last = answers
            known = len(answers.classes)
            for record, text in zip(answers.predictions, answers.texts, strict=True):
                if not (0 <= record.label < known or record.label == OUT_OF_DISTRIBUTION):
                    continue
                examined += 1
                if not _contradicted(record):
                    continue
                contradicted += 1
                alike = sum(each.label == record.label for each in record.neighbors)
                shown = replace(record, neighbors=record.neighbors[:NEIGHBORS_SHOWN])
                entry = (_rank(record), Suspect(split, shown, text, alike))
                push = heapq.heappush if len(best) < limit else heapq.heappushpop
                push(best, entry)
        ranked = [suspect for _, suspect in sorted(best, key=lambda entry: entry[0], reverse=True)]
        classes, stale = ((), "") if last is None else (last.classes, last.stale)
        return LabelErrors(classes, stale, ranked, examined, contradicted)


def answered(
    catalogue: Catalogue, predict: Predict, project: str, wanted: Sequence[str], neighbors: int
) -> Iterator[tuple[str, Answers]]:
    """What the live version says of each document of the splits, none for all, batch by batch."""
    with catalogue.open(project).read() as txn:
        names = list(dict.fromkeys(wanted)) or [
            name for name, counts in splits.summary(txn).items() if counts
        ]
        for name in names:
            splits.find(txn, name)
    for name in names:
        for answers in predict.split(project, name, neighbors):
            yield name, answers


def check_limit(limit: int, most: int) -> None:
    if not 1 <= limit <= most:
        raise InvalidInput(f"a limit lies between 1 and {most:,}; received {limit}")


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
