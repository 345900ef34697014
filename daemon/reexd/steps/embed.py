"""Embed: hidden states for texts and documents. The language model never reads the same text twice.

A hidden state is found by a digest of (representation fingerprint, prompt where the model reads one, text), so a
document that was seen under another id, or a query that equals a stored document, costs a look-up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reexd.engine.client import EmbeddedBatch, Engine
from reexd.errors import Unready
from reexd.records import Classifier, Document, ModelFacts, ModelFiles, Project
from reexd.registry import Registry
from reexd.steps import prefixes
from reexd.steps.embedded import COMMIT_ROWS, Batch, deleted_meanwhile, link_stored
from reexd.steps.tuned import Adapters, Cached, View, viewed
from reexd.store import documents, hidden_states, references, spaces
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Environment
from reexd.store.spaces import Space

CHUNK_DOCUMENTS = 2_048  # read at once: enough to sort by length, little enough to hold
CHUNK_SIZE_MAX_BYTES = 16 << 20
CHECKED_S = 1.0  # a model's files are looked at again after so long
READINGS_MAX = 64


@dataclass(frozen=True)
class Reading:
    """A project as a version reads it, and the language model for that."""

    project: Project  # with the version's model, pooling, document prefix and prompt
    files: ModelFiles
    facts: ModelFacts
    checked_at: float  # when the files were looked at, by the monotonic clock


class Embed:
    def __init__(self, catalogue: Catalogue, engine: Engine, registry: Registry, adapters: Adapters) -> None:
        self._catalogue = catalogue
        self._engine = engine
        self._registry = registry
        self._adapters = adapters
        self._readings: dict[tuple[str, int], Reading] = {}  # by project and version

    def model(self, project: Project) -> tuple[ModelFiles, ModelFacts]:
        """The project's language model, tuned where a version sees it so, opened. Raises ModelMissing, ModelCorrupt."""
        files = self._registry.find(project.model)
        adapter = project.adapter if isinstance(project, View) else None
        files = replace(
            files,
            pooling=project.pooling or files.pooling,
            document_prefix=prefixes.text(project.document_prefix or files.document_prefix),
            query_prefix=prefixes.text(project.query_prefix or files.query_prefix),
            adapter=adapter,
        )
        return files, self._engine.open(files)

    def with_defaults(self, project: Project) -> Project:
        """The project with its model's pooling and document prefix, where it names none itself. Raises ModelMissing."""
        files = self._registry.find(project.model)
        return replace(
            project,
            pooling=project.pooling or files.pooling,
            document_prefix=project.document_prefix or files.document_prefix or prefixes.NONE,
        )

    def as_trained(self, project: str, record: Classifier) -> Project:
        """The project with the language model and prompt that a version was trained on.

        Raises Unready when that model now gives other hidden states than those the version knows, or when no model
        here gives them: those of an imported version may come with the documents alone.
        """
        if not record.model:
            raise Unready(
                f"classifier {record.name} of project {project!r} reads vectors of {record.fingerprint!r}, which no"
                " language model here gives: it answers for stored documents that brought theirs (a .sdmdataset)."
                " If they are those of the project's model, import it again with --assume-model",
                project=project,
            )
        view = viewed(
            self._catalogue.get(project),
            model=record.model,
            pooling=record.pooling,
            document_prefix=record.document_prefix,
            prompt=record.prompt,
            adapter=self._adapters.of(project, record),
        )
        if self.model(view)[1].fingerprint != record.fingerprint:
            raise Unready(
                f"classifier {record.name} of project {project!r} was trained on other hidden states than model"
                f" {record.model} gives now (its files, its settings or the backend changed);"
                f" train again with `reexctl train {project}`",
                project=project,
            )
        return view

    def reading(self, project: str, record: Classifier) -> Reading:
        """What a version reads its texts with. Raises as `as_trained` and `model` do."""
        view = self.as_trained(project, record)
        reading = Reading(view, *self.model(view), checked_at=time.monotonic())
        if len(self._readings) >= READINGS_MAX:
            self._readings.clear()
        self._readings[project, record.version] = reading
        return reading

    def reading_at_hand(self, project: str, record: Classifier) -> Reading | None:
        """The same without a look at the disk, if that was taken a moment ago; safe on an event loop."""
        reading = self._readings.get((project, record.version))
        if reading is None or reading.facts.fingerprint != record.fingerprint:
            return None
        return reading if time.monotonic() - reading.checked_at < CHECKED_S else None

    def tuned_as(self, project: Project, record: Classifier) -> View:
        """The project with its language model tuned as that of a version was, if it was."""
        return viewed(project, adapter=self._adapters.of(project.name, record))

    def for_version(self, project: str, record: Classifier, numbers: np.ndarray) -> None:
        """Make sure documents have the hidden states that a version reads; of an imported one, those that there are.

        Raises Unready, ModelMissing.
        """
        if record.model:
            self.documents(self.as_trained(project, record), numbers)

    def digests(self, project: Project, texts: Sequence[str], prompts: Sequence[str]) -> list[bytes]:
        """What names the hidden states of texts under the project's present model. Raises ModelMissing."""
        return _digests(project, self.model(project)[1], texts, prompts)

    def question(self, project: Project, text: str) -> np.ndarray:
        """The hidden state (D,) of a text to search with, which some models read after words of its own.

        Never stored, nor looked up where it is read otherwise than a document. Raises ModelMissing, ModelCorrupt.
        """
        files, facts = self.model(project)
        if files.query_prefix == files.document_prefix:
            return self.texts(project, [text], [""], interactive=True)[0][0]
        asked = replace(files, document_prefix=files.query_prefix)
        prompt = read_prompt(project, facts, "")
        return self._engine.embed(asked, [text], prompt=prompt, interactive=True).vectors[0]

    def space(self, project: Project) -> Space:
        """Where the project's hidden states live under its present model; made when new.

        Raises ClassifierNotFound for a tuned model whose last version was deleted since the project was viewed.
        """
        _, facts = self.model(project)
        environment = self._catalogue.open(project.name)
        with environment.read() as txn:
            space = spaces.find(txn, facts.fingerprint)
        if space is not None:
            return space
        if isinstance(project, View) and project.adapter is not None:
            raise deleted_meanwhile()  # made anew, it would have no adapter and never be swept
        return environment.write(lambda txn: spaces.find_or_create(txn, facts.fingerprint, facts.hidden_size))

    def texts(
        self, project: Project, texts: Sequence[str], prompts: Sequence[str], *, interactive: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Hidden states of texts that need not be stored: (n, D) float32, and (n,) windows. Nothing is written."""
        files, facts = self.model(project)
        vectors, windows, known = self.stored(project, facts, texts, prompts)
        for prompt, group in _by_prompt(project, facts, prompts, np.flatnonzero(~known)):
            embedded = self._engine.embed(
                files, [texts[at] for at in group], prompt=prompt, interactive=interactive
            )
            vectors[group], windows[group] = embedded.vectors, embedded.windows
        return vectors, windows

    def stored(
        self, project: Project, facts: ModelFacts, texts: Sequence[str], prompts: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Hidden states that the store has of texts: (n, D) float32 and (n,) windows, filled in where (n,) bool."""
        digests = _digests(project, facts, texts, prompts)
        vectors = np.empty((len(texts), facts.hidden_size), np.float32)
        windows = np.ones(len(texts), np.int32)
        rows = np.full(len(texts), -1, np.int64)
        with self._catalogue.open(project.name).read() as txn:
            space = spaces.find(txn, facts.fingerprint)
            if space is not None:
                rows = hidden_states.lookup(txn, space, digests)
                stored = np.flatnonzero(rows >= 0)
                vectors[stored] = hidden_states.gather(txn, space, rows[stored])
                windows[stored] = hidden_states.windows(txn, space, rows[stored])
        return vectors, windows, rows >= 0

    def documents(
        self,
        project: Project,
        numbers: np.ndarray,
        *,
        cached: Cached | None = None,
        cancel: threading.Event | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """Make sure each document has its hidden state: (n,) int64 rows, -1 for a document deleted meanwhile.

        `cached`: what the tuning that made the project's model has of them. `progress` is told how many are done.
        What was embedded is committed as it comes, so an interrupted call loses at most the last `COMMIT_ROWS`.
        Raises JobCancelled when `cancel` is set.
        """
        space = self.space(project)
        environment = self._catalogue.open(project.name)
        with environment.read() as txn:
            missing = numbers[references.rows(txn, space, numbers) < 0]
        done = len(numbers) - len(missing)
        if progress:
            progress(done)
        for chunk in _chunks(environment, missing):
            for finished in self._chunk(project, environment, space, chunk, cached, cancel):
                done += finished
                if progress:
                    progress(done)
        with environment.read() as txn:
            return references.rows(txn, space, numbers)

    def _chunk(
        self,
        project: Project,
        environment: Environment,
        space: Space,
        numbers: np.ndarray,
        cached: Cached | None,
        cancel: threading.Event | None,
    ) -> Iterator[int]:
        """Embed one chunk; yields how many documents each commit finished."""
        files, facts = self.model(project)
        with environment.read() as txn:
            found = documents.read_many(txn, numbers)
            digests = _digests(project, facts, [each.text for each in found], [each.prompt for each in found])
            stored = hidden_states.lookup(txn, space, digests) >= 0
        if stored.any():
            stored = environment.write(lambda txn: link_stored(txn, space, found, digests))
        yield len(numbers) - len(found) + int(stored.sum())
        # Equal texts are read once: each fresh digest stands for all documents that have it.
        fresh: dict[bytes, list[Document]] = {}
        for document, digest, known in zip(found, digests, stored, strict=True):
            if not known:
                fresh.setdefault(digest, []).append(document)
        groups = list(fresh.items())
        for prompt, group in _by_prompt(project, facts, [same[0].prompt for _, same in groups]):
            batch = Batch([], [], [])
            for part in self._read(files, [groups[at][1] for at in group], prompt, cached, cancel):
                batch.groups.extend(groups[at] for at in group[part.indices])
                batch.vectors.append(part.vectors)
                batch.windows.append(part.windows)
                if len(batch.groups) >= COMMIT_ROWS:
                    yield batch.commit(environment, space)
                    batch = Batch([], [], [])
            if batch.groups:
                yield batch.commit(environment, space)

    def _read(
        self,
        files: ModelFiles,
        groups: list[list[Document]],  # of one text each
        prompt: str,
        cached: Cached | None,
        cancel: threading.Event | None,
    ) -> Iterator[EmbeddedBatch]:
        """Hidden states of texts under one prompt, those in the cache first."""
        places = np.array([-1 if cached is None else cached.place(same) for same in groups], np.int64)
        kept, others = np.flatnonzero(places >= 0), np.flatnonzero(places < 0)
        if cached is not None and kept.size:
            for part in self._engine.tunings.embed_stream(
                files, cached.folder, cached.layers, places[kept], cancel=cancel
            ):
                yield replace(part, indices=kept[part.indices])
        if others.size:
            texts = [groups[at][0].text for at in others]
            for part in self._engine.embed_stream(files, texts, prompt=prompt, cancel=cancel):
                yield replace(part, indices=others[part.indices])


def _digests(
    project: Project, facts: ModelFacts, texts: Sequence[str], prompts: Sequence[str]
) -> list[bytes]:
    return [
        hidden_states.digest(facts.fingerprint, read_prompt(project, facts, prompt), text)
        for text, prompt in zip(texts, prompts, strict=True)
    ]


def read_prompt(project: Project, facts: ModelFacts, prompt: str) -> str:
    """The prompt as far as the model reads one: the document's own, else the project's; empty for encoders."""
    return (prompt or project.prompt) if facts.reads_prompts else ""


def _by_prompt(
    project: Project, facts: ModelFacts, prompts: Sequence[str], among: np.ndarray | None = None
) -> Iterator[tuple[str, np.ndarray]]:
    """Positions grouped by the prompt the model reads with them."""
    groups: dict[str, list[int]] = {}
    for at in range(len(prompts)) if among is None else among:
        groups.setdefault(read_prompt(project, facts, prompts[at]), []).append(int(at))
    for prompt, group in groups.items():
        yield prompt, np.array(group, np.int64)


def _chunks(environment: Environment, numbers: np.ndarray) -> Iterator[np.ndarray]:
    """Runs of documents bounded by count and by bytes of text."""
    start = 0
    while start < len(numbers):
        part = numbers[start : start + CHUNK_DOCUMENTS]
        with environment.read() as txn:
            sizes = documents.text_sizes(txn, part)
        most = int(np.searchsorted(np.cumsum(sizes), CHUNK_SIZE_MAX_BYTES)) + 1
        yield part[:most]
        start += min(len(part), most)
