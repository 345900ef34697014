"""Evaluate: counts over a split's predictions. The headline is over documents that the live version did not use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reexd.errors import SplitNotFound
from reexd.records import OUT_OF_DISTRIBUTION, Role
from reexd.sdm import clopper_pearson
from reexd.steps.predict import Predict
from reexd.store.catalogue import Catalogue

ALPHA_RELIABLE = 0.9  # the rung that counts as an admission in the out-of-distribution figure


@dataclass(frozen=True)
class ClassRow:
    label: int
    name: str
    support: int
    recall: float
    predicted: int
    precision: float


@dataclass(frozen=True)
class RegionRow:
    alpha: float
    admitted: int
    admitted_share: float
    correct: int
    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Evaluation:
    split: str
    version: int
    n: int
    correct: int
    accuracy: float
    interval: tuple[float, float]
    balanced_accuracy: float
    confusion: list[list[int]]
    classes: list[ClassRow]
    regions: list[RegionRow]
    support_count: int
    calibration_count: int
    unseen_count: int
    unlabelled_count: int
    out_of_distribution_count: int
    out_of_distribution_admitted: int
    duplicate_count: int
    accuracy_without_duplicates: float
    not_scored_count: int
    stale: str


@dataclass(frozen=True)
class _Columns:
    """One entry per document of the split."""

    labels: np.ndarray  # (n,) int
    predictions: np.ndarray  # (n,) int
    region_alphas: np.ndarray  # (n,) float
    roles: np.ndarray  # (n,) int
    duplicates: np.ndarray  # (n,) bool, the text equals a support document's
    passed_over: int  # documents of the split without an answer


class Evaluate:
    def __init__(self, catalogue: Catalogue, predict: Predict) -> None:
        self._catalogue = catalogue
        self._predict = predict

    def split(self, project: str, split: str) -> Evaluation:
        """Score what is not scored yet, then count. Raises NotTrained, SplitNotFound when the split is empty."""
        loaded, stale, columns = self._columns(project, split)
        unseen = columns.roles == 0
        known = unseen & (columns.labels >= 0)
        outside = unseen & (columns.labels == OUT_OF_DISTRIBUTION)
        labels, predictions = columns.labels[known], columns.predictions[known]
        right = labels == predictions
        n, correct = len(labels), int(np.count_nonzero(right))
        # A class that was added after this version was trained has documents, hence a row, and no predictions.
        classes = loaded.record.classes
        classes += self._catalogue.get(project).classes[len(classes) :]
        confusion = np.zeros((len(classes), len(classes)), np.int64)  # [true, predicted]
        np.add.at(confusion, (labels, predictions), 1)
        rows = _class_rows(classes, confusion)
        present = [row.recall for row in rows if row.support]
        fresh = right[~columns.duplicates[known]]
        alphas = sorted({region.alpha for region in loaded.record.regions}, reverse=True)
        return Evaluation(
            split=split,
            version=loaded.record.version,
            n=n,
            correct=correct,
            accuracy=_share(correct, n),
            interval=clopper_pearson(correct, n),
            balanced_accuracy=float(np.mean(present)) if present else 0.0,
            confusion=confusion.tolist(),
            classes=rows,
            regions=[region_row(alpha, columns.region_alphas[known], right) for alpha in alphas],
            support_count=int(np.count_nonzero(columns.roles == Role.SUPPORT)),
            calibration_count=int(np.count_nonzero(columns.roles == Role.CALIBRATION)),
            unseen_count=int(np.count_nonzero(unseen)),
            unlabelled_count=int(np.count_nonzero(unseen & (columns.labels == -1))),
            out_of_distribution_count=int(np.count_nonzero(outside)),
            out_of_distribution_admitted=int(
                np.count_nonzero(columns.region_alphas[outside] >= ALPHA_RELIABLE)
            ),
            duplicate_count=int(np.count_nonzero(columns.duplicates & unseen)),
            accuracy_without_duplicates=_share(int(np.count_nonzero(fresh)), len(fresh)),
            not_scored_count=columns.passed_over,
            stale=stale,
        )

    def _columns(self, project: str, split: str):
        labels: list[int] = []
        predictions: list[int] = []
        alphas: list[float] = []
        roles: list[int] = []
        duplicates: list[bool] = []
        answers, passed_over = None, 0
        for answers in self._predict.split(project, split, neighbors=0):
            passed_over += answers.passed_over
            for record, duplicate in zip(answers.predictions, answers.duplicates, strict=True):
                labels.append(record.label)
                predictions.append(record.prediction)
                alphas.append(record.region_alpha)
                roles.append(record.role)
                duplicates.append(duplicate)
        if answers is None:
            raise SplitNotFound(
                f"split {split!r} of project {project!r} holds no documents;"
                f" upload some with `reexctl upload {project} FILE --split {split}`",
                project=project,
                split=split,
            )
        columns = _Columns(
            np.array(labels),
            np.array(predictions),
            np.array(alphas),
            np.array(roles),
            np.array(duplicates, bool),
            passed_over,
        )
        return answers.loaded, answers.stale, columns


def _class_rows(classes: tuple[str, ...], confusion: np.ndarray) -> list[ClassRow]:
    support, predicted, right = confusion.sum(1), confusion.sum(0), confusion.diagonal()
    return [
        ClassRow(
            label=label,
            name=name,
            support=int(support[label]),
            recall=_share(int(right[label]), int(support[label])),
            predicted=int(predicted[label]),
            precision=_share(int(right[label]), int(predicted[label])),
        )
        for label, name in enumerate(classes)
    ]


def region_row(alpha: float, region_alphas: np.ndarray, right: np.ndarray) -> RegionRow:
    """Cumulative: documents of this region or a higher one."""
    inside = region_alphas >= alpha
    admitted, correct = int(np.count_nonzero(inside)), int(np.count_nonzero(right & inside))
    return RegionRow(
        alpha=alpha,
        admitted=admitted,
        admitted_share=_share(admitted, len(right)),
        correct=correct,
        accuracy=_share(correct, admitted),
        interval=clopper_pearson(correct, admitted),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
