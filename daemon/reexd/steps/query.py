"""Query: texts that are not stored, answered by the live version while someone waits.

Runs on the event loop that the engine's pool lives on. What may take time (a version not loaded yet, a model to be
looked up, long texts) goes to a thread; a short text whose parts are all in memory is answered without one, because
handing it over and back would take longer than the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from reexd import sdm
from reexd.config import Settings
from reexd.engine.client import Engine, Matches, Question
from reexd.errors import InvalidDocument, InvalidInput
from reexd.steps import ensemble
from reexd.steps.answers import Answers, Assembly, TextInput
from reexd.steps.confidence import COVERAGE_DEFAULT, check_coverage
from reexd.steps.embed import Embed, Reading, read_prompt
from reexd.steps.live import Live, Loaded
from reexd.steps.predict import INTERACTIVE_TEXTS_MAX, check_neighbors, fits
from reexd.steps.staleness import Staleness
from reexd.steps.upload import FLOAT32_MAX
from reexd.store import predictions
from reexd.store.catalogue import Catalogue

TEXTS_MAX = 256
NEIGHBORS_MAX = 100
FEW_TEXTS, FEW_CHARACTERS = 4, 4_096  # so many take a fraction of a millisecond of this process

T = TypeVar("T")


class Query:
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

    async def texts(
        self,
        project: str,
        texts: Sequence[TextInput],
        neighbors: int,
        coverage: float = COVERAGE_DEFAULT,
        rejections: dict[int, InvalidDocument] | None = None,
    ) -> Answers:
        """Score texts, in their order, with prediction sets at `coverage`.

        A text that cannot be answered goes into `rejections`, by its place, and the answers are those of the others;
        without it, it is raised. Raises NotTrained, InvalidDocument, InvalidInput, QueueFull.
        """
        check_coverage(coverage)
        loaded = self._live.at_hand(project) or await asyncio.to_thread(self._live.get, project)
        record = loaded.record
        few = len(texts) <= FEW_TEXTS and sum(len(text.text) for text in texts) <= FEW_CHARACTERS
        run = _here if few else asyncio.to_thread
        misfits = await run(self._misfits, loaded, texts, neighbors)
        if misfits:
            if rejections is None:
                raise next(iter(misfits.values()))
            rejections |= misfits
            texts = [text for at, text in enumerate(texts) if at not in misfits]
            if not texts:
                return Answers(loaded, "", [], [], [], passed_over=0)
        reading = self._embed.reading_at_hand(project, record) or await asyncio.to_thread(
            self._embed.reading, project, record
        )
        stale = self._staleness.at_hand(project, record.version) or await asyncio.to_thread(
            self._staleness.of_held, project, record.version
        )
        # A prompt is put around a text by the model's own template, which must not run on the loop; and all members of
        # an ensemble match the same hidden states, which are made before the first.
        together = bool(loaded.members)
        asking = asyncio.to_thread if together or reading.facts.reads_prompts else run
        if not self._engine.is_open(reading.files):
            asking = asyncio.to_thread
        question, known_windows = await asking(
            self._question, reading, record.attribute_count, texts, together
        )
        windows, matches = await self._engine.answer(
            question, loaded.handle, neighbors=neighbors, interactive=len(texts) <= INTERACTIVE_TEXTS_MAX
        )
        windows = np.where(question.read, known_windows, windows)
        return await (asyncio.to_thread if together else run)(
            self._answers, project, loaded, texts, question, windows, matches, stale.reason, coverage
        )

    def _question(
        self, reading: Reading, attribute_count: int, texts: Sequence[TextInput], together: bool
    ) -> tuple[Question, np.ndarray]:
        """What the engine is asked, and (n,) windows of the texts whose hidden states it is given: those that the
        store has, or with `together` all."""
        asked, prompts = [text.text for text in texts], [text.prompt for text in texts]
        if together:
            interactive = len(texts) <= INTERACTIVE_TEXTS_MAX
            vectors, windows = self._embed.texts(reading.project, asked, prompts, interactive=interactive)
            known = np.ones(len(texts), bool)
        else:
            vectors, windows, known = self._embed.stored(reading.project, reading.facts, asked, prompts)
        attributes = np.array([text.attributes for text in texts], np.float32)
        question = self._engine.question(
            reading.files,
            asked,
            prompts=[read_prompt(reading.project, reading.facts, prompt) for prompt in prompts],
            attributes=attributes.reshape(len(texts), attribute_count),
            vectors=vectors,
            read=known,
        )
        return question, windows

    def _answers(
        self,
        project: str,
        loaded: Loaded,
        texts: Sequence[TextInput],
        question: Question,
        windows: np.ndarray,
        matches: Matches,
        stale: str,
        coverage: float,
    ) -> Answers:
        scores = sdm.score(matches.logits, matches.q, matches.d0, loaded.calibration)
        agreement = None
        if loaded.members:
            rows = np.concatenate([question.vectors, question.attributes], axis=1)
            interactive = len(texts) <= INTERACTIVE_TEXTS_MAX
            agreement = ensemble.agreement(self._engine, loaded, scores, rows, None, interactive=interactive)
        assembly = Assembly(loaded, matches, scores, agreement)
        with self._catalogue.open(project).read() as txn:
            named = [
                loaded.named(predictions.named(txn, assembly.neighbors(row))) for row in range(len(texts))
            ]
        records = [
            assembly.prediction(row, text, windows=int(windows[row]), neighbors=named[row])
            for row, text in enumerate(texts)
        ]
        records = loaded.confidence.with_sets(records, coverage)
        asked = [text.text for text in texts]
        return Answers(loaded, stale, records, asked, [False] * len(texts), passed_over=0)

    def _misfits(
        self, loaded: Loaded, texts: Sequence[TextInput], neighbors: int
    ) -> dict[int, InvalidDocument]:
        """The texts that the version cannot answer, by their place, in order. Raises InvalidInput."""
        if not 1 <= len(texts) <= TEXTS_MAX:
            raise InvalidInput(f"a query holds 1 to {TEXTS_MAX} texts; received {len(texts)}")
        check_neighbors(neighbors, NEIGHBORS_MAX)
        found = ((at, self._misfit(loaded, text)) for at, text in enumerate(texts))
        return {at: problem for at, problem in found if problem is not None}

    def _misfit(self, loaded: Loaded, text: TextInput) -> InvalidDocument | None:
        size = len(text.text.encode())
        if not text.text.strip() or size > self._limits.document_size_max_bytes:
            return InvalidDocument(
                f"a text has 1 to {self._limits.document_size_max_bytes:,} bytes and is not only white space;"
                f" received {size:,} bytes" + (f" in {text.id!r}" if text.id else ""),
                field="text",
            )
        if not all(abs(value) <= FLOAT32_MAX for value in text.attributes):  # False for NaN as well
            return InvalidDocument(
                "attributes are finite numbers that fit 32-bit floats; received others"
                + (f" in {text.id!r}" if text.id else ""),
                field="attributes",
            )
        if fits(loaded, text):
            return None
        count = loaded.record.attribute_count
        like = 'like {"document": "...", "attributes": [...]}'
        return InvalidDocument(
            f"classifier {loaded.record.name} was trained with {count} attributes per document; received"
            f" {len(text.attributes)}{f' for {text.id!r}' if text.id else ''};"
            f" {f'send {count} with each text, {like}' if count else 'leave them out'}",
            field="attributes",
        )


async def _here(work: Callable[..., T], *arguments: object) -> T:
    """What `asyncio.to_thread` does, on the loop."""
    return work(*arguments)
