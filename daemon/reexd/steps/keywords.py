"""Keywords: BM25 of texts for the words of a question. Pure; no index is kept, so that nothing is stale.

score = sum over the question's words w of idf(w) tf (K1 + 1) / (tf + K1 (1 - B + B length / mean length)),
idf(w) = ln(1 + (n - df + 0.5) / (df + 0.5)), with tf the occurrences of w in the text, df the texts that have it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import numpy as np

K1, B = 1.2, 0.75
# Where words are not set apart by blanks, each character is one.
_WORD = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\\W\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")


def words(text: str) -> list[str]:
    """In their order, compatibility forms and case apart."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def scores(question: str, texts: Iterable[str]) -> np.ndarray:
    """(n,) float64, 0.0 for a text that has none of the words."""
    asked = {word: place for place, word in enumerate(dict.fromkeys(words(question)))}
    counts: list[np.ndarray] = []
    lengths: list[int] = []
    for text in texts:
        row = np.zeros(len(asked))
        found = words(text)
        for word in found:
            if (place := asked.get(word)) is not None:
                row[place] += 1
        counts.append(row)
        lengths.append(len(found))
    if not counts:
        return np.zeros(0)
    tf, length = np.stack(counts), np.array(lengths, np.float64)  # (n, words), (n,)
    having = np.count_nonzero(tf, axis=0)
    idf = np.log1p((len(tf) - having + 0.5) / (having + 0.5))
    relative = length / max(length.mean(), 1e-12)
    return (tf * (K1 + 1) / (tf + K1 * (1 - B + B * relative[:, None]))) @ idf
