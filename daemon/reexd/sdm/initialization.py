"""The seeded start of the adaptor, draw by draw (sdm.md 3).

Owns: the order of draws, which fixes the classifier that a seed gives. Must not know: how training goes on.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class AdaptorWeights:
    """h' = W x + b, z' = W' h' + b'. D features, M exemplar components, C classes; all float32."""

    projection_weight: np.ndarray  # W (M, D)
    projection_bias: np.ndarray  # b (M,)
    classifier_weight: np.ndarray  # W' (C, M)
    classifier_bias: np.ndarray  # b' (C,)

    def __post_init__(self) -> None:
        exemplar_size, _ = self.projection_weight.shape
        class_count = self.classifier_bias.shape[0]
        if self.projection_bias.shape != (exemplar_size,) or self.classifier_weight.shape != (
            class_count,
            exemplar_size,
        ):
            raise ValueError(
                "adaptor shapes must be W (M, D), b (M,), W' (C, M), b' (C,), got "
                f"{[array.shape for array in self.arrays()]}"
            )
        if not all(np.isfinite(array).all() for array in self.arrays()):
            raise ValueError("adaptor weights must be finite")

    @classmethod
    def among(cls, arrays: Mapping[str, np.ndarray]) -> AdaptorWeights:
        """Those of some arrays that have the names of these fields."""
        return cls(*(arrays[field.name] for field in fields(cls)))

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        return self.projection_weight, self.projection_bias, self.classifier_weight, self.classifier_bias

    def digest(self) -> str:
        """SHA-256 over the little-endian Float32 bytes of W, b, W', b', in that order; lower-case hex."""
        digest = hashlib.sha256()
        for array in self.arrays():
            digest.update(np.ascontiguousarray(array, "<f4").tobytes())
        return digest.hexdigest()


def initial_weights(
    generator: np.random.Generator, feature_count: int, exemplar_size: int, class_count: int
) -> AdaptorWeights:
    """Uniform draws within 1/sqrt(fan in), float64 cast to float32, in the order W, b, W', b'.

    `generator` is `np.random.default_rng(seed)`, fresh; the same one then gives the epochs' permutations.
    """
    outer = 1.0 / math.sqrt(feature_count)
    inner = 1.0 / math.sqrt(exemplar_size)

    def draw(bound: float, *shape: int) -> np.ndarray:
        return generator.uniform(-bound, bound, shape).astype(np.float32)

    return AdaptorWeights(
        draw(outer, exemplar_size, feature_count),
        draw(outer, exemplar_size),
        draw(inner, class_count, exemplar_size),
        draw(inner, class_count),
    )


def epoch_permutation(generator: np.random.Generator, row_count: int) -> np.ndarray:
    """Order of the training rows in one epoch, (n,) int64; mini-batches are consecutive slices of it."""
    return generator.permutation(row_count)
