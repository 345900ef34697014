"""Explain: what each token and each sentence of a text adds to the logit of a class, by the live version.

Exact sums, of contextual states: what a token adds is what stands at its place after the language model has read all.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

import numpy as np

from reexd.engine.client import Engine
from reexd.errors import InvalidDocument, InvalidLabel
from reexd.sdm.attribution import attribute
from reexd.steps.answers import Answers, TextInput
from reexd.steps.embed import Embed, read_prompt
from reexd.steps.live import Loaded
from reexd.steps.query import Query
from reexd.store import classifiers
from reexd.store.catalogue import Catalogue

CHARACTERS_MAX = 32_768

# A sentence ends with a line, after a full stop and the like before white space, and after those of East Asian scripts.
_SENTENCE = re.compile(r".+?(?:[.!?…]+[\"'”’)\]]*(?=\s)|[。！？]+|\n|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Part:
    start: int  # in code points of the text
    end: int  # excluded
    contribution: float


@dataclass(frozen=True)
class Explanation:
    answers: Answers  # of the one text
    label: int  # the class that is explained
    baseline: float  # its logit of the average support document, with the text's own attributes
    other: float  # what is added by what is not of the text: special tokens, a prefix, a decoder's last token
    tokens: list[Part]
    sentences: list[Part]  # all of baseline, other and either list adds up to the logit


class Explain:
    def __init__(self, catalogue: Catalogue, engine: Engine, embed: Embed, query: Query) -> None:
        self._catalogue = catalogue
        self._engine = engine
        self._embed = embed
        self._query = query

    async def text(self, project: str, text: TextInput, label: int | None, neighbors: int) -> Explanation:
        """For the predicted class, or another. Raises as `Query.texts`, InvalidLabel, and InvalidDocument for a text of
        too many tokens.
        """
        if len(text.text) > CHARACTERS_MAX:  # before anything reads it
            raise InvalidDocument(
                f"texts of up to {CHARACTERS_MAX:,} characters are explained; received {len(text.text):,}: explain"
                " parts of it",
                field="text",
            )
        answers = await self._query.texts(project, [text], neighbors)
        classes = answers.classes
        if label is not None and not 0 <= label < len(classes):
            raise InvalidLabel(f"expected the index of a class, 0 to {len(classes) - 1}; received {label}")
        explained = answers.predictions[0].prediction if label is None else label
        return await asyncio.to_thread(self._explained, project, text, answers, explained)

    def _explained(self, project: str, text: TextInput, answers: Answers, label: int) -> Explanation:
        loaded = answers.loaded
        reading = self._embed.reading(project, loaded.record)
        prompt = read_prompt(reading.project, reading.facts, text.prompt)
        found = self._engine.token_states(reading.files, text.text, prompt=prompt)
        weights, baseline, at_baseline = self._logit(project, loaded, text, label)
        size = len(found.pooling.words) * found.states.shape[1]
        outermost = {word: (found.outermost[word], found.place(word)) for word in ("first", "last")}
        told = attribute(
            found.states,
            found.pooling.words,
            found.pooling.unit,
            outermost,
            weights[:size],
            baseline[:size],
            at_baseline,
        )
        inside = [span is not None for span in found.spans]
        tokens = [
            Part(*span, float(value))
            for span, value in zip(found.spans, told.tokens, strict=True)
            if span is not None
        ]
        other = told.outside + float(told.tokens[~np.array(inside, bool)].sum())
        return Explanation(answers, label, told.baseline, other, tokens, _sentences(text.text, tokens))

    def _logit(
        self, project: str, loaded: Loaded, text: TextInput, label: int
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """The weights A (F,) of a class's logit over the features, the average support document (F,), and the logit of
        that with the text's own attributes.
        """
        record, version = loaded.record, loaded.record.version
        with self._catalogue.open(project).read() as txn:
            names = ("projection_weight", "projection_bias", "classifier_weight", "classifier_bias")
            inner, inner_bias, outer, outer_bias = (
                classifiers.array(txn, version, name).astype(np.float64) for name in names
            )
        weights = outer[label] @ inner / record.standard_deviation
        constant = outer[label] @ inner_bias + outer_bias[label] - record.mean * weights.sum()
        baseline = np.load(loaded.handle.path / "support.npy", mmap_mode="r").mean(axis=0, dtype=np.float64)
        own = baseline.copy()
        if record.attribute_count:
            own[-record.attribute_count :] = text.attributes
        return weights, baseline, float(weights @ own + constant)


def _sentences(text: str, tokens: list[Part]) -> list[Part]:
    """Each with what its tokens add; a token belongs to the sentence that it begins in."""
    found: list[Part] = []
    left = list(reversed(tokens))
    for match in _SENTENCE.finditer(text):
        start = match.start() + len(match[0]) - len(match[0].lstrip())
        total = 0.0
        while left and left[-1].start < match.end():
            total += left.pop().contribution
        if match[0].strip():
            found.append(Part(start, match.start() + len(match[0].rstrip()), total))
        elif found and total:
            found[-1] = Part(found[-1].start, found[-1].end, found[-1].contribution + total)
    return found
