"""The published split of the Financial PhraseBank, remade from its `all-data.csv`.

Owns the recipe and nothing else. It was published as a use of `numpy.random.RandomState`; `permutation` gives the
same numbers from Python's own Mersenne Twister, so that a client without NumPy can prepare the data.
"""

from __future__ import annotations

import csv
import io
import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reex.errors import InvalidArgument

CLASSES = ("negative", "neutral", "positive")
PROMPT = (
    "Please classify the sentiment of the following financial news headline as positive, neutral, or negative, "
    "explaining your reasoning step by step."
)
SAMPLED_PER_CLASS = 300
_SAMPLING_ORDER = ("positive", "neutral", "negative")
_SAMPLING_SEED, _SHUFFLING_SEED = 42, 10


@dataclass(frozen=True, slots=True)
class Splits:
    """Lines of JSON Lines files, as dicts."""

    train: list[dict[str, Any]]
    calibration: list[dict[str, Any]]
    test: list[dict[str, Any]]


def split(path: str | os.PathLike[str]) -> Splits:
    """Per class, 300 rows for test and 300 for train; the rest calibrates. Ids are row numbers, from 1.

    Raises InvalidArgument for a file that is not two columns, sentiment and text, with enough rows of each class.
    """
    rows = _read(Path(path))
    train: list[int] = []
    test: list[int] = []
    for name in _SAMPLING_ORDER:
        own = [row for row, (sentiment, _) in enumerate(rows) if sentiment == name]
        if len(own) < 2 * SAMPLED_PER_CLASS:
            raise InvalidArgument(
                f"expected at least {2 * SAMPLED_PER_CLASS} rows of {name} in {path}, received {len(own)}; "
                "is it all-data.csv with the columns sentiment, text and no header?"
            )
        drawn = [own[place] for place in permutation(_SAMPLING_SEED, len(own))]
        test += drawn[:SAMPLED_PER_CLASS]
        train += drawn[SAMPLED_PER_CLASS : 2 * SAMPLED_PER_CLASS]
    train = [train[place] for place in permutation(_SHUFFLING_SEED, len(train))]
    taken = {*train, *test}
    rest = [row for row in range(len(rows)) if row not in taken]
    return Splits(*([_line(row, *rows[row]) for row in part] for part in (train, rest, test)))


def _read(path: Path) -> list[tuple[str, str]]:
    # As pandas read it for the published split: UTF-8, with U+FFFD for what is not.
    text = path.read_bytes().decode("utf-8", "replace")
    rows = []
    for number, cells in enumerate(csv.reader(io.StringIO(text, newline="")), start=1):
        if len(cells) != 2 or cells[0] not in CLASSES:
            raise InvalidArgument(
                f"{path}: row {number}: expected a sentiment ({', '.join(CLASSES)}) and a text, "
                f"received {len(cells)} columns beginning with {cells[:1]}"
            )
        rows.append((cells[0], cells[1]))
    return rows


def _line(row: int, sentiment: str, text: str) -> dict[str, Any]:
    return {
        "id": f"phrasebank-{row + 1:04}",
        "label": CLASSES.index(sentiment),
        "document": text,
        "prompt": PROMPT,
    }


def permutation(seed: int, count: int) -> list[int]:
    """`numpy.random.RandomState(seed).permutation(count)`, for 0 <= seed < 2**32.

    The generator is the same (MT19937); what differs from `random.shuffle` is how it is seeded (Knuth's linear
    recurrence, init_genrand) and how an index is drawn (masked 32-bit words, rejected while too large).
    """
    key = [seed]
    for place in range(1, 624):
        key.append((1812433253 * (key[-1] ^ (key[-1] >> 30)) + place) & 0xFFFFFFFF)
    words = random.Random()
    words.setstate((3, (*key, 624), None))
    order = list(range(count))
    for last in range(count - 1, 0, -1):
        mask = (1 << last.bit_length()) - 1
        while (drawn := words.getrandbits(32) & mask) > last:
            pass
        order[last], order[drawn] = order[drawn], order[last]
    return order
