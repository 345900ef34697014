"""The records of language models: what is known, what one takes, its files, who uses it. Knows no protos."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reex.types import Record


@dataclass(frozen=True, slots=True)
class Model(Record):
    """Zero or empty: not known. Sizes in bytes."""

    name: str
    description: str
    installed: bool
    size_bytes: int  # on disk; of a model that is not installed, what it will take
    licence: str
    sources: tuple[str, ...]  # in the order they are tried
    digest: str  # of the weights, twelve hex digits
    folder: str
    architecture: str
    parameters: int
    dtype: str  # how the file stores most of them: F32, BF16, Q4_1, 4-bit
    hidden_size: int  # of one token's state
    pooling: str
    document_prefix: str  # before the text of a document, and of a query to a classifier
    query_prefix: str  # before the text of a search question
    window_tokens: int  # longer texts are read in overlapping windows
    memory_bytes: int  # an estimate for all engine workers together
    loaded: bool
    readable: bool  # this release opens models of its architecture
    reads_prompts: bool  # a project's prompt is read around each text: a decoder
    revision: str
    pull_time: datetime | None
    problem: str  # why an installed model cannot be used


@dataclass(frozen=True, slots=True)
class ModelFile(Record):
    name: str
    size_bytes: int  # 0 for a file that is not there yet
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelUse(Record):
    """A project that would miss the model."""

    project: str
    chosen: bool  # for its next training
    versions: tuple[str, ...]  # fitted on its hidden states, like v3


@dataclass(frozen=True, slots=True)
class ModelDetails(Record):
    model: Model
    files: tuple[ModelFile, ...]
    pinned: bool  # digests come with the daemon; else they were recorded at the first pull
    uses: tuple[ModelUse, ...]
    worker_memory_bytes: int  # an estimate for each of `workers`
    workers: int

    def to_dict(self) -> dict[str, Any]:
        """The model's own fields, then what is said of it here."""
        shape = Record.to_dict(self)
        return shape.pop("model") | shape


@dataclass(frozen=True, slots=True)
class FileCheck(Record):
    file: ModelFile
    problem: str  # empty for a file that is what was pinned

    def to_dict(self) -> dict[str, Any]:
        return self.file.to_dict() | {"problem": self.problem}
