"""One model's scores of some vectors as the daemon computes them, and their comparison with the official package's.

The way is that of an imported model: classifier, support as hidden states, matching in a worker's engine, `sdm.score`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from reexd import sdm
from reexd.engine.matching import Matcher
from reexd.interchange.portable_model import PortableModel, to_classifier

TOLERANCE = 1e-5
_NEAREST = "nearestSupportMatches"
_NUMBERS = {  # the official package's name of each number, and ours
    "d": "d",
    "sdm": "sdm",
    "qPrime": "q_prime",
    "dLower": "lower_d",
    "dUpper": "upper_d",
    "sdmLower": "lower_sdm",
    "sdmUpper": "upper_sdm",
    "qPrimeLower": "lower_q_prime",
    "effectiveSampleSizeErrors": "lower_errors",
}
_EXACT = {
    "prediction": "prediction",
    "q": "q",
    "centroidRegionAlpha": "region_alpha",
    "lowerRegionAlpha": "lower_region_alpha",
    "cumulativeEffectiveSampleSizes": "effective_sample_sizes",
}
_UNBOUNDED = {"d0": "d0", "zPrime": "logits"}
_UNBOUNDED_SHARE = 1e-4  # the package takes d0 as |a|^2 + |b|^2 - 2ab in Float32, which cancels


@dataclass(frozen=True, eq=False)
class Scored:
    scores: sdm.Scores
    nearest: np.ndarray  # (n, k) support indices
    ids: tuple[str, ...]  # of the support


def scored_here(model: PortableModel, vectors: np.ndarray) -> Scored:
    imported = to_classifier(model, version=1, space=1, model_name="any")
    record, arrays = imported.record, imported.arrays
    matcher = Matcher(
        sdm.AdaptorWeights(
            arrays.projection_weight, arrays.projection_bias, arrays.classifier_weight, arrays.classifier_bias
        ),
        sdm.Normalization(record.mean, record.standard_deviation),
        imported.vectors,
        arrays.support_labels,
        arrays.support_predictions,
        neighbors_max=record.neighbors_max,
    )
    matches = matcher.match(vectors, neighbors=25)
    calibration = sdm.Calibration(arrays.distance_cdfs, arrays.q_prime_cdfs, record.regions)
    scores = sdm.score(matches.logits, matches.q, matches.d0, calibration)
    return Scored(scores, matches.indices, imported.support_ids)


def kept(row: dict) -> dict:
    """The numbers of one scored row of the official package, for storing: no text, no vectors."""
    found = {name: row[name] for name in (*_NUMBERS, *_EXACT, *_UNBOUNDED)}
    return {**found, _NEAREST: [{"id": each["id"]} for each in row[_NEAREST]]}


def assert_same_numbers(
    ours: Scored, official: Sequence[dict], *, d_step: float = 0.0, share_max: float = 0.0
) -> None:
    """Prediction, q, alphas, effective sizes and nearest ids are the same; the rest within 1e-5, above 1 of their size.

    In a share of at most `share_max` of the rows d may differ by `d_step`, and then all that follows from it.
    """
    assert len(official) == len(ours.nearest)
    nearest = [[ours.ids[index] for index in row] for row in ours.nearest]
    assert nearest == [[each["id"] for each in row[_NEAREST]] for row in official]
    gap = np.abs(ours.scores.d - _column(official, "d"))
    moved = gap > TOLERANCE
    assert moved.mean() <= share_max, f"d differs in {moved.sum()} rows by up to {gap.max()}"
    assert (gap[moved] <= d_step + TOLERANCE).all(), f"d differs by {gap.max()}, more than one step {d_step}"
    for theirs, name in _EXACT.items():
        actual, expected = getattr(ours.scores, name)[~moved], _column(official, theirs)[~moved]
        np.testing.assert_array_equal(actual, expected, err_msg=theirs)
    for names, share in ((_NUMBERS, TOLERANCE), (_UNBOUNDED, _UNBOUNDED_SHARE)):
        for theirs, name in names.items():
            actual, expected = getattr(ours.scores, name)[~moved], _column(official, theirs)[~moved]
            allowed = share * np.maximum(1.0, np.abs(expected))
            assert (np.abs(actual - expected) <= allowed).all(), (
                f"{theirs}: {np.abs(actual - expected).max()}"
            )
    for always in ("prediction", "q"):
        np.testing.assert_array_equal(getattr(ours.scores, always), _column(official, always), err_msg=always)


def _column(official: Sequence[dict], name: str) -> np.ndarray:
    return np.array([row[name] for row in official])
