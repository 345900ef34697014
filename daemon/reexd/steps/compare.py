"""Compare: two versions on the same documents, which neither of them used."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np

from reexd.errors import SplitNotFound
from reexd.records import Classifier
from reexd.sdm import Cell
from reexd.steps.classifiers import Origin, number_of, origin_of
from reexd.steps.evaluate import Columns, Part, admitted_outside, part_of
from reexd.steps.predict import Predict, Wanted
from reexd.store import classifiers, documents
from reexd.store.catalogue import Catalogue


@dataclass(frozen=True)
class Compared:
    """One version on the n documents of a comparison."""

    version: int
    origin: Origin
    part: Part
    out_of_distribution: Cell  # and how many of those are admitted


@dataclass(frozen=True)
class Comparison:
    split: str
    n: int
    first: Compared
    second: Compared
    agreed: int
    only_first_correct: int
    only_second_correct: int
    left_out_count: int


class Compare:
    def __init__(self, catalogue: Catalogue, predict: Predict) -> None:
        self._catalogue = catalogue
        self._predict = predict

    def split(self, project: str, first: str, second: str, split: str) -> Comparison:
        """Score with both what is not scored yet, then count over labelled documents unseen by both.

        Raises InvalidName, ClassifierNotFound, and SplitNotFound when the split is empty.
        """
        versions = [number_of(name) for name in (first, second)]
        with self._catalogue.open(project).read() as txn:
            records = [classifiers.get(txn, version) for version in versions]
            total = len(documents.numbers(txn, split))
        if not total:
            raise SplitNotFound(
                f"split {split!r} of project {project!r} holds no documents;"
                f" upload some with `reexctl upload {project} FILE --split {split}`",
                project=project,
                split=split,
            )
        answered = [self._columns(project, split, version) for version in versions]
        unseen = [columns.documents[columns.roles == 0] for columns in answered]
        shared = np.intersect1d(*unseen)
        one, other = (_ordered(columns, shared) for columns in answered)
        # A label that was changed between the two readings must be the same to both.
        one = replace(one, labels=other.labels)
        known = other.labels >= 0
        alphas = sorted({region.alpha for record in records for region in record.regions}, reverse=True)
        class_count = len(self._catalogue.get(project).classes)
        right = [columns.where(known).right for columns in (one, other)]
        return Comparison(
            split=split,
            n=int(known.sum()),
            first=_compared(records[0], one, alphas, class_count),
            second=_compared(records[1], other, alphas, class_count),
            agreed=int((one.predictions[known] == other.predictions[known]).sum()),
            only_first_correct=int((right[0] & ~right[1]).sum()),
            only_second_correct=int((~right[0] & right[1]).sum()),
            left_out_count=max(0, total - len(shared)),
        )

    def _columns(self, project: str, split: str, version: int) -> Columns:
        batches = self._predict.split(project, split, 0, Wanted(version=version))
        return Columns.joined(answers.predictions for answers in batches)


def _ordered(columns: Columns, chosen: np.ndarray) -> Columns:
    """Those of document numbers, in their order; each must be there."""
    order = np.argsort(columns.documents)
    return columns.where(order[np.searchsorted(columns.documents[order], chosen)])


def _compared(record: Classifier, columns: Columns, alphas: list[float], class_count: int) -> Compared:
    known = columns.where(columns.labels >= 0)
    origin = origin_of(json.loads(record.training_json))
    return Compared(record.version, origin, part_of(known, alphas, class_count), admitted_outside(columns))
