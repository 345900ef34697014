"""The states of a text's tokens before they are pooled, and where each token stands in the text. No mlx here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reexd.engine.call import Call
from reexd.engine.embedding import OpenModel
from reexd.engine.tokens import Window
from reexd.errors import InvalidDocument
from reexd.pooling import Pooling

TOKENS_MAX = 4_096  # their states are held at once


@dataclass(frozen=True, slots=True, eq=False)
class TokenStates:
    """T tokens that are pooled, special ones of encoders included, in their order."""

    pooling: Pooling
    states: np.ndarray  # (T, D) float32, averaged over layers as the pooling says
    outermost: dict[str, np.ndarray]  # "first", "last": (D,), of a decoder's last token perhaps none of the T
    spans: tuple[
        tuple[int, int] | None, ...
    ]  # of each in the text, in code points; None for what is not of the text

    def place(self, word: str) -> int | None:
        """Which of the T is the first, or the last, of the sequence; None for none."""
        at = 0 if word == "first" else len(self.states) - 1
        return at if np.array_equal(self.states[at], self.outermost[word]) else None


def read(call: Call, model: OpenModel, text: str, prompt: str) -> TokenStates:
    """Raises InvalidDocument for a text that is too long, and what reading one raises."""
    windows = model.reader.read([text], 0, prompt)
    total = sum(window.end - window.begin for window in windows)
    if total > TOKENS_MAX:
        raise InvalidDocument(
            f"up to {TOKENS_MAX:,} tokens of a text are explained; received {total:,}: explain parts of it",
            field="text",
        )
    call.submit([_unit(call, model, place, window) for place, window in enumerate(windows)])
    answers = sorted((call.next() for _ in windows), key=lambda answer: answer[0])
    # Without the context, which has no states of its own.
    states = [frame.arrays["states"] for _, frame in answers]
    pooled = [
        each[window.begin - window.context : window.end - window.context]
        for each, window in zip(states, windows, strict=True)
    ]
    joined = np.concatenate(pooled)
    outermost = {"first": states[0][0], "last": states[-1][-1]}
    return TokenStates(model.pooling, joined, outermost, model.reader.spans(text, len(joined)))


def _unit(call: Call, model: OpenModel, place: int, window: Window):
    return call.unit(
        place,
        {"op": "states", "model": model.spec, "pooling": str(model.pooling), "context": window.context},
        {"ids": window.ids[None, :]},
        interactive=True,
    )
