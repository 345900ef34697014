"""The frozen records that pass between layers. Owns shapes and units; holds no behaviour beyond derived facts.

Labels: 0..C-1 is a class, `UNLABELLED` (-1) has no label, `OUT_OF_DISTRIBUTION` (-99) belongs to no class.
Times are seconds since the epoch, UTC, as float.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

import numpy as np

from reexd.sdm.regions import Region

UNLABELLED = -1
OUT_OF_DISTRIBUTION = -99

TRAIN = "train"
CALIBRATION = "calibration"
TEST = "test"

MODEL_DEFAULT = "minilm"
ALPHA_DEFAULT = 0.95


@dataclass(frozen=True, slots=True)
class Project:
    """A named set of documents, its classes, and the choice of language model."""

    name: str
    classes: tuple[str, ...]
    model: str = MODEL_DEFAULT
    prompt: str = ""
    alpha: float = ALPHA_DEFAULT  # the rung a caller is shown by default; the ladder itself is fixed in sdm
    attribute_count: int = -1  # -1 until the first document fixes it
    created_at: float = 0.0
    pooling: str = ""  # as reexd.pooling writes it; empty: the model's own
    document_prefix: str = ""  # as steps.prefixes writes it; empty: the model's own
    query_prefix: str = ""  # likewise


@dataclass(frozen=True, slots=True)
class Document:
    """One text as the store holds it. `number` is its stable place; `revision` counts its replacements."""

    id: str
    text: str
    label: int = UNLABELLED
    split: str = TRAIN
    prompt: str = ""
    info: str = ""
    group: str = ""
    attributes: tuple[float, ...] = ()
    extra_json: str = ""  # unknown keys of the uploaded line, kept for export
    number: int = -1
    revision: int = 0
    updated_at: float = 0.0
    labelled_by_person: bool = False  # an upload keeps such a label


class Outcome(IntEnum):
    """What an upload did with one document."""

    ADDED = 1
    REPLACED = 2
    UNCHANGED = 3
    MOVED = 4  # replaced, and out of another split


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one line of an upload was not stored. `line` is 1-based in the sender's file."""

    line: int
    field: str
    reason: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class AdapterFiles:
    """What tuning changed of a language model, laid out for the workers: by layer and weight, float16."""

    folder: Path
    digest: str  # hex SHA-256 of the changes


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A language model on disk, as the engine opens it."""

    name: str
    folder: Path
    digests: dict[str, str]  # relative file name -> hex SHA-256, pinned at pull
    pooling: str = "mean"
    window_tokens: int = 0  # 0: what the model's own configuration says
    document_prefix: str = ""  # read before every document, and before a text that is classified as one
    query_prefix: str = ""  # read before a question that documents are searched with
    adapter: AdapterFiles | None = None  # of a tuned model


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the engine learnt when it opened a model."""

    name: str
    architecture: str  # Hugging Face's model_type
    hidden_size: int
    window_tokens: int
    parameters: int
    size_bytes: int  # resident weights, one worker
    reads_prompts: bool  # decoders do; encoders keep the prompt out of the text
    fingerprint: str  # hex digest of everything that changes the numbers (architecture.md 4)
    layers: int = 0


class JobState(IntEnum):
    QUEUED = 1
    RUNNING = 2
    SUCCEEDED = 3
    FAILED = 4
    CANCELLED = 5

    @property
    def ended(self) -> bool:
        return self >= JobState.SUCCEEDED


@dataclass(frozen=True, slots=True)
class Job:
    """Long work that outlives the call that asked for it. Exactly one of `error` and `result` once ended."""

    number: int
    kind: str  # "train" | "pull"
    project: str  # empty for a pull
    state: JobState
    request_json: str  # what was asked, enough to run it again after a crash
    phase: str = ""
    done: int = 0
    total: int = 0
    rate: float = 0.0  # units of `done` per second
    eta_s: float = -1.0  # negative: unknown
    message: str = ""
    error_reason: str = ""
    error: str = ""
    result_json: str = ""
    attempts: int = 0
    created_at: float = 0.0
    updated_at: float = 0.0
    ended_at: float = 0.0
    cancelling: bool = False  # asked to stop, and not ended yet

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.number}"


class Role(IntEnum):
    """What a document was used for by one classifier version; a pool has the first two."""

    SUPPORT = 1
    CALIBRATION = 2
    USED_BEFORE = 3  # not by itself: by one that it goes on from


@dataclass(frozen=True, slots=True)
class Classifier:
    """One immutable trained version, without its arrays (see `ClassifierArrays`)."""

    version: int
    classes: tuple[str, ...]
    model: str
    fingerprint: str  # of the language model whose hidden states it was fitted on
    space: int  # the store's number for that fingerprint
    prompt: str
    hidden_size: int  # D_model, without attributes
    attribute_count: int
    exemplar_size: int  # M
    mean: float
    standard_deviation: float
    neighbors_max: int  # K of q
    regions: tuple[Region, ...]
    training_json: str  # settings, seed, curves, counts, warnings, durations
    created_at: float
    pooling: str = ""  # empty in versions written before it was recorded: the model's own
    document_prefix: str = ""  # likewise

    @property
    def name(self) -> str:
        return f"v{self.version}"


@dataclass(frozen=True, slots=True, eq=False)
class ClassifierArrays:
    """The arrays of a version. D = hidden_size + attribute_count, M = exemplar size, C classes, N support rows."""

    projection_weight: np.ndarray  # (M, D) float32
    projection_bias: np.ndarray  # (M,) float32
    classifier_weight: np.ndarray  # (C, M) float32
    classifier_bias: np.ndarray  # (C,) float32
    support_rows: np.ndarray  # (N,) int64, rows of hidden states in the store
    support_documents: np.ndarray  # (N,) int64, document numbers
    support_labels: np.ndarray  # (N,) int32
    support_predictions: np.ndarray  # (N,) int32
    support_attributes: np.ndarray  # (N, attribute_count) float32
    calibration_documents: np.ndarray  # (n,) int64
    calibration_table: np.ndarray  # (n, 5 + 2C) float32: prediction, q, d0, d, q', sdm (C), logits (C)
    calibration_labels: np.ndarray  # (n,) int32
    distance_cdfs: tuple[np.ndarray, ...]  # F_c, ascending float32, one per class
    q_prime_cdfs: tuple[np.ndarray, ...]  # G_c, ascending float32, one per class
    pool_documents: np.ndarray  # (n_pool,) int64
    pool_revisions: np.ndarray  # (n_pool,) int64
    pool_labels: np.ndarray  # (n_pool,) int32
    pool_roles: np.ndarray  # (n_pool,) uint8, Role
    # Empty in versions that were made before they were recorded, and in imported ones (see steps.used_before).
    pool_rows: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))  # (n_pool,) int64
    # What the versions that it goes on from used, beside the pool; empty where it was trained anew.
    before_documents: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))  # (k,) int64
    before_revisions: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))  # (k,) int64
    before_roles: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint8))  # (k,) uint8, Role
    before_rows: np.ndarray = field(
        default_factory=lambda: np.empty(0, np.int64)
    )  # (k,) int64, -1: not known
    # The calibrated probability, empty in a version that was made without it (see steps.confidence).
    evidence_documents: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))  # (m,) int64
    # (m, 7) float32: label, prediction, q, nearness, magnitude, q', sdm of the prediction; the last two may be missing
    evidence_table: np.ndarray = field(default_factory=lambda: np.empty((0, 7), np.float32))
    probability_coefficients: np.ndarray = field(  # (6,) float64: a, b_q, b_m, b_d, T, highest magnitude
        default_factory=lambda: np.empty(0, np.float64)
    )
    probability_knots: np.ndarray = field(default_factory=lambda: np.empty((0, 5), np.float64))  # (G, 5)
    # Support and calibration documents that the project does not hold have negative numbers (see store.foreign).
    foreign_text: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint8))  # (b,) uint8
    foreign_ends: np.ndarray = field(default_factory=lambda: np.empty((0, 2), np.int64))  # (k, 2) int64


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """Another shuffle that a version keeps as a member of its ensemble (act A.7): all that scoring with it needs.

    `record` has the version's number and this member's normalisation and regions. The arrays of pool and calibration
    table are empty: the pool is the version's, and each document of it that does not support a member calibrates it.
    """

    record: Classifier
    arrays: ClassifierArrays


@dataclass(frozen=True, slots=True)
class Neighbor:
    """One support document near a scored one; `document_id` is empty once it was deleted."""

    document: int
    document_id: str
    label: int
    prediction: int
    distance: float  # squared L2
    text: str = ""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One scored text (sdm.md 10). `document` is -1 for a text that is not stored."""

    version: int
    document: int
    document_id: str
    label: int
    prediction: int
    logits: tuple[float, ...]
    sdm: tuple[float, ...]
    q: int
    d0: float
    d: float
    q_prime: float
    region_alpha: float  # 0.0 when rejected
    lower_region_alpha: float
    lower_d: float
    lower_q_prime: float
    effective_sample_sizes: tuple[int, ...]
    reliability: str  # highest | high | low | lowest | out-of-distribution
    reason: str  # "" when admitted, else why rejected
    role: int = 0  # Role of the document in this version; 0 unseen
    windows: int = 1
    neighbors: tuple[Neighbor, ...] = field(default=())
    probability: float | None = None  # of being right; None from a version that was made without it
    probability_lower: float = 0.0
    probability_upper: float = 1.0
    probability_documents: int = 0  # calibration documents behind the three
    prediction_set: tuple[int, ...] = ()  # ascending; made on reading, for the coverage that was asked for
    prediction_set_uncalibrated: tuple[int, ...] = ()  # those of the set with too few calibration documents
    coverage: float = 0.0  # 1 - alpha of the set; 0.0 when there is none
    ensemble_size: int = 0  # members of the version's ensemble, itself included; 0 when it has none
    ensemble_agreed: int = 0  # of them: those with this prediction
    ensemble_region_alpha: float = 0.0  # lowest lower region alpha of all when all agree, else 0.0
