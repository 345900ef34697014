"""Predict: stored documents in, calibrated answers with their evidence out, kept in the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reexd import sdm
from reexd.engine.client import Engine, Matches
from reexd.errors import InvalidInput, Unready
from reexd.records import Document, Role
from reexd.steps import ensemble, filters
from reexd.steps.answers import Answers, Assembly, TextInput
from reexd.steps.confidence import COVERAGE_DEFAULT, check_coverage
from reexd.steps.embed import Embed
from reexd.steps.filtered import holding
from reexd.steps.filters import Filter
from reexd.steps.live import Live, Loaded
from reexd.steps.staleness import Staleness
from reexd.store import classifiers, documents, hidden_states, predictions, references, spaces
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Txn
from reexd.store.keys import Index

BATCH = 256  # documents scored, stored and answered together
INTERACTIVE_TEXTS_MAX = 16  # a larger batch is bulk work: it must not hold up someone's single question
NEIGHBORS_STORED = 25
POOLED = (Role.SUPPORT, Role.CALIBRATION)


@dataclass(frozen=True)
class Wanted:
    """Which documents of a split, by which version, and how."""

    version: int | None = None  # None: the live one
    last: int = 0  # only so many, the last by upload; 0: all
    since: float = 0.0  # only what was stored or changed then or later, Unix time
    where: str = ""  # only those that a filter holds for (steps.filters)
    order_by: str = ""  # a key of ORDERS, with a dash before it the largest first; empty: by upload
    coverage: float = COVERAGE_DEFAULT  # of the prediction sets


EVERYTHING = Wanted()
ORDERS = {
    "alpha": Index.REGION_ALPHA,
    "reliability": Index.RELIABILITY,
    "probability": Index.PROBABILITY,
    "q": Index.Q,
    "d": Index.D,
}


class Predict:
    def __init__(
        self,
        catalogue: Catalogue,
        engine: Engine,
        embed: Embed,
        live: Live,
        staleness: Staleness,
    ) -> None:
        self._catalogue = catalogue
        self._engine = engine
        self._embed = embed
        self._live = live
        self._staleness = staleness

    def split(
        self, project: str, split: str, neighbors: int, wanted: Wanted = EVERYTHING
    ) -> Iterator[Answers]:
        """Score the documents of a split, in upload order, batch by batch; stored answers are used while current.

        Raises NotTrained, ClassifierNotFound, SplitNotFound, InvalidInput before the first batch.
        """
        check_coverage(wanted.coverage)
        loaded = self._live.get(project, wanted.version)
        check_neighbors(neighbors, NEIGHBORS_STORED)
        order = _order(wanted.order_by)
        filter = filters.parse(wanted.where, loaded.record.classes) if wanted.where else None
        with self._catalogue.open(project).read() as txn:
            numbers = documents.numbers(txn, split)[-wanted.last :]  # -0 is the beginning
            if wanted.since > 0:
                numbers = numbers[documents.states(txn, numbers).updated_at >= wanted.since]
            missing = predictions.missing(txn, loaded.record.version, split)
            _check_vectors(txn, loaded, numbers, split)
        if order is None:
            return self._batches(project, loaded, numbers, missing, neighbors, wanted.coverage, filter)
        for _ in self._scored(project, loaded, numbers, missing):  # all of them, before the first is known
            pass
        with self._catalogue.open(project).read() as txn:
            index, descending = order
            ordered = predictions.select(
                txn, loaded.record.version, split=split, order_by=index, descending=descending
            )
        numbers = ordered[np.isin(ordered, numbers)]
        return self._batches(project, loaded, numbers, missing[:0], neighbors, wanted.coverage, filter)

    def score(self, project: str, split: str) -> None:
        """Score what the live version has not answered of a split, and can. Raises NotTrained, SplitNotFound."""
        loaded = self._live.get(project)
        with self._catalogue.open(project).read() as txn:
            missing = predictions.missing(txn, loaded.record.version, split)
        for _ in self._scored(project, loaded, missing, missing):
            pass

    def _scored(
        self, project: str, loaded: Loaded, numbers: np.ndarray, missing: np.ndarray
    ) -> Iterator[np.ndarray]:
        """Batches of the numbers, as soon as they have answers."""
        for start in range(0, len(numbers), BATCH):
            batch = numbers[start : start + BATCH]
            self._score_missing(project, loaded, batch[np.isin(batch, missing)])
            yield batch

    def _batches(
        self,
        project: str,
        loaded: Loaded,
        numbers: np.ndarray,
        missing: np.ndarray,
        neighbors: int,
        coverage: float,
        filter: Filter | None,
    ) -> Iterator[Answers]:
        for batch in self._scored(project, loaded, numbers, missing):
            if filter is not None:
                with self._catalogue.open(project).read() as txn:
                    batch = holding(txn, filter, batch, loaded.record.version)
                if not len(batch):
                    continue
            yield self.stored(project, loaded, batch, neighbors, coverage)

    def _score_missing(self, project: str, loaded: Loaded, numbers: np.ndarray) -> None:
        """Score and store documents that this version has not answered yet, in one transaction."""
        if not len(numbers):
            return
        environment = self._catalogue.open(project)
        self._embed.for_version(project, loaded.record, numbers)
        with environment.read() as txn:
            classifiers.get(txn, loaded.record.version)  # with one that was tuned its space is deleted
            space = spaces.get(txn, loaded.record.space)
            rows = references.rows(txn, space, numbers)
            found = documents.read_many(txn, numbers[rows >= 0])
            rows = rows[rows >= 0]
            vectors = hidden_states.gather(txn, space, rows)
            windows = hidden_states.windows(txn, space, rows)
        # A document whose attributes do not fit the version is passed over: it must not fail its neighbours.
        fitting = [at for at, document in enumerate(found) if fits(loaded, document)]
        found = [found[at] for at in fitting]
        rows, vectors, windows = rows[fitting], vectors[fitting], windows[fitting]
        if not found:
            return
        revisions = np.array([document.revision for document in found], np.int64)
        kept = np.array([document.number for document in found], np.int64)
        roles = loaded.roles(kept, revisions, rows)
        read = features(vectors, found, loaded.record.attribute_count)
        matches, scores = self._score(
            loaded, read, loaded.exclusions(kept, roles), NEIGHBORS_STORED, interactive=False
        )
        pooled = np.where(np.isin(roles, POOLED), kept, -1)
        agreement = ensemble.agreement(self._engine, loaded, scores, read, pooled, interactive=False)
        answers = Assembly(loaded, matches, scores, agreement)
        records = [
            answers.prediction(row, document, role=int(roles[row]), windows=int(windows[row]))
            for row, document in enumerate(found)
        ]

        def work(txn: Txn) -> None:
            classifiers.get(txn, loaded.record.version)  # one deleted meanwhile gets no more answers
            # A document that was replaced while it was scored keeps no answer: it would be about another text.
            same = documents.states(txn, kept).revisions == revisions
            predictions.put_many(txn, [record for record, keep in zip(records, same, strict=True) if keep])

        environment.write(work)

    def stored(
        self,
        project: str,
        loaded: Loaded,
        numbers: np.ndarray,
        neighbors: int,
        coverage: float = COVERAGE_DEFAULT,
    ) -> Answers:
        """What is stored of documents, in the order asked; those without an answer, deleted or replaced meanwhile, are
        passed over."""
        version = loaded.record.version
        with self._catalogue.open(project).read() as txn:
            classifiers.get(txn, version)  # its answers were deleted with it: none is not as good as these
            records = [
                replace(record, neighbors=loaded.named(record.neighbors)) if neighbors else record
                for record in predictions.scan(txn, version, numbers, neighbors=neighbors)
            ]
            found = [record.document for record in records]
            texts = [text or "" for text in documents.texts(txn, found)]
            rows = references.rows(txn, spaces.get(txn, loaded.record.space), np.array(found, np.int64))
        records = loaded.confidence.with_sets(records, coverage)
        duplicates = np.isin(rows, loaded.used_rows) & np.array(
            [record.role == 0 for record in records], bool
        )
        stale = self._staleness.of_held(project, version).reason
        passed_over = len(numbers) - len(records)
        return Answers(loaded, stale, records, texts, duplicates.tolist(), passed_over)

    def _score(
        self,
        loaded: Loaded,
        features: np.ndarray,
        exclude: np.ndarray | None,
        neighbors: int,
        interactive: bool,
    ) -> tuple[Matches, sdm.Scores]:
        matches = self._engine.match(
            loaded.handle, features, exclude=exclude, neighbors=neighbors, interactive=interactive
        )
        return matches, sdm.score(matches.logits, matches.q, matches.d0, loaded.calibration)


def fits(loaded: Loaded, source: Document | TextInput) -> bool:
    """Whether the version can read it. One trained without attributes ignores those of stored documents."""
    count = loaded.record.attribute_count
    return len(source.attributes) == count or (count == 0 and isinstance(source, Document))


def features(vectors: np.ndarray, sources: Sequence[Document | TextInput], count: int) -> np.ndarray:
    """(n, D): hidden states with the attributes that the version knows appended."""
    attributes = np.array([source.attributes[:count] for source in sources], np.float32)
    return np.concatenate([vectors, attributes.reshape(len(sources), count)], axis=1)


def check_neighbors(neighbors: int, most: int) -> None:
    if not 0 <= neighbors <= most:
        raise InvalidInput(f"neighbors lies between 0 and {most}; received {neighbors}")


def _order(given: str) -> tuple[Index, bool] | None:
    """The index, and whether the largest come first. Raises InvalidInput."""
    if not given:
        return None
    name = given.removeprefix("-")
    if name not in ORDERS:
        raise InvalidInput(
            f"expected an order of {', '.join(ORDERS)}, with a dash before it for the largest first;"
            f" received {given!r:.80}"
        )
    return ORDERS[name], given != name


def _check_vectors(txn: Txn, loaded: Loaded, numbers: np.ndarray, split: str) -> None:
    """A version that reads vectors of no model here answers for documents that brought theirs; some must have."""
    record = loaded.record
    if record.model or not len(numbers):
        return
    if (references.rows(txn, spaces.get(txn, record.space), numbers) < 0).all():
        raise Unready(
            f"classifier {record.name} reads vectors of {record.fingerprint!r}, and no document of split {split!r} has"
            " one; upload documents with theirs, as a .sdmdataset",
            split=split,
        )
