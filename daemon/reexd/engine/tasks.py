"""What callers hand to the engine and get back. Plain data, free of mlx, so that the daemon may hold it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from reexd.engine.adaptor.settings import FitSettings
from reexd.sdm import AdaptorWeights, Normalization


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the engine runs. Zero or empty means: find out."""

    workers: int = 0  # processes for bulk work; 0: one per core. One more is kept for interactive work
    openblas: str = ""  # path of the library; empty: the system's, or a copy beside the environment
    cache_max_bytes: int = 256 << 20  # MLX's buffer cache, per worker
    models_loaded_max: int = 2  # in memory at once; more only while more are in use
    model_idle_max_s: float = 1800.0  # a model unused for longer is unloaded; 0: never
    unit_s: float = 0.09  # how long a unit of bulk work may take that a query may have to wait for
    interactive_tokens: int = 256  # padded tokens that queued queries are coalesced up to
    queued_max: int = 1024  # interactive units that may wait before callers are refused
    retries_max: int = 2  # how often a unit is tried again after the death of its worker
    start_timeout_s: float = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """Hidden states of n texts, in their order."""

    vectors: np.ndarray  # (n, D) float32
    windows: np.ndarray  # (n,) int32, how many windows the text was read in
    tokens: np.ndarray  # (n,) int32, special ones included


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedBatch:
    """Some of the texts of an `embed_stream`, in the order they were finished."""

    indices: np.ndarray  # (m,) int64, places in the sequence of texts
    vectors: np.ndarray  # (m, D) float32
    windows: np.ndarray  # (m,) int32
    tokens: np.ndarray  # (m,) int32


@dataclass(frozen=True, slots=True)
class MatchHandle:
    """A classifier on disk, written once by `write_classifier`; workers memory-map it."""

    key: str  # names these arrays for good: folders are never rewritten with other contents
    path: Path
    support_count: int  # N
    width: int  # min(D, M), what a comparison costs


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """n rows against the support of a classifier (sdm.md 4)."""

    logits: np.ndarray  # (n, C) float32
    q: np.ndarray  # (n,) int32
    d0: np.ndarray  # (n,) float32, squared L2
    indices: np.ndarray  # (n, k) int64, support rows, nearest first
    distances: np.ndarray  # (n, k) float32, squared L2


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Arrays and plain facts that travel together: a checkpoint, or what a fit ends in."""

    arrays: Mapping[str, np.ndarray]
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True, eq=False)
class FitTask:
    """J independent fits over the same pool; they spread over the workers."""

    features: np.ndarray  # (n, D) float32, not normalised
    labels: np.ndarray  # (n,) integers, 0..C-1
    settings: FitSettings  # `shuffles` is J; `settings.split` splits the pool for each, equal rows together
    resume: Mapping[int, State] = field(default_factory=dict)  # shuffle -> its last checkpoint
    finished: Mapping[int, State] = field(default_factory=dict)  # shuffle -> its outcome, not fitted again
    checkpoint_s: float = 15.0  # least time between two checkpoints of a shuffle
    start: tuple[AdaptorWeights, Normalization] | None = None  # what each shuffle begins with, if not drawn
    held: np.ndarray | None = None  # (n,) uint8, see `sdm.stratified_split`


@dataclass(frozen=True, slots=True, eq=False)
class FitResult:
    """What each shuffle ended in, in their order (see `engine.adaptor.fit`), and the one to keep."""

    outcomes: tuple[State, ...]
    best: int  # smallest balanced calibration loss, the last of equals (sdm.md 7)
    twins: int  # rows of the pool that are equal to another


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    pid: int
    state: str  # idle | busy | starting | stopped
    restarts: int
    memory_bytes: int  # MLX's active and cached memory
    interactive: bool  # kept for interactive work


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A language model in the workers' memory."""

    name: str
    size_bytes: int  # of its weights, in one worker
    idle_s: float  # since it was last used


@dataclass(frozen=True, slots=True)
class EngineStatus:
    backend: str  # cpu | metal; empty before the first worker is ready
    blas: str  # what float32 products run on, or the command that makes them fast
    blas_fast: bool
    workers: tuple[WorkerStatus, ...]
    models: tuple[LoadedModel, ...]
