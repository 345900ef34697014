"""Predict: texts and stored documents in, calibrated answers with their evidence out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from reexd import sdm
from reexd.config import Settings
from reexd.engine.client import Engine, Matches
from reexd.errors import InvalidDocument, InvalidInput
from reexd.records import Document
from reexd.steps.answers import Answers, Assembly, TextInput
from reexd.steps.embed import Embed
from reexd.steps.live import Live, Loaded
from reexd.steps.staleness import Staleness
from reexd.steps.upload import FLOAT32_MAX
from reexd.store import classifiers, documents, hidden_states, predictions, references, spaces
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Txn

BATCH = 256  # documents scored, stored and answered together
QUERY_TEXTS_MAX = 256
INTERACTIVE_TEXTS_MAX = 16  # a larger batch is bulk work: it must not hold up someone's single question
NEIGHBORS_STORED = 25
NEIGHBORS_MAX = 100


class Predict:
    def __init__(
        self,
        catalogue: Catalogue,
        engine: Engine,
        embed: Embed,
        live: Live,
        staleness: Staleness,
        limits: Settings,
    ) -> None:
        self._catalogue = catalogue
        self._engine = engine
        self._embed = embed
        self._live = live
        self._staleness = staleness
        self._limits = limits

    def query(self, project: str, texts: Sequence[TextInput], neighbors: int) -> Answers:
        """Score texts that are not stored. Raises NotTrained, InvalidDocument, InvalidInput."""
        loaded = self._live.get(project)
        self._check(loaded, texts, neighbors)
        interactive = len(texts) <= INTERACTIVE_TEXTS_MAX
        view = self._embed.as_trained(project, loaded.record)
        asked, prompts = [text.text for text in texts], [text.prompt for text in texts]
        if loaded.record.attribute_count == 0:
            windows, matches = self._embed.matched(
                view, asked, prompts, loaded.handle, neighbors, interactive=interactive
            )
            scores = sdm.score(matches.logits, matches.q, matches.d0, loaded.calibration)
        else:
            vectors, windows = self._embed.texts(view, asked, prompts, interactive=interactive)
            rows = features(vectors, texts, loaded.record.attribute_count)
            matches, scores = self._score(loaded, rows, None, neighbors, interactive)
        answers = Assembly(loaded, matches, scores)
        with self._catalogue.open(project).read() as txn:
            named = [predictions.named(txn, answers.neighbors(row)) for row in range(len(texts))]
        records = [
            answers.prediction(row, text, windows=int(windows[row]), neighbors=named[row])
            for row, text in enumerate(texts)
        ]
        stale = self._staleness.report(project, loaded.record.version).reason
        return Answers(loaded, stale, records, asked, [False] * len(texts), passed_over=0)

    def split(
        self, project: str, split: str, neighbors: int, version: int | None = None, last: int = 0
    ) -> Iterator[Answers]:
        """Score the documents of a split, in upload order, batch by batch; stored answers are used while current.

        By the live version, or another; only the `last` documents by upload, 0 for all. Raises NotTrained,
        ClassifierNotFound, SplitNotFound before the first batch.
        """
        loaded = self._live.get(project, version)
        _check_neighbors(neighbors, NEIGHBORS_STORED)
        with self._catalogue.open(project).read() as txn:
            numbers = documents.numbers(txn, split)[-last:]  # -0 is the beginning
            missing = predictions.missing(txn, loaded.record.version, split)
        return self._batches(project, loaded, numbers, missing, neighbors)

    def _batches(
        self, project: str, loaded: Loaded, numbers: np.ndarray, missing: np.ndarray, neighbors: int
    ) -> Iterator[Answers]:
        for start in range(0, len(numbers), BATCH):
            batch = numbers[start : start + BATCH]
            self._score_missing(project, loaded, batch[np.isin(batch, missing)])
            yield self._stored(project, loaded, batch, neighbors)

    def _score_missing(self, project: str, loaded: Loaded, numbers: np.ndarray) -> None:
        """Score and store documents that this version has not answered yet, in one transaction."""
        if not len(numbers):
            return
        environment = self._catalogue.open(project)
        self._embed.documents(self._embed.as_trained(project, loaded.record), numbers)
        with environment.read() as txn:
            space = spaces.get(txn, loaded.record.space)
            rows = references.rows(txn, space, numbers)
            found = documents.read_many(txn, numbers[rows >= 0])
            rows = rows[rows >= 0]
            vectors = hidden_states.gather(txn, space, rows)
            windows = hidden_states.windows(txn, space, rows)
        # A document whose attributes do not fit the version is passed over: it must not fail its neighbours.
        fitting = [at for at, document in enumerate(found) if fits(loaded, document)]
        found, vectors, windows = [found[at] for at in fitting], vectors[fitting], windows[fitting]
        if not found:
            return
        revisions = np.array([document.revision for document in found], np.int64)
        kept = np.array([document.number for document in found], np.int64)
        roles = loaded.roles(kept, revisions)
        matches, scores = self._score(
            loaded,
            features(vectors, found, loaded.record.attribute_count),
            loaded.exclusions(kept, roles),
            NEIGHBORS_STORED,
            interactive=False,
        )
        answers = Assembly(loaded, matches, scores)
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

    def _stored(self, project: str, loaded: Loaded, numbers: np.ndarray, neighbors: int) -> Answers:
        """The batch as it stands in the store; documents deleted or replaced meanwhile are passed over."""
        version = loaded.record.version
        support_rows = loaded.support_rows
        with self._catalogue.open(project).read() as txn:
            records = list(predictions.scan(txn, version, numbers, neighbors=neighbors))
            found = [record.document for record in records]
            texts = [text or "" for text in documents.texts(txn, found)]
            rows = references.rows(txn, spaces.get(txn, loaded.record.space), np.array(found, np.int64))
        duplicates = np.isin(rows, support_rows) & np.array([record.role == 0 for record in records], bool)
        stale = self._staleness.report(project, version).reason
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

    def _check(self, loaded: Loaded, texts: Sequence[TextInput], neighbors: int) -> None:
        if not 1 <= len(texts) <= QUERY_TEXTS_MAX:
            raise InvalidInput(f"a query holds 1 to {QUERY_TEXTS_MAX} texts; received {len(texts)}")
        _check_neighbors(neighbors, NEIGHBORS_MAX)
        for text in texts:
            size = len(text.text.encode())
            if not text.text.strip() or size > self._limits.document_size_max_bytes:
                raise InvalidDocument(
                    f"a text has 1 to {self._limits.document_size_max_bytes:,} bytes and is not only white space;"
                    f" received {size:,} bytes" + (f" in {text.id!r}" if text.id else ""),
                    field="text",
                )
            if not all(abs(value) <= FLOAT32_MAX for value in text.attributes):  # False for NaN as well
                raise InvalidDocument(
                    "attributes are finite numbers that fit 32-bit floats; received others"
                    + (f" in {text.id!r}" if text.id else ""),
                    field="attributes",
                )
            if not fits(loaded, text):
                raise InvalidDocument(
                    f"classifier {loaded.record.name} was trained with {loaded.record.attribute_count} attributes per"
                    f" document; received {len(text.attributes)}" + (f" for {text.id!r}" if text.id else ""),
                    field="attributes",
                )


def fits(loaded: Loaded, source: Document | TextInput) -> bool:
    """Whether the version can read it. One trained without attributes ignores those of stored documents."""
    count = loaded.record.attribute_count
    return len(source.attributes) == count or (count == 0 and isinstance(source, Document))


def features(vectors: np.ndarray, sources: Sequence[Document | TextInput], count: int) -> np.ndarray:
    """(n, D): hidden states with the attributes that the version knows appended."""
    attributes = np.array([source.attributes[:count] for source in sources], np.float32)
    return np.concatenate([vectors, attributes.reshape(len(sources), count)], axis=1)


def _check_neighbors(neighbors: int, most: int) -> None:
    if not 0 <= neighbors <= most:
        raise InvalidInput(f"neighbors lies between 0 and {most}; received {neighbors}")
