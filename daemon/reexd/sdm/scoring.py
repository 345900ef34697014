"""From logits, q and d0 of new rows to everything a prediction says (sdm.md 10).

Owns: centroid and lower region alphas, and the reason for a rejection. Must not know: documents, neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from reexd.sdm.activation import sdm_activation
from reexd.sdm.calibration import Calibration
from reexd.sdm.distance import distance_quantiles
from reexd.sdm.effective_sample_size import distance_bands, dkw_errors, effective_sample_sizes
from reexd.sdm.regions import Region, reached, region_accepts, region_alphas
from reexd.sdm.rescaled_similarity import is_out_of_distribution, rescaled_similarity

# By what share Float32 may round a value at a lower d above the one at d.
ROUNDING = 1e-5


class Reason(IntEnum):
    """Why a row is not admitted, in the order they are tried. `word` is the stable text."""

    ADMITTED = 0
    ZERO_SIMILARITY = 1  # floor(q') <= OOD limit: the nearest support row is of another class, or wrong
    BEYOND_CALIBRATION = 2  # d = 0: farther from the support than every calibration row of some class
    NO_CALIBRATED_REGION = 3
    BELOW_REQUIRED_ALPHA = 4

    @property
    def word(self) -> str:
        return "" if self is Reason.ADMITTED else self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """n scored rows, C classes. The lower family is that of the first region admitting the row at d - eps."""

    logits: np.ndarray  # (n, C) float32, z'
    prediction: np.ndarray  # (n,) int64, argmax z'
    q: np.ndarray  # (n,) int32
    d0: np.ndarray  # (n,) float32
    d: np.ndarray  # (n,) float32 in [0, 1]
    sdm: np.ndarray  # (n, C) float32
    q_prime: np.ndarray  # (n,) float32
    effective_sample_sizes: np.ndarray  # (n, C) int64, n_c
    region_alpha: np.ndarray  # (n,) float64, 0.0 when rejected
    lower_region_alpha: np.ndarray  # (n,) float64
    lower_errors: np.ndarray  # (n, C) float32, eps_c; 1 when rejected
    lower_d: np.ndarray  # (n,) float32
    upper_d: np.ndarray  # (n,) float32
    lower_sdm: np.ndarray  # (n, C) float32
    lower_q_prime: np.ndarray  # (n,) float32
    reason: np.ndarray  # (n,) uint8, `Reason` with no required alpha

    q_offset: float

    @property
    def upper_sdm(self) -> np.ndarray:
        """sdm(z') were the distance `upper_d`; (n, C) float32."""
        return sdm_activation(self.logits, self.q, self.upper_d, self.q_offset)

    def reasons(self, alpha_required: float = 0.0, *, lower: bool = False) -> np.ndarray:
        """`Reason` of each row when its centroid (or lower) alpha must reach `alpha_required`; (n,) uint8."""
        alpha = self.lower_region_alpha if lower else self.region_alpha
        reason = np.full(alpha.shape, Reason.BELOW_REQUIRED_ALPHA, dtype=np.uint8)
        reason[alpha == 0.0] = Reason.NO_CALIBRATED_REGION
        reason[(alpha == 0.0) & (self.d == 0.0)] = Reason.BEYOND_CALIBRATION
        reason[(alpha == 0.0) & is_out_of_distribution(self.q_prime)] = Reason.ZERO_SIMILARITY
        reason[(alpha > 0.0) & (alpha >= alpha_required)] = Reason.ADMITTED
        return reason


def score(logits: np.ndarray, q: np.ndarray, d0: np.ndarray, calibration: Calibration) -> Scores:
    """Score n rows: z' (n, C), q (n,), d0 (n,) against a calibration.

    A row of the support must have been matched with itself excluded. Raises ValueError for non-finite logits
    or distances, negative q, or a class count that differs from the calibration's.
    """
    logits = np.asarray(logits, dtype=np.float32)
    q, d0 = np.asarray(q), np.maximum(np.asarray(d0, dtype=np.float32), np.float32(0.0))
    if logits.ndim != 2 or logits.shape[1] != calibration.class_count:
        raise ValueError(f"logits must be (n, {calibration.class_count}), got {logits.shape}")
    if q.shape != logits.shape[:1] or d0.shape != logits.shape[:1]:
        raise ValueError(f"q and d0 must have {logits.shape[0]} values, got {q.shape} and {d0.shape}")
    prediction = logits.argmax(axis=1)
    d = distance_quantiles(d0, calibration.distance_cdfs)
    sdm, q_prime = _at_distance(logits, q, d, prediction, calibration)
    sizes = effective_sample_sizes(q_prime, calibration.q_prime_cdfs)
    near = reached(q_prime, sdm, prediction, calibration.regions, slack=ROUNDING)
    scores = Scores(
        logits=logits,
        prediction=prediction,
        q=q.astype(np.int32),
        d0=d0,
        d=d,
        sdm=sdm,
        q_prime=q_prime,
        effective_sample_sizes=sizes,
        region_alpha=region_alphas(
            q_prime, sdm, prediction, calibration.regions, ood_limit=calibration.ood_limit, near=near
        ),
        reason=np.zeros(prediction.size, dtype=np.uint8),
        q_offset=calibration.q_offset,
        **_rejected_everywhere(logits, q, calibration),
    )
    # Both q' and the predicted class's sdm fall with d: a region that admits a row at a lower d is near at d itself. At
    # d = 0 the activation is uniform, below every threshold; q = 0 is rejected whatever else holds.
    passing = near & ((d > 0.0) & (q > calibration.ood_limit))[:, None]
    for at in np.flatnonzero(passing.any(axis=0)):
        _admit_lower(scores, calibration.regions[at], calibration, passing[:, at])
    scores.reason[:] = scores.reasons()
    return scores


def _at_distance(
    logits: np.ndarray, q: np.ndarray, d: np.ndarray, prediction: np.ndarray, calibration: Calibration
) -> tuple[np.ndarray, np.ndarray]:
    """(sdm, q') were the distance d."""
    sdm = sdm_activation(logits, q, d, calibration.q_offset)
    return sdm, rescaled_similarity(q, sdm[np.arange(prediction.size), prediction], calibration.q_offset)


def _rejected_everywhere(
    logits: np.ndarray, q: np.ndarray, calibration: Calibration
) -> dict[str, np.ndarray]:
    """The lower family of a row that no region admits: errors 1, so d in [0, 1] is all that is known."""
    count, class_count = logits.shape
    zeros, ones = np.zeros(count, dtype=np.float32), np.ones(count, dtype=np.float32)
    # At d = 0 the activation is uniform.
    lower_sdm = np.full((count, class_count), 1.0 / class_count, dtype=np.float32)
    lower_q_prime = rescaled_similarity(q, lower_sdm[:, 0], calibration.q_offset)
    return {
        "lower_region_alpha": np.zeros(count, dtype=np.float64),
        "lower_errors": np.ones((count, class_count), dtype=np.float32),
        "lower_d": zeros,
        "upper_d": ones,
        "lower_sdm": lower_sdm,
        "lower_q_prime": lower_q_prime,
    }


def _admit_lower(scores: Scores, region: Region, calibration: Calibration, passing: np.ndarray) -> None:
    """Fill in the lower family of the rows that `region` admits first, with d lowered by its own DKW error.

    n_c is that of the centroid q' (sdm.md 10): the lowered q' only decides membership. Only `passing` (n,) rows are
    looked at.
    """
    open_rows = np.flatnonzero(passing & (scores.lower_region_alpha == 0.0))
    if open_rows.size == 0:
        return
    errors = dkw_errors(scores.effective_sample_sizes[open_rows], region.alpha)
    lower_d, upper_d = distance_bands(scores.d[open_rows], errors)
    logits, q, prediction = scores.logits[open_rows], scores.q[open_rows], scores.prediction[open_rows]
    lower_sdm, lower_q_prime = _at_distance(logits, q, lower_d, prediction, calibration)
    accepted = region_accepts(lower_q_prime, lower_sdm, prediction, region, ood_limit=calibration.ood_limit)
    rows = open_rows[accepted]
    scores.lower_region_alpha[rows] = region.alpha
    scores.lower_errors[rows] = errors[accepted]
    scores.lower_d[rows] = lower_d[accepted]
    scores.upper_d[rows] = upper_d[accepted]
    scores.lower_sdm[rows] = lower_sdm[accepted]
    scores.lower_q_prime[rows] = lower_q_prime[accepted]
