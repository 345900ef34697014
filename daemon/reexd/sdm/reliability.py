"""Reliability in one word, for people (product.md 5). A rule over alphas; adds no estimate."""

from __future__ import annotations

import numpy as np

from reexd.sdm.calibration import Calibration
from reexd.sdm.rescaled_similarity import is_out_of_distribution
from reexd.sdm.scoring import Scores

HIGHEST, HIGH, LOW, LOWEST = "highest", "high", "low", "lowest"
OUT_OF_DISTRIBUTION = "out-of-distribution"
ALPHA_REQUIRED = 0.9


def reliability(
    scores: Scores, calibration: Calibration, *, alpha_required: float = ALPHA_REQUIRED
) -> np.ndarray:
    """One word per row, (n,) of str; the first that holds:

    out-of-distribution  floor(q') <= OOD limit: nothing like it among the right support rows of its class
    highest              the lower alpha is the top region's, and that is at least `alpha_required`
    high                 the (centroid) region alpha is at least `alpha_required`
    low                  in some region
    lowest               in no region
    """
    top = calibration.regions[0].alpha if calibration.regions else 0.0
    return np.select(
        [
            is_out_of_distribution(scores.q_prime, calibration.ood_limit),
            (top >= alpha_required) & (scores.lower_region_alpha == top),
            scores.region_alpha >= alpha_required,
            scores.region_alpha > 0.0,
        ],
        [OUT_OF_DISTRIBUTION, HIGHEST, HIGH, LOW],
        default=LOWEST,
    )
