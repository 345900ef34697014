"""A file divided over train, calibration and test: which line goes where. Owns shares, strata and chance.

Each class is divided for itself, and documents without a label among themselves. Equal texts stay together, whatever
their labels: a copy in test of what was trained on would flatter. The same file and seed give the same division.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby

from reex.checking import Checker
from reex.errors import InvalidArgument, InvalidSetting
from reex.reading import OpenSource
from reex.types import SPLITS, Rejection

PREFIX = "auto:"
EXAMPLE = "auto:80/10/10"
_BELOW_ONE = math.nextafter(1.0, 0.0)


def shares_of(split: str) -> tuple[float, ...] | None:
    """The shares of SPLITS, in 0..1, that `auto:TRAIN/CALIBRATION/TEST` says in percent; None for the name of a split.

    Raises InvalidSetting for shares that are not three or do not add up to 100.
    """
    if not split.startswith(PREFIX):
        return None
    try:
        percents = [float(part) for part in split.removeprefix(PREFIX).split("/")]
    except ValueError:
        percents = []
    whole = len(percents) == len(SPLITS) and min(percents) >= 0 and math.isclose(sum(percents), 100)
    if not whole:  # NaN adds up to nothing
        raise InvalidSetting(
            f"expected the percentages of {', '.join(SPLITS)}, which add up to 100, like {EXAMPLE}; received {split!r}"
        )
    return tuple(percent / 100 for percent in percents)


def refuse_division(split: str) -> None:
    """Raises InvalidArgument where a source goes into one split whole."""
    if split.startswith(PREFIX):
        raise InvalidArgument(f"expected the name of one split, into which it goes whole; received {split!r}")


class Division:
    """The split of each line that can be sent. A byte a line."""

    def __init__(self, lines: Sequence[int], places: bytes | bytearray) -> None:
        """`places`: of each line's split in SPLITS."""
        self._places = bytearray(max(lines, default=0) + 1)
        for line, place in zip(lines, places, strict=True):
            self._places[line] = place + 1

    def __getitem__(self, line: int) -> str:
        """Raises KeyError for a line that could not be sent, or was not there, when the division was made."""
        place = self._places[line] if line < len(self._places) else 0
        if not place:
            raise KeyError(line)
        return SPLITS[place - 1]


def divide(source: OpenSource, checker: Checker, split: str, seed: int) -> Division | None:
    """The division that `split` says, or None where it is the name of one.

    Reads the source, and leaves it ready to be read again; holds about a hundred bytes of each line. Raises as
    `shares_of`, and InvalidArgument for a source that can be read only once.
    """
    shares = shares_of(split)
    if shares is None:
        return None
    source.rewind()
    lines, marks, strata = array("Q"), array("Q"), array("L")
    numbers: dict[object, int] = {}  # of the strata, by label
    for entry in source.entries():
        document = checker.check(entry)
        if not isinstance(document, Rejection):
            lines.append(entry.line)
            marks.append(_mark(document.text, seed))
            strata.append(numbers.setdefault(document.label_name or document.label, len(numbers)))
    source.rewind()
    points = [_mark(f"point of {label!r}", seed) / 2**64 for label in numbers]
    return Division(lines, _places(marks, strata, points, shares))


def _places(
    marks: Sequence[int], strata: Sequence[int], points: Sequence[float], shares: Sequence[float]
) -> bytearray:
    """The place in SPLITS of each line, of which `marks` are the same where the text is. A text belongs to the stratum
    that it is in first.

    The texts of a stratum, in the order of chance that marks are, stand side by side from 0 to 1, each as wide as it
    has copies, and go where their point lies. That is equally far into each of them (`points`, by stratum), how far
    is chance too: so the shares are kept within one document, and over many classes of a few documents each as well.
    """
    bounds = list(accumulate(shares))
    bounds = [bound / bounds[-1] for bound in bounds]
    order = sorted(range(len(marks)), key=marks.__getitem__)
    totals: Counter[int] = Counter()
    for text in _texts(order, marks):
        totals[strata[text[0]]] += len(text)
    before, found = [0] * len(points), bytearray(len(marks))
    for text in _texts(order, marks):
        stratum = strata[text[0]]
        place = (before[stratum] + points[stratum] * len(text)) / totals[stratum]
        before[stratum] += len(text)
        for at in text:
            found[at] = bisect_right(bounds, min(place, _BELOW_ONE))
    return found


def _texts(order: Sequence[int], marks: Sequence[int]) -> Iterator[list[int]]:
    """The lines of each text, as places in `marks`."""
    return (list(group) for _, group in groupby(order, key=marks.__getitem__))


def _mark(text: str, seed: int) -> int:
    digest = hashlib.blake2b(text.encode(), digest_size=8, key=str(seed).encode()[:64]).digest()
    return int.from_bytes(digest)
