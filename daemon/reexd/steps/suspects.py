"""Documents that are chosen from what the live version says of all: few are held, however many are looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reexd.errors import InvalidInput
from reexd.records import Prediction
from reexd.steps.answers import Answers
from reexd.steps.predict import BATCH, Predict
from reexd.store import splits
from reexd.store.catalogue import Catalogue

NEIGHBORS_SHOWN = 5
CHARACTERS_MAX = 4 << 20  # of texts; beyond them what is shown ends with the document that brought them


@dataclass(frozen=True)
class Pick:
    """A document that was chosen, before it is shown."""

    number: int
    split: str
    alike_count: int = 0  # of the nearest training documents that were asked, those with its label


@dataclass(frozen=True)
class Suspect:
    """A document as a version sees it."""

    split: str
    prediction: Prediction  # with its nearest training documents, NEIGHBORS_SHOWN of them
    text: str
    alike_count: int


def answered(
    catalogue: Catalogue, predict: Predict, project: str, wanted: Sequence[str], neighbors: int
) -> Iterator[tuple[str, Answers]]:
    """What the live version says of each document of the splits, none for all, batch by batch. Raises SplitNotFound,
    NotTrained.
    """
    with catalogue.open(project).read() as txn:
        names = list(dict.fromkeys(wanted)) or [
            name for name, counts in splits.summary(txn).items() if counts
        ]
        for name in names:
            splits.find(txn, name)
    for name in names:
        for answers in predict.split(project, name, neighbors):
            yield name, answers


def shown(predict: Predict, project: str, like: Answers, picks: Sequence[Pick]) -> list[Suspect]:
    """Those that were picked, by the version that gave `like`; fewer where their texts are long."""
    found: list[Suspect] = []
    characters = 0
    for start in range(0, len(picks), BATCH):
        by_number = {each.number: each for each in picks[start : start + BATCH]}
        numbers = np.array(list(by_number), np.int64)
        answers = predict.stored(project, like.loaded, numbers, NEIGHBORS_SHOWN)
        for record, text in zip(answers.predictions, answers.texts, strict=True):
            pick = by_number[record.document]
            found.append(Suspect(pick.split, record, text, pick.alike_count))
            characters += _characters([text, *(each.text for each in record.neighbors)])
            if characters > CHARACTERS_MAX:
                return found
    return found


def check_limit(limit: int, most: int) -> None:
    if not 1 <= limit <= most:
        raise InvalidInput(f"a limit lies between 1 and {most:,}; received {limit}")


def _characters(texts: Iterable[str]) -> int:
    return sum(map(len, texts))
