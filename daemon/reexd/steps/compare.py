"""Compare: two versions on the same documents, which neither of them used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reexd.errors import SplitNotFound
from reexd.records import OUT_OF_DISTRIBUTION
from reexd.sdm import clopper_pearson
from reexd.steps.classifiers import number_of
from reexd.steps.evaluate import ALPHA_RELIABLE, RegionRow, region_row
from reexd.steps.predict import Predict
from reexd.store import classifiers, documents
from reexd.store.catalogue import Catalogue


@dataclass(frozen=True)
class Compared:
    """One version on the n documents of a comparison."""

    version: int
    correct: int
    accuracy: float
    interval: tuple[float, float]
    balanced_accuracy: float
    regions: list[RegionRow]
    out_of_distribution_admitted: int


@dataclass(frozen=True)
class Comparison:
    split: str
    n: int
    first: Compared
    second: Compared
    agreed: int
    only_first_correct: int
    only_second_correct: int
    out_of_distribution_count: int
    left_out_count: int


@dataclass(frozen=True)
class _Columns:
    """What one version answered, one entry per document that it scored."""

    documents: np.ndarray  # (n,) int64
    labels: np.ndarray  # (n,) int
    predictions: np.ndarray  # (n,) int
    region_alphas: np.ndarray  # (n,) float
    roles: np.ndarray  # (n,) int

    def of(self, chosen: np.ndarray) -> _Columns:
        """Those of document numbers, in their order; each must be there."""
        order = np.argsort(self.documents)
        at = order[np.searchsorted(self.documents[order], chosen)]
        return _Columns(*(getattr(self, name)[at] for name in self.__dataclass_fields__))


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
        one, other = (columns.of(shared) for columns in answered)
        known, outside = other.labels >= 0, other.labels == OUT_OF_DISTRIBUTION
        alphas = sorted({region.alpha for record in records for region in record.regions}, reverse=True)
        labels = other.labels[known]
        right = [columns.predictions[known] == labels for columns in (one, other)]
        return Comparison(
            split=split,
            n=len(labels),
            first=_compared(versions[0], one, labels, known, outside, alphas),
            second=_compared(versions[1], other, labels, known, outside, alphas),
            agreed=int((one.predictions[known] == other.predictions[known]).sum()),
            only_first_correct=int((right[0] & ~right[1]).sum()),
            only_second_correct=int((~right[0] & right[1]).sum()),
            out_of_distribution_count=int(outside.sum()),
            left_out_count=max(0, total - len(shared)),
        )

    def _columns(self, project: str, split: str, version: int) -> _Columns:
        found = [
            (record.document, record.label, record.prediction, record.region_alpha, record.role)
            for answers in self._predict.split(project, split, neighbors=0, version=version)
            for record in answers.predictions
        ]
        columns = list(zip(*found, strict=True)) if found else [()] * 5
        kinds = (np.int64, np.int64, np.int64, np.float64, np.int64)
        return _Columns(*(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)))


def _compared(
    version: int,
    columns: _Columns,
    labels: np.ndarray,
    known: np.ndarray,
    outside: np.ndarray,
    alphas: list[float],
) -> Compared:
    right = columns.predictions[known] == labels
    n, correct = len(labels), int(right.sum())
    recalls = [float(right[labels == label].mean()) for label in np.unique(labels)]
    return Compared(
        version=version,
        correct=correct,
        accuracy=correct / n if n else 0.0,
        interval=clopper_pearson(correct, n),
        balanced_accuracy=float(np.mean(recalls)) if recalls else 0.0,
        regions=[region_row(alpha, columns.region_alphas[known], right) for alpha in alphas],
        out_of_distribution_admitted=int((columns.region_alphas[outside] >= ALPHA_RELIABLE).sum()),
    )
