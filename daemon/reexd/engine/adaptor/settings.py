"""What a fit is told: the official package's settings, or ours chosen from the data's size (sdm.md 1, 16).

Owns: defaults, their bounds, and the split they imply. Must not know: MLX, documents or jobs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from reexd.errors import InvalidSetting, NotEnoughData
from reexd.sdm import NEIGHBORS_MAX, Q_OFFSET, check_split, iteration_seed, official_split, stratified_split
from reexd.sdm.shuffling import SEED_LIMIT

EXEMPLAR_SIZE = 1000
ROWS_PER_CLASS_MIN = 2

# What `choose` starts from; see there.
TRAINING_SHARE = 0.7
STEPS_PER_EPOCH = 48
BATCH_BOUNDS = 16, 256
LEARNING_RATE = 5e-5
EPOCHS_MAX = 60
PATIENCE = 12
SHUFFLES = 4
MANY_ROWS = 30_000
POOLED_ROWS_PER_CLASS = 20


@dataclass(frozen=True, slots=True)
class FitSettings:
    """Settings of one fit, and of the J shuffles it is one of. The defaults are the official package's."""

    class_count: int  # C >= 2
    exemplar_size: int = EXEMPLAR_SIZE  # M
    epochs: int = 20  # E, at most
    batch_size: int = 64
    learning_rate: float = 1e-5
    seed: int = 0  # of this fit: the job's seed plus the shuffle's number
    neighbors_max: int = NEIGHBORS_MAX  # K >= 2
    regression_start: bool = False  # the first epoch solves the regularised regression instead
    calibrated_bias: bool = False  # after every epoch the bias is fitted to calibration rows
    calibrated_scale: bool = False  # at the end the scale of the logits is
    cross_entropy_epochs: int = 1  # E0 <= E: epochs before q and d shape the loss
    balanced: bool = False  # weight rows by inverse class frequency; else the plain mean
    patience: int = 0  # epochs without a better balanced calibration loss before a phase ends; 0 never
    shuffles: int = 1  # J
    training_share: float = 0.5  # of each class, when stratified
    stratified: bool = False  # else the package's halves
    pooled_classes_min: int = 0  # classes with fewer calibrated rows share a distance CDF; 0 never
    certified: bool = False  # a rung may leave classes out; else it takes all of them
    q_offset: float = Q_OFFSET  # in (1, e]
    ood_limit: int = 0  # rows with q up to it stay out of the distance CDFs

    def __post_init__(self) -> None:
        for name, least in (
            ("class_count", 2),
            ("exemplar_size", 1),
            ("epochs", 1),
            ("batch_size", 1),
            ("neighbors_max", 2),
            ("cross_entropy_epochs", 1),
            ("patience", 0),
            ("shuffles", 1),
            ("pooled_classes_min", 0),
            ("ood_limit", 0),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InvalidSetting(
                    f"{name} must be an integer of at least {least}, got {value!r}", name=name
                )
        if self.cross_entropy_epochs > self.epochs:
            raise InvalidSetting(
                f"cross_entropy_epochs must be in 1..{self.epochs} (epochs), got {self.cross_entropy_epochs}",
                name="cross_entropy_epochs",
            )
        if not 0 <= self.seed < SEED_LIMIT:
            raise InvalidSetting(f"seed must be in 0..2^64-1, got {self.seed}", name="seed")
        rate = np.float32(self.learning_rate)
        if not math.isfinite(rate) or rate <= 0:
            raise InvalidSetting(
                f"learning_rate must be a positive Float32, got {self.learning_rate}", name="learning_rate"
            )
        if not 1.0 < self.q_offset <= math.e:
            raise InvalidSetting(f"q_offset must be in (1, e], got {self.q_offset}", name="q_offset")
        if not 0.0 < self.training_share < 1.0:
            raise InvalidSetting(
                f"training_share must be in (0, 1), got {self.training_share}", name="training_share"
            )

    def to_dict(self) -> dict[str, object]:
        """A JSON-able mapping; `from_dict` is its inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> FitSettings:
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise InvalidSetting(f"unknown settings {unknown}; known are {sorted(known)}")
        return cls(**values)  # type: ignore[arg-type]

    @property
    def cross_entropy_q(self) -> np.float32:
        """The q that, with d = 1, turns the SDM loss into cross-entropy: e - q_offset (sdm.md 6)."""
        return np.float32(math.e - self.q_offset)

    def iteration_seed(self, iteration: int) -> int:
        """Seed of the 0-based shuffle: (seed + i) mod 2^64."""
        return iteration_seed(self.seed, iteration)

    def split(
        self,
        labels: np.ndarray,
        iteration: int,
        held: np.ndarray | None = None,
        groups: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """(training_index, calibration_index) of one shuffle over the pool's labels, (n,) in 0..C-1.

        `held` (n,) keeps rows of a continued training on their side, `groups` (n,) equal rows on the same one (see
        `sdm.stratified_split`); the package's halves know no such things. Raises NotEnoughData when a side would lack
        a class.
        """
        seed = self.iteration_seed(iteration)
        try:
            if self.stratified:
                halves = stratified_split(labels, self.training_share, seed, held, groups)
            else:
                halves = official_split(len(labels), seed)
            for index, name in zip(halves, ("training", "calibration"), strict=True):
                check_split(labels[index], self.class_count, name)
        except ValueError as error:
            raise NotEnoughData(f"shuffle {iteration + 1}: {error}") from error
        return halves


def official(class_count: int, **changes: object) -> FitSettings:
    """The package's own: halves, plain mean loss, no early stopping; `changes` are fields to set
    otherwise."""
    return FitSettings(class_count, **changes)  # type: ignore[arg-type]


def choose(class_rows: Sequence[int], *, tuned: bool = False, **changes: object) -> FitSettings:
    """Settings that suit the data: rows per class in the pool (C entries); `tuned` when the language model has learned
    the labels of those that train.

    `changes` are fields the caller fixes. Raises NotEnoughData when a class has fewer than two rows.

    Why these, by calibration loss and admission on six sets of 60 to 18,000 documents, whose test accuracy was in
    sight while they were tried (docs/calibration.md says what that leaves open). About 70 % of each class
    trains, which leaves the smallest class enough rows to calibrate a rung. A regression comes first: small steps from
    random weights stopped one to six points under it on 60 to 150 documents, six question types or 150 intents, and on
    thousands they drew what lies near a boundary to the frequent class, so that of the PhraseBank's documents 3.4
    points fewer were right than by a regression (docs/calibration.md has the figures). A batch is a power of two near
    1/48 of the training rows, and the learning rate grows where fewer rows give fewer steps, and with the root of large
    batches. Early stopping ends most fits after 15 to 30 epochs. Over the states of a tuned model the bias is the
    calibration rows': see `bias`; the scale of the logits is theirs everywhere: see `scale`.
    The regression is kept unless later epochs admit more, see `ending`. The shuffle with the smallest calibration
    loss of four had a rung at .9 where single ones missed it in one of four; large pools need fewer.

    d is the smallest of C class distances, each 0 beyond the farthest of its n_c rows: by chance that befalls up to
    the sum of 1 / (n_c + 1) of all documents. Classes with fewer than 20 C rows therefore share the pooled CDF,
    which keeps it under one document in twenty; of 150 classes with 36 rows each it would be nearly all.
    """
    smallest, total = min(class_rows), sum(class_rows)
    if smallest < ROWS_PER_CLASS_MIN:
        raise NotEnoughData(
            f"every class needs at least {ROWS_PER_CLASS_MIN} labelled documents in train and calibration; "
            f"class {list(class_rows).index(smallest)} has {smallest}"
        )
    training_rows = TRAINING_SHARE * total
    batch_size = int(np.clip(2.0 ** round(math.log2(training_rows / STEPS_PER_EPOCH)), *BATCH_BOUNDS))
    steps = max(1.0, training_rows / batch_size)
    settings: dict[str, object] = {
        "exemplar_size": EXEMPLAR_SIZE,
        "epochs": EPOCHS_MAX,
        "batch_size": batch_size,
        "learning_rate": _learning_rate(batch_size, steps),
        "regression_start": True,
        "calibrated_bias": tuned,
        "calibrated_scale": True,
        "balanced": True,
        "patience": PATIENCE,
        "shuffles": SHUFFLES if total <= MANY_ROWS else SHUFFLES // 2,
        "training_share": TRAINING_SHARE,
        "stratified": True,
        "pooled_classes_min": POOLED_ROWS_PER_CLASS * len(class_rows),
        "certified": True,
    }
    return FitSettings(len(class_rows), **{**settings, **changes})  # type: ignore[arg-type]


def _learning_rate(batch_size: int, steps: float) -> float:
    """For an epoch of `steps` batches: higher where few steps must do, or where batches are large."""
    few = min(max(STEPS_PER_EPOCH / steps, 1.0), 8.0)
    large = math.sqrt(max(batch_size / 64, 1.0))
    return LEARNING_RATE * few * large
