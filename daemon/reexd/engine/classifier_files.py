"""A classifier as files that workers memory-map. Written in the daemon, read by `classifying`; free of mlx."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reexd.engine import states
from reexd.engine.tasks import MatchHandle, State
from reexd.records import Classifier, ClassifierArrays


def write_classifier(
    folder: Path, record: Classifier, arrays: ClassifierArrays, vectors: np.ndarray
) -> MatchHandle:
    """Lay a classifier out for the workers: `vectors` (N, D) float32 are its support's hidden states with
    attributes, not normalised, in the order of `arrays.support_rows`. The folder must not exist yet."""
    exemplar_size, feature_count = arrays.projection_weight.shape
    state = State(
        {
            "projection_weight": arrays.projection_weight,
            "projection_bias": arrays.projection_bias,
            "classifier_weight": arrays.classifier_weight,
            "classifier_bias": arrays.classifier_bias,
            "support": vectors,
            "support_labels": arrays.support_labels,
            "support_predictions": arrays.support_predictions,
        },
        {
            "mean": record.mean,
            "standard_deviation": record.standard_deviation,
            "neighbors_max": record.neighbors_max,
        },
    )
    states.save(folder, state)
    return MatchHandle(
        key=str(folder), path=folder, support_count=len(vectors), width=min(exemplar_size, feature_count)
    )
