"""Embed: hidden states for texts and documents. The language model never reads the same text twice.

A hidden state is found by a digest of (representation fingerprint, prompt where the model reads one, text), so a
document that was seen under another id, or a query that equals a stored document, costs a look-up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reexd.engine.client import Engine, Matches, MatchHandle
from reexd.errors import Unready
from reexd.records import Classifier, Document, ModelFacts, ModelFiles, Project
from reexd.registry import Registry
from reexd.store import documents, hidden_states, references, spaces
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Environment, Txn
from reexd.store.spaces import Space

CHUNK_DOCUMENTS = 2_048  # read at once: enough to sort by length, little enough to hold
CHUNK_SIZE_MAX_BYTES = 16 << 20
COMMIT_ROWS = 256  # hidden states per transaction: a crash costs seconds of work, not minutes


class Embed:
    def __init__(self, catalogue: Catalogue, engine: Engine, registry: Registry) -> None:
        self._catalogue = catalogue
        self._engine = engine
        self._registry = registry

    def model(self, project: Project) -> tuple[ModelFiles, ModelFacts]:
        """The project's language model, opened. Raises ModelMissing, ModelCorrupt."""
        files = self._registry.find(project.model)
        return files, self._engine.open(files)

    def as_trained(self, project: str, record: Classifier) -> Project:
        """The project with the language model and prompt that a version was trained on.

        Raises Unready when that model now gives other hidden states than those the version knows.
        """
        view = replace(self._catalogue.get(project), model=record.model, prompt=record.prompt)
        if self.model(view)[1].fingerprint != record.fingerprint:
            raise Unready(
                f"classifier {record.name} of project {project!r} was trained on other hidden states than model"
                f" {record.model} gives now (its files, its settings or the backend changed);"
                f" train again with `reexctl train {project}`",
                project=project,
            )
        return view

    def space(self, project: Project) -> Space:
        """Where the project's hidden states live under its present model; made when new."""
        _, facts = self.model(project)
        environment = self._catalogue.open(project.name)
        with environment.read() as txn:
            space = spaces.find(txn, facts.fingerprint)
        if space is not None:
            return space
        return environment.write(lambda txn: spaces.find_or_create(txn, facts.fingerprint, facts.hidden_size))

    def texts(
        self, project: Project, texts: Sequence[str], prompts: Sequence[str], *, interactive: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Hidden states of texts that need not be stored: (n, D) float32, and (n,) windows. Nothing is written."""
        files, facts = self.model(project)
        vectors, windows, missing = self._stored(project, facts, texts, prompts)
        groups = _by_prompt(project, facts, prompts, missing)
        self._fill(files, texts, groups, vectors, windows, interactive)
        return vectors, windows

    def matched(
        self,
        project: Project,
        texts: Sequence[str],
        prompts: Sequence[str],
        handle: MatchHandle,
        neighbors: int,
        *,
        interactive: bool,
    ) -> tuple[np.ndarray, Matches]:
        """(n,) windows, and the hidden states of texts matched against a classifier without attributes.

        Where none of them is stored, which is what a question mostly is, the engine is visited once.
        """
        files, facts = self.model(project)
        vectors, windows, missing = self._stored(project, facts, texts, prompts)
        groups = list(_by_prompt(project, facts, prompts, missing))
        if len(missing) == len(texts) and len(groups) == 1:
            embedded, matches = self._engine.embed_and_match(
                files, texts, handle, prompt=groups[0][0], neighbors=neighbors, interactive=interactive
            )
            return embedded.windows, matches
        self._fill(files, texts, groups, vectors, windows, interactive)
        return windows, self._engine.match(handle, vectors, neighbors=neighbors, interactive=interactive)

    def _fill(
        self,
        files: ModelFiles,
        texts: Sequence[str],
        groups: Iterable[tuple[str, np.ndarray]],
        vectors: np.ndarray,
        windows: np.ndarray,
        interactive: bool,
    ) -> None:
        """Embed the texts of each group (prompt, positions) into their rows of `vectors` and `windows`."""
        for prompt, group in groups:
            embedded = self._engine.embed(
                files, [texts[at] for at in group], prompt=prompt, interactive=interactive
            )
            vectors[group], windows[group] = embedded.vectors, embedded.windows

    def _stored(
        self, project: Project, facts: ModelFacts, texts: Sequence[str], prompts: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Vectors and windows of texts, filled in where the store has them, and the positions it has not."""
        digests = [
            hidden_states.digest(facts.fingerprint, _read_prompt(project, facts, prompt), text)
            for text, prompt in zip(texts, prompts, strict=True)
        ]
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
        return vectors, windows, np.flatnonzero(rows < 0)

    def documents(
        self,
        project: Project,
        numbers: np.ndarray,
        *,
        cancel: threading.Event | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """Make sure each document has its hidden state: (n,) int64 rows, -1 for a document deleted meanwhile.

        `progress` is told how many of `numbers` are done. What was embedded is committed as it comes, so an
        interrupted call loses at most the last `COMMIT_ROWS`. Raises JobCancelled when `cancel` is set.
        """
        space = self.space(project)
        environment = self._catalogue.open(project.name)
        with environment.read() as txn:
            missing = numbers[references.rows(txn, space, numbers) < 0]
        done = len(numbers) - len(missing)
        if progress:
            progress(done)
        for chunk in _chunks(environment, missing):
            for finished in self._chunk(project, environment, space, chunk, cancel):
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
        cancel: threading.Event | None,
    ) -> Iterator[int]:
        """Embed one chunk; yields how many documents each commit finished."""
        files, facts = self.model(project)
        with environment.read() as txn:
            found = documents.read_many(txn, numbers)
            digests = [
                hidden_states.digest(
                    facts.fingerprint, _read_prompt(project, facts, document.prompt), document.text
                )
                for document in found
            ]
            rows = hidden_states.lookup(txn, space, digests)
        cached = [document for document, row in zip(found, rows, strict=True) if row >= 0]
        if cached:
            environment.write(lambda txn: _link(txn, space, cached, rows[rows >= 0]))
        yield len(numbers) - len(found) + len(cached)
        # Equal texts are read once: each fresh digest stands for all documents that have it.
        fresh: dict[bytes, list[Document]] = {}
        for document, digest, row in zip(found, digests, rows, strict=True):
            if row < 0:
                fresh.setdefault(digest, []).append(document)
        groups = list(fresh.items())
        for prompt, group in _by_prompt(project, facts, [same[0].prompt for _, same in groups]):
            texts = [groups[at][1][0].text for at in group]
            batch = _Batch([], [], [])
            for part in self._engine.embed_stream(files, texts, prompt=prompt, cancel=cancel):
                batch.groups.extend(groups[at] for at in group[part.indices])
                batch.vectors.append(part.vectors)
                batch.windows.append(part.windows)
                if len(batch.groups) >= COMMIT_ROWS:
                    yield batch.commit(environment, space)
                    batch = _Batch([], [], [])
            if batch.groups:
                yield batch.commit(environment, space)


@dataclass(frozen=True)
class _Batch:
    """Embedded and not yet committed: (digest, its documents), and their vectors and windows in parts."""

    groups: list[tuple[bytes, list[Document]]]
    vectors: list[np.ndarray]
    windows: list[np.ndarray]

    def commit(self, environment: Environment, space: Space) -> int:
        """Store the rows and link the documents, in one transaction; how many documents."""

        def work(txn: Txn) -> None:
            rows = hidden_states.append(
                txn,
                space,
                [digest for digest, _ in self.groups],
                np.concatenate(self.vectors),
                np.concatenate(self.windows),
            )
            linked = [
                (document, row) for (_, same), row in zip(self.groups, rows, strict=True) for document in same
            ]
            _link(txn, space, [document for document, _ in linked], np.array([row for _, row in linked]))

        environment.write(work)
        return sum(len(same) for _, same in self.groups)


def _link(txn: Txn, space: Space, found: list[Document], rows: np.ndarray) -> None:
    """Link what was read to its row, unless the document was replaced or deleted since."""
    numbers = np.array([document.number for document in found], np.int64)
    revisions = np.array([document.revision for document in found], np.int64)
    same = documents.states(txn, numbers).revisions == revisions
    references.link(txn, space, numbers[same], rows[same])


def _read_prompt(project: Project, facts: ModelFacts, prompt: str) -> str:
    """The prompt as far as the model reads one: the document's own, else the project's; empty for encoders."""
    return (prompt or project.prompt) if facts.reads_prompts else ""


def _by_prompt(
    project: Project, facts: ModelFacts, prompts: Sequence[str], among: np.ndarray | None = None
) -> Iterator[tuple[str, np.ndarray]]:
    """Positions grouped by the prompt the model reads with them."""
    groups: dict[str, list[int]] = {}
    for at in range(len(prompts)) if among is None else among:
        groups.setdefault(_read_prompt(project, facts, prompts[at]), []).append(int(at))
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
