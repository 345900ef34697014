"""Hidden states to logits, q, d0 and neighbours, inside a worker. Owns which classifiers are in memory."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np

from reexd.engine import states
from reexd.engine.matching import Matcher
from reexd.errors import InvalidInput
from reexd.sdm import AdaptorWeights, Normalization

KEPT_MAX = 8  # classifiers in memory, per worker


class Classifiers:
    def __init__(self) -> None:
        self._kept: OrderedDict[str, Matcher] = OrderedDict()

    def match(
        self, key: str, folder: Path, vectors: np.ndarray, exclude: np.ndarray | None, neighbors: int
    ) -> dict[str, np.ndarray]:
        """Rows (n, D) against the classifier in `folder`, named `key`; see `tasks.Matches` for the arrays.

        Raises InvalidInput for vectors that are misshapen or not finite.
        """
        try:
            matches = self._open(key, folder).match(vectors, exclude=exclude, neighbors=neighbors)
        except ValueError as error:
            raise InvalidInput(f"these rows cannot be matched: {error}") from error
        return {
            "logits": matches.logits,
            "q": matches.q,
            "d0": matches.d0,
            "indices": matches.indices,
            "distances": matches.distances,
        }

    def _open(self, key: str, folder: Path) -> Matcher:
        """Exemplars are derived from the memory-mapped support once, and kept while in use."""
        if key not in self._kept:
            while len(self._kept) >= KEPT_MAX:
                self._kept.popitem(last=False)
            state = states.load(folder, mapped=True)
            arrays, facts = state.arrays, state.facts
            self._kept[key] = Matcher(
                AdaptorWeights.among(arrays),
                Normalization(facts["mean"], facts["standard_deviation"]),
                arrays["support"],
                arrays["support_labels"],
                arrays["support_predictions"],
                neighbors_max=facts["neighbors_max"],
            )
        self._kept.move_to_end(key)
        return self._kept[key]
