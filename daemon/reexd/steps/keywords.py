"""Keywords: BM25 of texts for the words of a question. Pure; no index is kept, so that nothing is stale.

score = sum over the question's words w of idf(w) tf (K1 + 1) / (tf + K1 (1 - B + B length / mean length)),
idf(w) = ln(1 + (n - df + 0.5) / (df + 0.5)), with tf the occurrences of w in the text, df the texts that have it
(Robertson and Zaragoza 2009, 3.4). The length is that of the text in characters: most texts have none of the words, and
are never cut into theirs.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable

import numpy as np

K1, B = 1.2, 0.75
WORDS_SOUGHT_MAX = 32  # more are not sought one by one: to cut the text into its words takes less
# Where words are not set apart by blanks, each character is one.
_WORD = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\\W\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")


def words(text: str) -> list[str]:
    """In their order, compatibility forms and case apart."""
    return _WORD.findall(_folded(text))


def scores(question: str, texts: Iterable[str]) -> np.ndarray:
    """(n,) float64, 0.0 for a text that has none of the words. Holds what was found, never the texts."""
    asked = {word: place for place, word in enumerate(dict.fromkeys(words(question)))}
    lengths, rows, places, counts = array("q"), array("q"), array("q"), array("q")
    for row, text in enumerate(texts):
        folded = _folded(text)
        lengths.append(len(folded))
        if len(asked) <= WORDS_SOUGHT_MAX and not any(word in folded for word in asked):
            continue
        for word, count in Counter(filter(asked.__contains__, _WORD.findall(folded))).items():
            rows.append(row)
            places.append(asked[word])
            counts.append(count)
    found, row, tf = (np.array(each, np.int64) for each in (places, rows, counts))
    length = np.array(lengths, np.float64)
    having = np.bincount(found, minlength=len(asked))
    idf = np.log1p((len(length) - having + 0.5) / (having + 0.5))
    relative = length[row] / max(length.mean(), 1.0) if len(length) else length
    weights = idf[found] * tf * (K1 + 1) / (tf + K1 * (1 - B + B * relative))
    return np.bincount(row, weights, minlength=len(length)).astype(np.float64)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
