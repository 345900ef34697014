"""The scale of an adaptor's logits, from calibration rows.

A regression's penalty, and epochs that end early, leave logits smaller than the loss would have them: of what a rung
admits more is right than it promises, and less is admitted. One factor of all logits changes no prediction, and with it
neither q, d0 nor d. Owns its fit; must not know epochs, or which rungs there are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reexd.sdm import AdaptorWeights, fit_temperature


def logit_scale(
    logits: np.ndarray, labels: np.ndarray, q: np.ndarray, d: np.ndarray, class_count: int, q_offset: float
) -> float:
    """The factor of logits (m, C) with which the balanced SDM loss (act Eq. 7) of rows labelled (m,) is least, shrunk.

    With s ln(q_offset + q) d z' for logits the loss is a cross-entropy of rows weighed by 1 / ln(q_offset + q), and
    s the inverse of its temperature. A prior of a few rows holds ln s to 0.
    """
    base = np.log(q.astype(np.float64) + q_offset)
    balance = labels.size / (np.bincount(labels, minlength=class_count)[labels] * class_count)
    sharpened = (d * base)[:, None] * logits.astype(np.float64)
    return 1.0 / fit_temperature(labels, sharpened, weights=balance / base)


def scaled(weights: AdaptorWeights, factor: float) -> AdaptorWeights:
    """The same adaptor with all logits times a factor; its exemplars are the same."""
    share = np.float32(factor)
    return replace(
        weights,
        classifier_weight=weights.classifier_weight * share,
        classifier_bias=weights.classifier_bias * share,
    )
