"""How a fit ends: calibration rows matched as scoring will (sdm.md 7, last line), and which weights are kept.

Owns: the choice between the regression that a default fit begins at and the best of later epochs. Must not know:
epochs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reexd.engine.adaptor.measuring import split_distances
from reexd.engine.adaptor.network import named
from reexd.engine.adaptor.scale import logit_scale, scaled
from reexd.engine.adaptor.settings import FitSettings
from reexd.engine.matching import Matcher, Matches
from reexd.sdm import AdaptorWeights, Normalization, admitted_rightly, balanced_loss


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """Weights that a fit may end in."""

    weights: AdaptorWeights
    epoch: int  # 1-based
    loss: float  # balanced SDM loss of the calibration rows


@dataclass(frozen=True, slots=True, eq=False)
class Ending:
    """A candidate with the calibration rows under it."""

    candidate: Candidate
    support_predictions: np.ndarray  # (n_train,)
    matches: Matches  # of the n_calibration rows, no neighbours
    admitted: float  # share of them that rungs from ADMITTING_ALPHA on admit rightly, mean over classes

    def facts(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "best_loss": self.candidate.loss,
            "best_epoch": self.candidate.epoch,
            "admitted_rightly": self.admitted,
        }

    def arrays(self) -> dict[str, np.ndarray]:
        return {
            **named(self.candidate.weights.arrays()),
            "support_predictions": self.support_predictions.astype(np.int32),
            "calibration_logits": self.matches.logits,
            "calibration_q": self.matches.q,
            "calibration_d0": self.matches.d0,
        }


def ended(
    candidates: Sequence[Candidate],
    normalization: Normalization,
    features: tuple[np.ndarray, np.ndarray],
    labels: tuple[np.ndarray, np.ndarray],
    settings: FitSettings,
) -> Iterator[None]:
    """Match the calibration rows under each candidate, scaled as the settings say, and keep one; yields between
    tiles, returns an Ending.

    Features (n, D) and labels (n,) of training and of calibration. Kept is the candidate that admits most, of equals
    the first. The loss cannot tell: on small pools later epochs lower it and lose accuracy that the regression has (on
    60 to 150 documents of three sets .3 to 1.7 points of all unseen ones), and where no rung is won by them nothing is.
    """
    best: Ending | None = None
    for candidate in candidates:
        matcher, matches = yield from _matched(candidate, normalization, features, labels, settings)
        if settings.calibrated_scale:
            candidate = _scaled(candidate, matches, labels[1], settings)
            # Again, so that no row lies on the other side of a rounding than where answers will find it.
            matcher, matches = yield from _matched(candidate, normalization, features, labels, settings)
        share = admitted_rightly(
            labels[1],
            matches.logits,
            matches.q,
            matches.d0,
            settings.class_count,
            pooled_classes_min=settings.pooled_classes_min,
            certified=settings.certified,
        )
        if best is None or share > best.admitted:
            best = Ending(candidate, matcher.support_predictions, matches, share)
    return best


def _matched(
    candidate: Candidate,
    normalization: Normalization,
    features: tuple[np.ndarray, np.ndarray],
    labels: tuple[np.ndarray, np.ndarray],
    settings: FitSettings,
) -> Iterator[None]:
    """Yields between tiles; returns the matcher and the calibration rows' matches."""
    matcher = Matcher(
        candidate.weights, normalization, features[0], labels[0], neighbors_max=settings.neighbors_max
    )
    for _, matches in matcher.tiles(features[1], neighbors=0):  # noqa: B007
        yield
    return matcher, matches


def _scaled(candidate: Candidate, matches: Matches, labels: np.ndarray, settings: FitSettings) -> Candidate:
    """The candidate at the scale of logits that suits the calibration rows, and its loss there."""
    classes, offset = settings.class_count, settings.q_offset
    d = split_distances(labels, matches.q, matches.d0, settings)
    factor = logit_scale(matches.logits, labels, matches.q, d, classes, offset)
    loss = balanced_loss(matches.logits * np.float32(factor), labels, matches.q, d, classes, offset)
    return Candidate(scaled(candidate.weights, factor), candidate.epoch, loss)
