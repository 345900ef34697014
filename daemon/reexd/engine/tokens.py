"""Texts to token ids, in windows that fit the model. Runs in the daemon (the tokenizer is Rust and releases
the interpreter lock; measured 50 microseconds for a headline, against 9 ms of language model). No mlx here.

A text longer than the model's window is read in windows that overlap by a quarter. Each of its tokens is
pooled once, from the window that shows it with the most context: the overlap is split in the middle. So the mean
and the maximum of a long text are over all of its tokens, as those of a short one are, and nothing is cut.

Of a decoder, whatever stands before and after the text (a prompt, a chat template, a token that begins every text) is
context: it is in every window, and only the text's own tokens are pooled, and the last of the sequence as `last`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reexd.engine import gguf, gguf_tokenizer, prompting
from reexd.engine.prompting import Asking
from reexd.errors import InvalidDocument, InvalidSetting, ModelCorrupt
from reexd.weights.gguf import read as gguf_header

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_PROBE = "a"
_CONTENT_MIN_TOKENS = 4
_FRAMES_MAX = 256  # prompts whose tokens are remembered
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
    context: int = 0  # leading tokens that all windows under the same prompt have


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """What stands around every text under one prompt, (t,) int32 each."""

    opening: np.ndarray
    closing: np.ndarray


class TextReader:
    """A tokenizer with the model's window around it. Thread-safe: what it remembers of prompts is never changed."""

    def __init__(
        self, tokenizer: Tokenizer, window: int, prefix: str = "", asking: Asking | None = None
    ) -> None:
        """`prefix` stands before every text and is pooled with it; `asking` is a decoder's."""
        self._tokenizer = tokenizer
        self._prefix = prefix
        self._asking = asking
        probe = tokenizer.encode(_PROBE)
        special = probe.special_tokens_mask
        opening = next((i for i, is_special in enumerate(special) if not is_special), len(special))
        closing = next((i for i, is_special in enumerate(reversed(special)) if not is_special), 0)
        self._plain = _Frame(
            np.array(probe.ids[:opening], dtype=np.int32),
            np.array(probe.ids[len(special) - closing :], dtype=np.int32),
        )
        self._frames = {"": self._plain}
        self.window = window
        if self._content(self._plain) < _CONTENT_MIN_TOKENS:
            raise ModelCorrupt(
                f"a window of at least {opening + closing + _CONTENT_MIN_TOKENS} tokens expected, got {window}"
            )
        self.stride = _stride(self._content(self._plain))

    @classmethod
    def open(cls, folder: Path, window: int, prefix: str = "", *, decoder: bool = False) -> TextReader:
        """Read tokenizer.json, or what a GGUF file says in its place. Raises ModelCorrupt, InvalidSetting."""
        from tokenizers import Tokenizer

        path, file = folder / "tokenizer.json", gguf.file(folder)
        if file is not None and not path.is_file():
            tokenizer = gguf_tokenizer.build(gguf_header(file), folder.name)
        else:
            try:
                tokenizer = Tokenizer.from_file(str(path))
            except Exception as error:  # the library raises bare Exception
                raise ModelCorrupt(
                    f"{folder.name}: tokenizer.json cannot be read: {error}. Pull the model again."
                ) from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return cls(tokenizer, window, prefix, prompting.read(folder) if decoder else None)

    def read(self, texts: Sequence[str], first_index: int = 0, prompt: str = "") -> list[Window]:
        """All windows of all texts, in order, each under the `prompt`, which encoders do not read.

        Raises InvalidDocument for a text that is not Unicode, InvalidSetting for a prompt that leaves it no room.
        """
        try:
            frame = self._frame(prompt if self._asking else "")
            encodings = self._tokenizer.encode_batch_fast(
                [self._prefix + text for text in texts], add_special_tokens=False
            )
        except (TypeError, UnicodeEncodeError) as error:
            raise InvalidDocument(
                f"texts of valid Unicode expected, got a lone surrogate: {error}"
            ) from error
        windows: list[Window] = []
        for index, encoding in enumerate(encodings, first_index):
            windows.extend(self._cut(index, np.array(encoding.ids, dtype=np.int32), frame))
        return windows

    def spans(self, text: str, pooled: int) -> tuple[tuple[int, int] | None, ...]:
        """Where each of the tokens that are `pooled` of a text stands in it, in code points, end excluded; None for
        special ones, for the prefix, and for all where the text is nothing to the tokenizer.
        """
        skipped = len(self._prefix)
        offsets = self._tokenizer.encode(self._prefix + text, add_special_tokens=False).offsets
        own = [(max(0, a - skipped), b - skipped) if b > skipped else None for a, b in offsets]
        if self._asking is None:
            own = [None] * len(self._plain.opening) + own + [None] * len(self._plain.closing)
        return tuple(own) if len(own) == pooled else (None,) * pooled

    def _cut(self, text: int, ids: np.ndarray, frame: _Frame) -> list[Window]:
        ids = ids if len(ids) or len(frame.opening) + len(frame.closing) else np.zeros(1, np.int32)
        content, opening = self._content(frame), len(frame.opening)
        starts, stride = [0], _stride(content)
        while starts[-1] + content < len(ids):
            starts.append(min(starts[-1] + stride, len(ids) - content))
        # A window owns its tokens from the middle of one overlap to the middle of the next.
        cuts = [(start + previous + content) // 2 for previous, start in itertools.pairwise(starts)]
        windows = []
        for place, start in enumerate(starts):
            sequence = np.concatenate([frame.opening, ids[start : start + content], frame.closing])
            first, last = self._ends(len(sequence), frame)
            begin = first if place == 0 else cuts[place - 1] - start + opening
            end = last if place == len(starts) - 1 else cuts[place] - start + opening
            window = Window(text, sequence, begin, end, place == 0, place == len(starts) - 1)
            windows.append(window if self._asking is None else replace(window, context=min(opening, begin)))
        return windows

    def _ends(self, length: int, frame: _Frame) -> tuple[int, int]:
        """The first and the end of the tokens of a whole text that are pooled: an encoder's special ones with them."""
        first, end = len(frame.opening), length - len(frame.closing)
        if self._asking is None:
            return 0, length
        return (
            (first, end) if first < end else (length - 1, length)
        )  # a text that is nothing to the tokenizer

    def _content(self, frame: _Frame) -> int:
        return self.window - len(frame.opening) - len(frame.closing)

    def _frame(self, prompt: str) -> _Frame:
        """What stands around a text under a prompt. Raises InvalidSetting when that is most of a window."""
        if (known := self._frames.get(prompt)) is not None:
            return known
        before, after, whole = self._asking.around(prompt)
        opening, closing = (
            np.array(encoding.ids, dtype=np.int32)
            for encoding in self._tokenizer.encode_batch_fast([before, after], add_special_tokens=False)
        )
        special = self._plain
        if not whole or opening[: len(special.opening)].tolist() != special.opening.tolist():
            opening = np.concatenate([special.opening, opening])
        frame = _Frame(opening, closing if whole else special.closing)
        if self._content(frame) < self.window // 4:
            raise InvalidSetting(
                f"a prompt that leaves a quarter of the model's window of {self.window} tokens to the text expected;"
                f" with it {self.window - self._content(frame)} tokens are taken. Shorten the prompt",
                name="prompt",
            )
        if len(self._frames) >= _FRAMES_MAX:
            self._frames = {"": self._plain}
        self._frames[prompt] = frame
        return frame


def _stride(content: int) -> int:
    return max(1, content * 3 // 4)


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
