"""The results of calls, as frozen records. Owns names, units and the JSON of each; knows no protos.

Labels: 0..C-1 is a class, -1 unlabelled, -99 belongs to no class. Sizes are in bytes, times aware UTC
datetimes.
A figure over no documents is NaN in Python and null in JSON.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

SPLITS = ("train", "calibration", "test")  # that every project has
UNLABELLED = -1
OUT_OF_DISTRIBUTION = -99


def plain(value: Any) -> Any:
    """`value` in types that JSON has: what is not finite, in the records of older daemons too, is null."""
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class Record:
    """What every result has: `to_dict()`, the JSON object that the command line prints."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        named = fields(self)  # type: ignore[arg-type]
        return {field.name: plain(getattr(self, field.name)) for field in named}


@dataclass(frozen=True, slots=True)
class Project(Record):
    name: str
    classes: tuple[str, ...]
    model: str
    pooling: str  # empty: the model's own
    document_prefix: str  # empty: the model's own; none: nothing
    query_prefix: str  # likewise
    prompt: str
    alpha: float
    attribute_count: int  # -1 until the first document with attributes fixes it
    create_time: datetime | None
    live_version: int  # 0 when nothing is trained
    document_count: int


@dataclass(frozen=True, slots=True)
class Document(Record):
    id: str
    label: int
    text: str
    split: str
    prompt: str
    info: str
    group: str
    attributes: tuple[float, ...]
    extra_json: str
    revision: int
    update_time: datetime | None

    def to_dict(self) -> dict[str, Any]:
        """The uploaded line again, its unknown keys included, then what the daemon adds."""
        line: dict[str, Any] = {"id": self.id, "label": self.label, "document": self.text}
        optional = {"prompt": self.prompt, "info": self.info, "group": self.group}
        line |= {key: value for key, value in optional.items() if value}
        if self.attributes:
            line["attributes"] = list(self.attributes)
        extra = json.loads(self.extra_json) if self.extra_json else {}
        line |= {key: value for key, value in extra.items() if key not in line}
        return line | {
            "split": self.split,
            "revision": self.revision,
            "update_time": plain(self.update_time),
        }


@dataclass(frozen=True, slots=True)
class Rejection(Record):
    """Why one line was not stored. `field` is empty when the line as a whole cannot be read."""

    line: int  # 1-based, in the sender's file
    field: str
    reason: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class UploadResult(Record):
    added: int
    replaced: int
    unchanged: int
    merged: int  # lines without id whose text came earlier in the same upload
    repeated: int  # lines whose id came earlier in the same upload; the last one stands
    rejected: int
    total: int  # lines that held something
    rejections: tuple[Rejection, ...]  # by line; at most REJECTIONS_KEPT of them
    vectors: int = 0  # documents whose hidden states came with a .sdmdataset
    moved: int = 0  # of those replaced, out of another split
    splits: dict[str, int] = field(default_factory=dict)  # of a divided file, its documents by split
    kept_labels: int = 0  # documents that keep a label set in the daemon since, and were sent with another


@dataclass(frozen=True, slots=True)
class UploadProgress(Record):
    """Where an upload stands after an acknowledged chunk."""

    documents: int  # acknowledged: stored, or found wrong by the daemon
    line: int  # the last acknowledged line
    read_bytes: int  # of the file, up to that line
    total_bytes: int  # 0 when unknown


@dataclass(frozen=True, slots=True)
class DocumentDeletion(Record):
    """What was deleted, or would be."""

    deleted: int
    used_by_live: int  # of them, those that the live version was trained or calibrated on
    classifier: str  # the live version, like v3; empty: none
    missing_ids: tuple[str, ...]  # of the ids, those that no document has


@dataclass(frozen=True, slots=True)
class DocumentEdit(Record):
    """What was changed, or would be."""

    changed: int
    unchanged: int  # are so already
    used_by_live: int  # of those changed, those for which the live version is stale
    classifier: str  # the live version, like v3; empty: none
    missing_ids: tuple[str, ...]  # of the ids, those that no document has


@dataclass(frozen=True, slots=True)
class LabelCount(Record):
    label: int
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class SplitSummary(Record):
    split: str
    documents: int
    labels: tuple[LabelCount, ...]


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job(Record):
    name: str
    kind: str  # train | pull
    project: str
    state: JobState
    phase: str
    done: int
    total: int
    rate: float  # units per second
    eta_s: float  # to the end of the phase; negative when unknown
    message: str
    create_time: datetime | None
    update_time: datetime | None
    end_time: datetime | None
    attempts: int
    error_reason: str
    error: str
    result_json: str

    @property
    def ended(self) -> bool:
        return self.state not in (JobState.QUEUED, JobState.RUNNING)

    @property
    def result(self) -> dict[str, Any]:
        """The training record, or what was pulled; empty until the job has succeeded."""
        return json.loads(self.result_json) if self.result_json else {}

    def to_dict(self) -> dict[str, Any]:
        shape = Record.to_dict(self)
        del shape["result_json"]
        return shape | {"result": plain(self.result) or None}


@dataclass(frozen=True, slots=True)
class Neighbor(Record):
    id: str  # empty once the document was deleted
    label: int
    prediction: int
    distance: float  # squared L2 between exemplars
    text: str


@dataclass(frozen=True, slots=True)
class Ensemble(Record):
    """What the members of a version's ensemble say together."""

    size: int  # J, the version itself included
    agreed: int  # members with the same prediction, the version itself included
    region_alpha: float  # lowest lower region alpha of all when all agree, else 0.0

    @property
    def admitted(self) -> bool:
        """By all: all agree, and all admit at the lower bound."""
        return self.region_alpha > 0

    def to_dict(self) -> dict[str, Any]:
        return Record.to_dict(self) | {"admitted": self.admitted}


@dataclass(frozen=True, slots=True)
class Prediction(Record):
    id: str
    label: int
    prediction: int
    prediction_name: str
    probabilities: tuple[float, ...]
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
    reason: str  # empty when admitted
    neighbors: tuple[Neighbor, ...]
    classifier: str  # like v3
    stale: str
    windows: int
    role: str  # support | calibration | used-before (one that it goes on from) | "" for what the version never saw
    text: str
    probability: float | None = (
        None  # of being right, calibrated; None from a version that was made without it
    )
    probability_lower: float | None = None  # its 95 % interval
    probability_upper: float | None = None
    probability_documents: int = 0  # calibration documents behind it
    prediction_set: tuple[int, ...] = ()  # classes that cannot be excluded at `coverage`
    prediction_set_uncalibrated: tuple[int, ...] = ()  # of those, which have too few calibration documents
    coverage: float = 0.0  # 1 - alpha of the set
    ensemble: Ensemble | None = None  # None unless the version was trained as one


@dataclass(frozen=True, slots=True)
class Contribution(Record):
    """A piece of a text, in code points, and what it adds to a logit."""

    start: int
    end: int  # excluded
    text: str
    contribution: float


@dataclass(frozen=True, slots=True)
class Explanation(Record):
    """baseline + other + the sum over tokens, or over sentences, is the logit of `label`."""

    prediction: Prediction
    label: int  # the class that is explained
    label_name: str
    baseline: float  # the logit of the average training document, with the text's own attributes
    other: float  # by what is not of the text: special tokens, a prefix
    tokens: tuple[Contribution, ...]
    sentences: tuple[Contribution, ...]


@dataclass(frozen=True, slots=True)
class SearchResult(Record):
    id: str
    split: str
    label: int
    label_name: str
    similarity: float | None  # cosine, in [-1, 1]; None where it was not measured
    text: str
    keyword_score: float | None = None  # BM25; likewise


@dataclass(frozen=True, slots=True)
class SearchResults(Record):
    results: tuple[SearchResult, ...]  # best first
    searched: int
    not_embedded: int
