"""Search: the documents whose hidden states are most like a text's, exactly, or that have its words, or both, over any
selection."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from reexd.config import Settings
from reexd.errors import DocumentNotFound, InvalidDocument, InvalidInput
from reexd.records import Document, Project
from reexd.steps import keywords
from reexd.steps.embed import Embed
from reexd.steps.embedded import COMMIT_ROWS
from reexd.steps.filtered import holding
from reexd.steps.select import Select, members
from reexd.store import documents, hidden_states, references
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Txn
from reexd.store.spaces import Space

LIMIT_MAX = 1_000
FUSION = 60  # of reciprocal rank fusion: how little the very first ranks stand out
FUSED_MAX = 1_000  # ranks of each side
# What one search embeds of documents without a hidden state before it answers: less than clients wait for, who would
# hear only that their time is up. The next search goes on.
EMBED_MAX = 2_048
EMBED_MAX_S = 30.0
_STEP_SIZE_MAX_BYTES = 64 << 10  # of text read between two looks at the clock, unless one document is larger


class Mode(Enum):
    SEMANTIC = 1
    KEYWORD = 2  # BM25; no language model runs
    HYBRID = 3  # both, by reciprocal rank fusion


@dataclass(frozen=True)
class Question:
    """What is looked for: a text, or what is like a document, itself left out."""

    text: str = ""
    like: str = ""  # the document's id
    limit: int = 10
    splits: Sequence[str] = ()  # none: all
    labels: Sequence[int] = ()  # none: all
    where: str = ""  # a filter (steps.filters); empty: all
    mode: Mode = Mode.SEMANTIC


@dataclass(frozen=True)
class Hit:
    document: Document
    similarity: float | None  # cosine in [-1, 1]; None where it was not measured
    keyword_score: float | None  # BM25; likewise


@dataclass(frozen=True)
class Found:
    classes: tuple[str, ...]
    results: list[Hit]  # best first
    searched: int
    not_embedded: int


class Search:
    def __init__(self, catalogue: Catalogue, embed: Embed, select: Select, limits: Settings) -> None:
        self._catalogue = catalogue
        self._select = select
        self._embed = embed
        self._limits = limits

    def nearest(self, project: str, asked: Question) -> Found:
        """The best documents for a question. Raises InvalidInput, InvalidDocument, SplitNotFound, DocumentNotFound,
        NotTrained for a filter on predictions, ModelMissing, which a search by words does without.
        """
        self._check(asked)
        record = self._catalogue.get(project)
        environment = self._catalogue.open(project)
        filter = self._select.filter(project, asked.where, asked.splits)
        with environment.read() as txn:
            subject = documents.get(txn, asked.like) if asked.like else None
            numbers = holding(txn, filter, members(txn, asked.splits, asked.labels))
        if subject is not None:
            numbers = numbers[numbers != subject.number]
        text = asked.text if subject is None else subject.text
        vector = space = None
        if asked.mode is not Mode.KEYWORD:
            space = self._embed.space(record)
            self._embed_some(record, space, numbers)
            vector = self._vector(record, space, text, subject)
        measured, scored = np.ones(len(numbers), bool), None
        with environment.read() as txn:
            similarities = None
            best = np.empty(0, np.int64)
            if vector is not None and space is not None:
                rows = references.rows(txn, space, numbers)
                measured = rows >= 0
                similarities = np.full(len(numbers), -math.inf)
                similarities[measured] = _cosines(txn, space, vector, rows[measured])
                best = _largest(similarities, asked.limit if asked.mode is Mode.SEMANTIC else FUSED_MAX)
                best = best[measured[best]]
            if asked.mode is not Mode.SEMANTIC:
                scored = keywords.scores(text, _texts(txn, numbers))
                having = _largest(scored, FUSED_MAX)
                having = having[scored[having] > 0]
                best = having if similarities is None else _fused(best, having)
            results = _hits(txn, numbers, best[: asked.limit], similarities, scored)
        return Found(record.classes, results, int(measured.sum()), int((~measured).sum()))

    def _check(self, asked: Question) -> None:
        if not 1 <= asked.limit <= LIMIT_MAX:
            raise InvalidInput(
                f"a search returns 1 to {LIMIT_MAX:,} results; received a limit of {asked.limit}"
            )
        if asked.like:
            if asked.text:
                raise InvalidInput("expected either a text or the id of a document to be like; received both")
            return
        size = len(asked.text.encode())
        if not asked.text.strip() or size > self._limits.document_size_max_bytes:
            raise InvalidDocument(
                f"a text has 1 to {self._limits.document_size_max_bytes:,} bytes and is not only white space;"
                f" received {size:,} bytes",
                field="text",
            )

    def _vector(self, project: Project, space: Space, text: str, subject: Document | None) -> np.ndarray:
        """(D,): that of a document as it is stored, not as that of a question."""
        if subject is None:
            return self._embed.question(project, text)
        number = np.array([subject.number], np.int64)
        self._embed.documents(project, number)
        with self._catalogue.open(project.name).read() as txn:
            rows = references.rows(txn, space, number)
            if rows[0] < 0:
                raise DocumentNotFound(f"document {subject.id!r} was deleted meanwhile", id=subject.id)
            return hidden_states.gather(txn, space, rows)[0]

    def _embed_some(self, project: Project, space: Space, numbers: np.ndarray) -> None:
        """Embed those of the documents that are not yet until the time is up, some at least."""
        with self._catalogue.open(project.name).read() as txn:
            missing = numbers[references.rows(txn, space, numbers) < 0][:EMBED_MAX]
            ends = np.cumsum(documents.text_sizes(txn, missing))
        until, start = time.monotonic() + EMBED_MAX_S, 0
        while start < len(missing) and (start == 0 or time.monotonic() < until):
            before = ends[start - 1] if start else 0
            fitting = int(np.searchsorted(ends, before + _STEP_SIZE_MAX_BYTES, side="right")) - start
            step = min(max(fitting, 1), COMMIT_ROWS)
            self._embed.documents(project, missing[start : start + step])
            start += step


def _texts(txn: Txn, numbers: np.ndarray) -> Iterator[str]:
    """One at a time: those of a large project are more than the memory need hold."""
    for number in numbers.tolist():
        yield documents.texts(txn, [number])[0] or ""


def _hits(
    txn: Txn,
    numbers: np.ndarray,
    places: np.ndarray,
    similarities: np.ndarray | None,
    scored: np.ndarray | None,
) -> list[Hit]:
    def value(values: np.ndarray | None, at: int) -> float | None:
        return None if values is None or values[at] == -math.inf else float(values[at])

    return [
        Hit(documents.read(txn, int(numbers[at])), value(similarities, at), value(scored, at))
        for at in places
    ]


def _fused(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Places that are in either order, by the sum of their reciprocal ranks; ties by place."""
    places = np.union1d(one, other)
    worth = np.zeros(len(places))
    for ranked in (one, other):
        worth[np.searchsorted(places, ranked)] += 1.0 / (FUSION + 1.0 + np.arange(len(ranked)))
    return places[np.argsort(-worth, kind="stable")]


def _cosines(txn: Txn, space: Space, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(n,) float32 cosine of the query with each row. Walks the blocks in place: no copy of the vectors is made."""
    found = np.zeros(len(rows), np.float32)
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    query = query / max(float(np.linalg.norm(query)), 1e-12)
    for block in hidden_states.scan(txn, space):
        first, last = np.searchsorted(ordered, (block.rows[0], block.rows[-1] + 1))
        if first == last:
            continue
        # vecdot reads rows at the memory's speed on one thread; `@` takes twice as long here, and threads that spin.
        norms = np.sqrt(np.vecdot(block.vectors, block.vectors))
        cosines = np.vecdot(block.vectors, query) / np.maximum(norms, 1e-12)
        found[order[first:last]] = cosines[np.searchsorted(block.rows, ordered[first:last])]
    return np.clip(found, -1.0, 1.0)


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Positions of the `count` largest, largest first; ties by position."""
    if len(values) > count:
        least = np.partition(values, len(values) - count)[len(values) - count]
        among = np.flatnonzero(values >= least)
    else:
        among = np.arange(len(values))
    return among[np.argsort(-values[among], kind="stable")][:count]
