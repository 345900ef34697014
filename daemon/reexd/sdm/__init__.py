"""Calibration maths of the SDM estimator: pure NumPy, no state, no input or output. Raises ValueError only.

Symbols of "act" (arXiv 2509.12760v5) and where they are computed; docs/calibration.md has the long form.

    symbol            meaning                                     function                         source
    x                 normalised hidden state                     Normalization.apply              sdm.md 2
    W, b, W', b'      adaptor; h' = W x + b, z' = W' h' + b'       initial_weights                  sdm.md 3
    q, d0             similarity; squared nearest distance        similarity                       act Eq. 4
    F_c               class CDFs of d0                            distance_cdfs, pool_small_cdfs   sdm.md 5
    d                 distance, a reverse quantile in [0, 1]      distance_quantiles               act Eq. 5
    sdm(z')           similarity-distance-magnitude activation    sdm_activation                   act Eq. 6
    loss              -log_{2+q} sdm(z')_y                        sdm_losses, balanced_loss        act Eq. 7
    q'                rescaled similarity                         rescaled_similarity              act Eq. 8
    G_c               class CDFs of q'                            calibrate                        sdm.md 8
    alpha'            rungs of the ladder                         ladder_alphas                    sdm.md 9b
    q'_min, psi       a region                                    fit_region, fit_regions          act Alg. 1
    psi, left out     a rung certified class by class             fit_certified_regions            docs/calibration.md
    M(x)              membership                                  region_accepts, region_alphas    act Eq. 9
    n_c               effective sample sizes                      effective_sample_sizes           act A.5
    eps               DKW error of d                              dkw_errors, distance_bands       act A.5
    r                 nearness, a rank over all classes           fit_nearness                     docs/calibration.md
    l                 log-odds of softmax(z' / T)                 fit_magnitude                    docs/calibration.md
    P(right)          calibrated probability, with interval       fit_probability, probabilities   docs/calibration.md
    s_c               conformity of a class                       conformity, set_thresholds       docs/calibration.md

Beside the article: `evaluation` (counts with exact intervals), `drift` (are new rows like the calibration rows),
`twins` (equal rows, which a split keeps together).
"""

from reexd.sdm.activation import Q_OFFSET, log_sdm_activation, sdm_activation
from reexd.sdm.calibration import (
    ADMITTING_ALPHA,
    Calibration,
    CalibrationRows,
    admitted_rightly,
    calibrate,
)
from reexd.sdm.certification import (
    Lack,
    Verdict,
    Witnesses,
    certified_rows_min,
    fit_certified_regions,
    left_out,
    witnesses,
)
from reexd.sdm.conformal import class_conformity, conformity, set_rows_min, set_sharing, set_thresholds
from reexd.sdm.digest import feature_digest
from reexd.sdm.distance import class_distances, distance_cdfs, distance_quantiles, pool_small_cdfs
from reexd.sdm.drift import TwoSampleTest, held_out_q_prime, holm, two_sample_test
from reexd.sdm.effective_sample_size import distance_bands, dkw_errors, effective_sample_sizes
from reexd.sdm.ensemble import Agreement, agreement
from reexd.sdm.evaluation import (
    Admission,
    Cell,
    ConditionalAccuracy,
    ProbabilityFit,
    SetCoverage,
    admission,
    conditional_accuracy,
    probability_fit,
    set_coverage,
)
from reexd.sdm.explanation import Block, blocked_rungs, certificates, explain_regions
from reexd.sdm.initialization import AdaptorWeights, epoch_permutation, initial_weights
from reexd.sdm.intervals import clopper_pearson
from reexd.sdm.loss import balanced_loss, class_balanced_mean, loss_gradient, sdm_losses
from reexd.sdm.magnitude import Magnitude, fit_magnitude, fit_temperature, log_odds
from reexd.sdm.nearness import Nearness, fit_nearness
from reexd.sdm.normalization import Normalization, fit_normalization
from reexd.sdm.probability import (
    Evidence,
    Probabilities,
    ProbabilityMap,
    evidence,
    fit_probability,
    probabilities,
)
from reexd.sdm.regions import (
    ALPHA_RESOLUTION,
    Region,
    fit_region,
    fit_regions,
    ladder_alphas,
    region_accepts,
    region_alphas,
)
from reexd.sdm.reliability import reliability
from reexd.sdm.rescaled_similarity import is_out_of_distribution, rescaled_similarity
from reexd.sdm.scoring import Reason, Scores, score
from reexd.sdm.shuffling import best_iteration, check_split, iteration_seed, official_split, stratified_split
from reexd.sdm.similarity import NEIGHBORS_MAX, Similarity, nearest_neighbors, similarity, squared_distances
from reexd.sdm.twins import twin_count, twins

__all__ = [
    "ADMITTING_ALPHA",
    "ALPHA_RESOLUTION",
    "NEIGHBORS_MAX",
    "Q_OFFSET",
    "AdaptorWeights",
    "Admission",
    "Agreement",
    "Block",
    "Calibration",
    "CalibrationRows",
    "Cell",
    "ConditionalAccuracy",
    "Evidence",
    "Lack",
    "Magnitude",
    "Nearness",
    "Normalization",
    "Probabilities",
    "ProbabilityFit",
    "ProbabilityMap",
    "Reason",
    "Region",
    "Scores",
    "SetCoverage",
    "Similarity",
    "TwoSampleTest",
    "Verdict",
    "Witnesses",
    "admission",
    "admitted_rightly",
    "agreement",
    "balanced_loss",
    "best_iteration",
    "blocked_rungs",
    "calibrate",
    "certificates",
    "certified_rows_min",
    "check_split",
    "class_balanced_mean",
    "class_conformity",
    "class_distances",
    "clopper_pearson",
    "conditional_accuracy",
    "conformity",
    "distance_bands",
    "distance_cdfs",
    "distance_quantiles",
    "dkw_errors",
    "effective_sample_sizes",
    "epoch_permutation",
    "evidence",
    "explain_regions",
    "feature_digest",
    "fit_certified_regions",
    "fit_magnitude",
    "fit_nearness",
    "fit_normalization",
    "fit_probability",
    "fit_region",
    "fit_regions",
    "fit_temperature",
    "held_out_q_prime",
    "holm",
    "initial_weights",
    "is_out_of_distribution",
    "iteration_seed",
    "ladder_alphas",
    "left_out",
    "log_odds",
    "log_sdm_activation",
    "loss_gradient",
    "nearest_neighbors",
    "official_split",
    "pool_small_cdfs",
    "probabilities",
    "probability_fit",
    "region_accepts",
    "region_alphas",
    "reliability",
    "rescaled_similarity",
    "score",
    "sdm_activation",
    "sdm_losses",
    "set_coverage",
    "set_rows_min",
    "set_sharing",
    "set_thresholds",
    "similarity",
    "squared_distances",
    "stratified_split",
    "twin_count",
    "twins",
    "two_sample_test",
    "witnesses",
]
