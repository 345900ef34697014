"""A file divided over train, calibration and test: which line goes where. Owns shares, strata and chance.

Each class is divided for itself, and documents without a label among themselves. Equal texts stay together, whatever
their labels: a copy in test of what was trained on would flatter. The same file and seed give the same division.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections import defaultdict
from itertools import accumulate

from reex.checking import Checker
from reex.errors import InvalidArgument, InvalidSetting
from reex.reading import OpenSource
from reex.types import Rejection

SPLITS = ("train", "calibration", "test")
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


def divide(source: OpenSource, checker: Checker, split: str, seed: int) -> dict[int, str] | None:
    """The split of each line that can be sent, by its number; None where `split` is one itself.

    Reads the source, and leaves it ready to be read again. Raises as `shares_of`, and InvalidArgument for a source that
    can be read only once.
    """
    shares = shares_of(split)
    if shares is None:
        return None
    source.rewind()
    strata: dict[object, dict[bytes, list[int]]] = defaultdict(lambda: defaultdict(list))
    stratum: dict[bytes, object] = {}  # of a text: the label that it came with first
    for entry in source.entries():
        document = checker.check(entry)
        if not isinstance(document, Rejection):
            text = _mark(document.text, seed)
            label = stratum.setdefault(text, document.label_name or document.label)
            strata[label][text].append(entry.line)
    source.rewind()
    bounds = list(accumulate(shares))
    bounds = [bound / bounds[-1] for bound in bounds]
    found: dict[int, str] = {}
    for label, texts in strata.items():
        found |= _divided(label, texts, bounds, seed)
    return found


def _divided(label: object, texts: dict[bytes, list[int]], bounds: list[float], seed: int) -> dict[int, str]:
    """One stratum: the split of each of its lines. `bounds`: where the share of each of SPLITS ends, the last at 1.

    Its texts, in an order of chance, stand side by side from 0 to 1, each as wide as it has copies, and go where their
    point lies. That is equally far into each of them, how far is chance too: so the shares are kept within one
    document, and over many classes of a few documents each as well.
    """
    point = int.from_bytes(_mark(f"point of {label!r}", seed)) / 2**64
    total, before, found = sum(map(len, texts.values())), 0, {}
    for text in sorted(texts):
        lines = texts[text]
        place = min((before + point * len(lines)) / total, _BELOW_ONE)
        found |= dict.fromkeys(lines, SPLITS[bisect_right(bounds, place)])
        before += len(lines)
    return found


def _mark(text: str, seed: int) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8, key=str(seed).encode()[:64]).digest()
