"""Pooling: how the states of a text's tokens become one vector. Owns the grammar; computes nothing.

    WORD[+WORD...][@LAYERS][:unit]      mean   mean:unit   first   last+mean   mean+max@4

`mean` is the average over the text's tokens, `max` the largest value of each component, `first` and `last` the states
of the outermost tokens (special ones included). The vector is the words' results side by side, in the order written.
`@4` takes the average of the last four layers' states in place of the last layer's. `:unit` keeps the direction of each
word's result and gives it a length of its own choice: components of mean square one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from reexd.errors import InvalidSetting

WORDS = ("mean", "max", "first", "last")
UNIT = ":unit"
LAYERS_MAX = 99

_FORM = re.compile(rf"([a-z]+(?:\+[a-z]+)*)(?:@([1-9][0-9]?))?({UNIT})?")


@dataclass(frozen=True, slots=True)
class Pooling:
    words: tuple[str, ...]
    layers: int  # how many of the last ones are averaged
    unit: bool = False  # each word's result keeps its direction alone

    def __str__(self) -> str:
        """The one way to write it: what fingerprints and manifests hold."""
        layers = f"@{self.layers}" if self.layers > 1 else ""
        return "+".join(self.words) + layers + (UNIT if self.unit else "")


def parse(text: str) -> Pooling:
    """Raises InvalidSetting for anything but the grammar above; a word may occur once."""
    form = _FORM.fullmatch(text)
    words = tuple(form[1].split("+")) if form else ()
    if form is None or not set(words) <= set(WORDS) or len(set(words)) < len(words):
        raise InvalidSetting(
            f"a pooling is one or more of {', '.join(WORDS)}, each once, joined by '+', then optionally '@' and the"
            f" number of last layers to average (1 to {LAYERS_MAX}), then optionally '{UNIT}', like mean:unit or"
            f" mean+max@4; received {text!r}"
        )
    return Pooling(words, int(form[2] or 1), bool(form[3]))
