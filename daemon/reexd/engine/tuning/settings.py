"""What a tuning is told, chosen from the size of model and data. Owns the split that leaves calibration unseen.

Must not know: MLX, documents or jobs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from reexd.errors import InvalidSetting, NotEnoughData

EPOCHS = 3
BATCH_SIZE = 16
LEARNING_RATE = 5e-5
TRAINING_SHARE = 0.85  # of each class; the rest calibrates
HELD_SHARE = 0.08  # of each class of the training side: read by nothing but the choice of the epoch
HELD_ROWS_MIN = 2
TUNED_SHARE = 1 / 3  # of the layers
SMALL_PARAMETERS = 30_000_000  # models up to it are tuned from the first layer


@dataclass(frozen=True, slots=True)
class TuneSettings:
    """Settings of one tuning."""

    class_count: int  # C >= 2
    layers: int  # k >= 1, tuned from the top
    epochs: int = EPOCHS
    batch_size: int = BATCH_SIZE  # documents of one step
    learning_rate: float = LEARNING_RATE  # at its peak, of the highest layer
    layer_decay: float = 0.9  # of the learning rate, per layer downwards
    head_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_share: float = 0.1  # of all steps; the rate falls linearly to zero after it
    dropout: float = 0.1  # of the pooled state, before the head
    norm_max: float = 1.0  # gradients are shortened to it
    patience: int = 2  # epochs in a row that are `worse` on the held part before it stops; 0 never
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (
            ("class_count", 2),
            ("layers", 1),
            ("epochs", 1),
            ("batch_size", 1),
            ("patience", 0),
            ("seed", 0),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InvalidSetting(
                    f"{name} must be an integer of at least {least}, got {value!r}", name=name
                )
        for name in ("learning_rate", "head_learning_rate", "norm_max"):
            value = getattr(self, name)
            if not math.isfinite(value) or value <= 0:
                raise InvalidSetting(f"{name} must be a positive number, got {value!r}", name=name)
        for name, most in (("layer_decay", 1.0), ("warmup_share", 1.0), ("dropout", 0.9)):
            if not 0 <= getattr(self, name) <= most:
                raise InvalidSetting(
                    f"{name} lies between 0 and {most}, got {getattr(self, name)}", name=name
                )

    def to_dict(self) -> dict[str, object]:
        """A JSON-able mapping; `from_dict` is its inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> TuneSettings:
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise InvalidSetting(f"unknown settings {unknown}; known are {sorted(known)}")
        return cls(**values)  # type: ignore[arg-type]


def layers_tuned(layer_count: int, parameters: int) -> int:
    """How many layers to tune when nobody says: all of a small model, the top third of a larger one.

    The lower layers of a larger model are run once instead of once per epoch, forwards and backwards.
    """
    return layer_count if parameters <= SMALL_PARAMETERS else max(1, round(layer_count * TUNED_SHARE))


def held_out(labels: np.ndarray, rows: np.ndarray, seed: int) -> np.ndarray:
    """(n,) bool over `rows` of the training side: those that choose the epoch, stratified.

    A class of few rows gives at least `HELD_ROWS_MIN` of them, and never more than half.
    """
    rng = np.random.default_rng([seed, 1])
    held = np.zeros(len(rows), bool)
    for label in np.unique(labels[rows]):
        members = np.flatnonzero(labels[rows] == label)
        count = min(max(HELD_ROWS_MIN, round(HELD_SHARE * len(members))), len(members) // 2)
        held[rng.permutation(members)[:count]] = True
    return held


def worse(before: np.ndarray, now: np.ndarray, labels: np.ndarray) -> bool:
    """Whether an epoch that is right on `now` lost accuracy against `before`, by more than a standard error.

    All (n,) over the held part; balanced over its classes, of paired differences, their variance that of two equally
    good epochs (McNemar, Psychometrika 12, 1947). The rate falls to zero with the last epoch, which settles what the
    earlier ones left in motion, and the held part is small: so a later epoch has to be shown to be worse, not the
    earlier one to be no better. The loss is no judge: it rises with how sure the model is while it goes on to be right
    more often, and calibration comes later.
    """
    present = np.unique(labels)
    if not present.size:
        return False
    differences = [now[labels == label] - before[labels == label] for label in present]
    mean = np.mean([each.mean() for each in differences])
    variance = sum(np.square(each).mean() / each.size for each in differences) / present.size**2
    return bool(mean < -math.sqrt(variance))


def row_weights(labels: np.ndarray, class_count: int) -> np.ndarray:
    """(n,) float32: the square root of each row's inverse class frequency, with mean one.

    Between the plain mean, which neglects rare classes, and the balanced one, which repeats their few documents.
    Raises NotEnoughData when a class has no row.
    """
    counts = np.bincount(labels, minlength=class_count)
    if (counts == 0).any():
        raise NotEnoughData(f"every class needs documents to tune on; rows per class: {counts.tolist()}")
    weights = 1 / np.sqrt(counts[labels])
    return (weights / weights.mean()).astype(np.float32)


def choose(class_rows: Sequence[int], layers: int, **changes: object) -> TuneSettings:
    """Settings for a pool of so many rows per class; `changes` are fields the caller fixes."""
    return TuneSettings(class_count=len(class_rows), layers=layers, **changes)  # type: ignore[arg-type]
