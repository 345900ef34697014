"""Which windows of which documents make each step: shuffled, of like length, the same for the same seed.

Owns order and padding; knows no model. A long document shows one of its windows, drawn anew, in each epoch.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_SORTED_BATCHES = 8  # are sorted by length together: little padding, and still a random mixture


def epoch(
    lengths: np.ndarray, firsts: np.ndarray, counts: np.ndarray, size: int, seed: list[int]
) -> list[np.ndarray]:
    """The batches of one epoch as arrays of window numbers, each sorted by length, longest first.

    lengths (w,): tokens of each window. firsts, counts (n,): where each document's windows begin, and how many it
    has. `size`: documents of a batch; the last one may be smaller.
    """
    rng = np.random.default_rng(seed)
    windows = firsts + rng.integers(0, counts)
    order = windows[rng.permutation(len(windows))]
    batches: list[np.ndarray] = []
    for begin in range(0, len(order), _SORTED_BATCHES * size):
        part = order[begin : begin + _SORTED_BATCHES * size]
        part = part[np.argsort(-lengths[part], kind="stable")]
        batches.extend(part[at : at + size] for at in range(0, len(part), size))
    return [batches[at] for at in rng.permutation(len(batches))]


def parts(batch: np.ndarray, lengths: np.ndarray, tokens_max: int) -> Iterator[np.ndarray]:
    """A batch cut into runs whose padded tokens stay within `tokens_max`; at least one window each."""
    begin = 0
    while begin < len(batch):
        count = max(1, tokens_max // int(lengths[batch[begin]]))
        yield batch[begin : begin + count]
        begin += count
