"""The records that tell of classifier versions: what a version is, and how two of them compare."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reex.figures import Interval, RegionEvaluation
from reex.types import Record, plain


@dataclass(frozen=True, slots=True)
class RegionSummary(Record):
    alpha: float
    q_prime_min: float
    thresholds: tuple[float, ...]  # one per class


@dataclass(frozen=True, slots=True)
class ClassifierSummary(Record):
    name: str  # like v3
    live: bool
    origin: str  # train | continue | add | recalibrate | import
    parent: str  # the version it was derived from or continues; empty when it was trained anew
    create_time: datetime | None
    model: str
    pooling: str  # empty when it was written before that was recorded
    document_prefix: str  # likewise; none: nothing was read before a text
    attribute_count: int  # that each text must bring to be answered
    support_count: int
    calibration_count: int
    added_since_calibration: int  # support documents
    ensemble_size: int  # members, the version itself included; 0 without an ensemble
    tuned: bool  # the top layers of its language model, to the labels
    official: bool  # trained as the official package trains; False for one that was imported
    regions: tuple[RegionSummary, ...]
    stale: str
    unused_count: int
    warnings: tuple[str, ...]
    training_json: str  # empty in lists

    @property
    def training(self) -> dict[str, Any]:
        """Settings, curves, digests and durations."""
        return json.loads(self.training_json) if self.training_json else {}

    def to_dict(self) -> dict[str, Any]:
        shape = Record.to_dict(self)
        del shape["training_json"]
        return shape | ({"training": plain(self.training)} if self.training_json else {})


@dataclass(frozen=True, slots=True)
class Undone(Record):
    """An `add` that was taken back."""

    classifier: ClassifierSummary  # live again
    restored_count: int  # documents that have their label or split back
    kept_ids: tuple[str, ...]  # edited since, and left as they are


@dataclass(frozen=True, slots=True)
class ComparedClassifier(Record):
    """One version on the documents of a comparison."""

    name: str
    correct: int
    accuracy: float
    interval: Interval
    balanced_accuracy: float
    regions: tuple[RegionEvaluation, ...]  # every alpha of which either version has a region, highest first
    out_of_distribution_admitted: int  # to a region of alpha >= 0.9
    origin: str = ""  # as in its summary
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Comparison(Record):
    """Figures over the labelled documents that neither version used; `n` of them."""

    split: str
    n: int
    first: ComparedClassifier
    second: ComparedClassifier
    agreed: int  # predicted the same by both
    only_first_correct: int
    only_second_correct: int
    out_of_distribution_count: int
    left_out_count: int  # used by one of the versions, or not scored; in no figure above
