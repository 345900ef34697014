"""What trained weights do to hidden states, in the shortest exact form (sdm.md 3). NumPy only.

Owns: the maps to logits and to matching space. Must not know: training, or the support.
"""

from __future__ import annotations

import numpy as np

from reexd.sdm import AdaptorWeights, Normalization

MAPPED_ROWS = 4096  # at a time


class Projection:
    """A classifier's maps from hidden states, in their shortest exact form.

    h' = W x + b, so a distance depends on W^T W alone: with M > D exemplars are taken as R x, where W = Q R,
    in D instead of M components (sdm.md 3). Both maps are computed in float64 and rounded once, so that
    results do not depend on how many rows are projected together.
    """

    def __init__(self, weights: AdaptorWeights, normalization: Normalization) -> None:
        inner, inner_bias, outer, outer_bias = (array.astype(np.float64) for array in weights.arrays())
        self._normalization = normalization
        self._logit_map = (outer @ inner).T  # (D, C)
        self._logit_bias = outer @ inner_bias + outer_bias
        self._exemplar_map = matching_map(weights.projection_weight)  # (D, R)

    @property
    def class_count(self) -> int:
        return self._logit_bias.size

    def normalised(self, vectors: np.ndarray) -> np.ndarray:
        """Hidden states (n, D) -> x (n, D) float32. ValueError when an element is not finite."""
        return self._normalization.apply(vectors)

    def logits(self, x: np.ndarray) -> np.ndarray:
        """x (n, D) -> z' (n, C) float32. ValueError when an element is not finite."""
        logits = _mapped(x, self._logit_map, self._logit_bias)
        if not np.isfinite(logits).all():
            raise ValueError("the adaptor produced a non-finite logit")
        return logits

    def exemplars(self, x: np.ndarray) -> np.ndarray:
        """x (n, D) -> exemplars in matching space, (n, R) float32."""
        return _mapped(x, self._exemplar_map)


def _mapped(x: np.ndarray, matrix: np.ndarray, bias: np.ndarray | float = 0.0) -> np.ndarray:
    """x (n, D) through a float64 map, (n, K) float32; no more than some rows are held in float64 at a time."""
    found = np.empty((len(x), matrix.shape[1]), dtype=np.float32)
    for start in range(0, len(x), MAPPED_ROWS):
        found[start : start + MAPPED_ROWS] = x[start : start + MAPPED_ROWS] @ matrix + bias
    return found


def matching_map(projection_weight: np.ndarray) -> np.ndarray:
    """The (D, R) float64 map to matching space, R = min(D, M): distances between x @ map are those of W x.

    M > D: R^T of W = Q R, for Q has orthonormal columns and leaves lengths alone; R^T is the Cholesky factor of
    W^T W (in float64, where squaring the condition costs nothing that float32 keeps). Otherwise W^T itself. The
    bias moves all exemplars alike and is left out.
    """
    weight = projection_weight.astype(np.float64)  # (M, D)
    if weight.shape[0] <= weight.shape[1]:
        return weight.T
    try:
        return np.linalg.cholesky(weight.T @ weight)
    except np.linalg.LinAlgError:  # W has lost rank
        return np.linalg.qr(weight, mode="r").T
