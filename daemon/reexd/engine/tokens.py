"""Texts to token ids, in windows that fit the model. Runs in the daemon (the tokenizer is Rust and releases
the interpreter lock; measured 50 microseconds for a headline, against 9 ms of language model). No mlx here.

A text longer than the model's window is read in windows that overlap by a quarter. Each of its tokens is
pooled once, from the window that shows it with the most context: the overlap is split in the middle. So the mean
and the maximum of a long text are over all of its tokens, as those of a short one are, and nothing is cut.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reexd.errors import InvalidDocument, ModelCorrupt

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_PROBE = "a"
_WINDOW_MAX_TOKENS = 2048  # some models would read many times that, in units that others wait for


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """One sequence for the model. The tokens `begin <= i < end` are pooled from it."""

    text: int  # place of its text in the call
    ids: np.ndarray  # (t,) int32, special tokens included
    begin: int
    end: int
    first: bool  # opens its text
    last: bool  # ends it


class TextReader:
    """A tokenizer with the model's window around it. Thread-safe: it holds no state between calls."""

    def __init__(self, tokenizer: Tokenizer, window: int, prefix: str = "") -> None:
        self._tokenizer = tokenizer
        self._prefix = prefix
        probe = tokenizer.encode(_PROBE)
        special = probe.special_tokens_mask
        opening = next((i for i, is_special in enumerate(special) if not is_special), len(special))
        closing = next((i for i, is_special in enumerate(reversed(special)) if not is_special), 0)
        self._opening = np.array(probe.ids[:opening], dtype=np.int32)
        self._closing = np.array(probe.ids[len(special) - closing :], dtype=np.int32)
        self.window = window
        self._content = window - opening - closing
        if self._content < 4:
            raise ModelCorrupt(f"a window of at least {opening + closing + 4} tokens expected, got {window}")
        self.stride = max(1, self._content * 3 // 4)

    @classmethod
    def open(cls, folder: Path, window: int, prefix: str = "") -> TextReader:
        """Read tokenizer.json. Raises ModelCorrupt."""
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the library raises bare Exception
            raise ModelCorrupt(
                f"{folder.name}: tokenizer.json cannot be read: {error}. Pull the model again."
            ) from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return cls(tokenizer, window, prefix)

    def read(self, texts: Sequence[str], first_index: int = 0) -> list[Window]:
        """All windows of all texts, in order. Raises InvalidDocument for a text that is not Unicode."""
        try:
            encodings = self._tokenizer.encode_batch_fast(
                [self._prefix + text for text in texts], add_special_tokens=False
            )
        except (TypeError, UnicodeEncodeError) as error:
            raise InvalidDocument(
                f"texts of valid Unicode expected, got a lone surrogate: {error}"
            ) from error
        windows: list[Window] = []
        for index, encoding in enumerate(encodings, first_index):
            windows.extend(self._cut(index, np.array(encoding.ids, dtype=np.int32)))
        return windows

    def _cut(self, text: int, ids: np.ndarray) -> list[Window]:
        opening = len(self._opening)
        starts = [0]
        while starts[-1] + self._content < len(ids):
            starts.append(min(starts[-1] + self.stride, len(ids) - self._content))
        # A window owns its tokens from the middle of one overlap to the middle of the next.
        cuts = [(start + previous + self._content) // 2 for previous, start in itertools.pairwise(starts)]
        windows = []
        for place, start in enumerate(starts):
            part = ids[start : start + self._content]
            sequence = np.concatenate([self._opening, part, self._closing])
            begin = 0 if place == 0 else cuts[place - 1] - start + opening
            end = len(sequence) if place == len(starts) - 1 else cuts[place] - start + opening
            windows.append(Window(text, sequence, begin, end, place == 0, place == len(starts) - 1))
        return windows


def window_tokens(folder: Path, positions: int, stated: int = 0) -> int:
    """The longest sequence the model is meant to read: what is stated or its files say, whichever is least.

    `positions`: the most that its architecture can. Never more than 2,048: a longer text is read in windows.
    Raises ModelCorrupt.
    """
    limits = [positions, _WINDOW_MAX_TOKENS]
    if stated:
        limits.append(stated)
    elif (path := folder / "sentence_bert_config.json").is_file():
        try:
            limits.append(int(json.loads(path.read_text(encoding="utf-8"))["max_seq_length"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ModelCorrupt(f"{folder.name}: {path.name} cannot be read: {error}") from error
    return min(limits)
