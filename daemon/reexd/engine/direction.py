"""The direction of a pooled vector without its length (`:unit` in reexd.pooling).

Owns: the scale. Must not know: models, windows.

The length of a mean over tokens tells how many there were and how alike: a long text's is short. Distances would hear
that before they hear what a text is about: with the mean of minilm's states, requests of another kind lay nearer to the
short questions of trec6 than held-out questions did (docs/models.md has the figures).
"""

from __future__ import annotations

import numpy as np


def unit(vectors: np.ndarray, words: int) -> np.ndarray:
    """Each of the `words` equal parts of a row with mean square one; zeros stay. (n, W D) float32 to the same."""
    parts = vectors.reshape(len(vectors), words, -1)
    square = np.mean(np.square(parts), axis=2, keepdims=True)
    return (parts / np.sqrt(np.where(square > 0, square, 1))).reshape(vectors.shape)
