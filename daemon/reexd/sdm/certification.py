"""Regions that may leave classes out: each class is certified for itself (product mode; `--official` wants all).

Owns: the certificate of a class, the search for the cut, the ladder, and what a class lacks. Must not know: how it is
told.

Algorithm 1 wants every class at one cut of q', so that of 150 classes one noisy or small one blocks a rung for all.
Here a class that cannot keep the promise at a rung gets the threshold NEVER: no document is admitted under its name
at that rung, and lower rungs may still take it. A class c is certified at alpha and cut t when, among calibration rows
with q' >= t that no higher rung accepted,

    psi_c >= alpha, psi_c the (k+1)-th smallest sdm_c of its n rows, k = `fall_short`(alpha, n) >= 0     (by label)
    at most int((1 - alpha) m) of the m rows admitted under its name are of other classes              (by prediction)

The first is the label-conditional conformal quantile with its n + 1: coverage given the cut is (n - k) / (n + 1)
(Vovk 2012), and k holds a share of a standard error in reserve for having searched the cut on the same rows. The second
counts rows of every true class, left-out ones among them, for nothing bounds how often those are taken for another.

The rows are those of all shuffles of a training (`Witnesses`): each was measured under weights that did not train on
it, and sdm and q' are on the scale of each shuffle's own calibration. A document that calibrates in several counts
once, in parts, so that n is a number of documents: three quarters of a pool, where one shuffle holds out less than a
third. `tests/slow/test_coverage.py` and `test_certification.py` simulate it. Nothing is promised about documents whose
true class is left out, but that they count as mistakes of the classes they are taken for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from reexd.sdm.regions import NEVER, Region
from reexd.sdm.rescaled_similarity import is_out_of_distribution

MARGIN = 0.5  # standard errors of a count; measured in tests/slow/test_coverage.py
CUTS_MAX = 64
ROWS_MIN_SEARCHED = 10_000  # more than any alpha of the ladder that is of use
_FUZZ = 1e-9  # parts of documents do not quite add up


@dataclass(frozen=True, slots=True, eq=False)
class Witnesses:
    """Calibration rows of one or several models, as far as a certificate looks at them (n rows)."""

    labels: np.ndarray  # (n,) int64
    predictions: np.ndarray  # (n,) int64
    outputs: np.ndarray  # (n,) float32, sdm of the prediction
    q_prime: np.ndarray  # (n,) float32
    weights: np.ndarray  # (n,) float64: a document's rows add up to 1
    reserve: float  # of k, in standard errors of a count

    def own(self, alpha: float) -> np.ndarray:
        """sdm of the label as far as an alpha above 1/2 asks, (n,) float32: 0 where another class is predicted."""
        assert alpha > 0.5
        return np.where(self.labels == self.predictions, self.outputs, np.float32(0.0))

    def accepted(self, region: Region, ood_limit: int = 0) -> np.ndarray:
        """Membership (act Eq. 9), (n,) bool: of thresholds above 1/2 only the prediction can reach its own."""
        thresholds = np.asarray(region.thresholds, np.float32)
        return (
            ~is_out_of_distribution(self.q_prime, ood_limit)
            & (self.q_prime >= np.float32(region.q_prime_min))
            & (self.outputs >= thresholds[self.predictions])
        )


def witnesses(
    documents: Sequence[np.ndarray], rows: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]
) -> Witnesses:
    """Of the models in order, that which the rungs are for first: numbers of documents (n_j,), and for each its labels,
    predictions, sdm of the prediction, and q', (n_j,) each.

    The reserve is MARGIN where those are all the documents there are, and less as others bear witness too: the search
    for the cut then follows what is peculiar to the first model's rows less. It falls with the root of their share.
    """
    everything = np.concatenate(documents)
    distinct, place, times = np.unique(everything, return_inverse=True, return_counts=True)
    first = np.unique(documents[0]).size
    labels, predictions, outputs, q_prime = map(np.concatenate, zip(*rows, strict=True))
    return Witnesses(
        labels=labels.astype(np.int64),
        predictions=predictions.astype(np.int64),
        outputs=outputs.astype(np.float32),
        q_prime=q_prime.astype(np.float32),
        weights=1.0 / times[place],
        reserve=MARGIN * math.sqrt(first / max(distinct.size, 1)),
    )


class Lack(StrEnum):
    """Why a class is not certified; the first that holds."""

    ROWS = "too few rows"
    OUTPUTS = "outputs below alpha"
    PRECISION = "mistaken for it"
    ELSEWHERE = "not certified where it was made"  # of an imported model, not all of whose rows came with it


@dataclass(frozen=True, slots=True)
class Verdict:
    """One class at one rung and cut. Counts are of documents; one whose rows disagree counts in parts."""

    label: int
    lack: Lack | None  # None: certified
    rows: float  # calibration documents of the class
    candidates: float  # n: of these, with q' >= cut and not accepted by a higher rung
    reaching: float  # of the candidates, those with sdm_c >= alpha
    admitted: float  # m: candidates of any class that were, or would be, admitted under its name
    wrong: float  # of the admitted, those of other classes
    coverage: float  # (n - k) / (n + 1), the expected share of them at or above psi_c; 0 for too small an n


def fall_short(alpha: float, counts: np.ndarray, reserve: float = MARGIN) -> np.ndarray:
    """k: how many of n documents may lie under psi, int64 of the shape of `counts`; negative where n is too small.

    The largest k with k + 1 <= (1 - alpha)(n + 1) - reserve sqrt(alpha (1 - alpha) n).
    """
    counts = np.asarray(counts, dtype=np.float64)
    tail = round(1.0 - alpha, 10)
    return np.floor(tail * (counts + 1.0) - 1.0 - reserve * np.sqrt(alpha * tail * counts) + _FUZZ).astype(
        np.int64
    )


def certified_rows_min(alpha: float, reserve: float = MARGIN) -> int:
    """The fewest documents with which a class can be certified, all of them reaching alpha."""
    allowed = fall_short(alpha, np.arange(ROWS_MIN_SEARCHED), reserve)
    allowed[0] = -1
    enough = np.flatnonzero(allowed >= 0)
    return int(enough[0]) if enough.size else ROWS_MIN_SEARCHED


def fit_certified_regions(
    rows: Witnesses, class_count: int, alphas: Sequence[float], ood_limit: int = 0
) -> tuple[Region, ...]:
    """The nested ladder, descending alpha: each rung is fitted on rows that no higher rung accepted (sdm.md 9b)."""
    candidates = ~is_out_of_distribution(rows.q_prime, ood_limit)
    regions: list[Region] = []
    for alpha in alphas:
        if not candidates.any():
            break
        region = fit_certified_region(rows, class_count, candidates, alpha)
        if region is not None:
            regions.append(region)
            candidates &= ~rows.accepted(region, ood_limit)
    return tuple(regions)


def fit_certified_region(
    rows: Witnesses, class_count: int, candidates: np.ndarray, alpha: float
) -> Region | None:
    """The region at `alpha` that admits most of the `candidates` (n,) bool, or None when no class can be certified.

    "Most" is the mean over classes of the share of the class's candidates that are admitted rightly, so that a small
    class weighs as much as a large one; of equal cuts the lowest.
    """
    if not candidates.any():
        return None
    search = _Candidates(rows, class_count, alpha)
    totals = np.bincount(rows.labels[candidates], rows.weights[candidates], class_count)
    totals = np.where(totals > 0, totals, 1.0)
    best, found = 0.0, None
    for cut in _cuts(rows.q_prime[candidates]):
        thresholds, admitted, wrong, _ = search.at(candidates & (rows.q_prime >= cut))
        worth = float(((admitted - wrong) * (thresholds < NEVER) / totals).mean())
        if worth > best + _FUZZ:
            best, found = worth, Region(alpha, float(cut), tuple(map(float, thresholds)))
    return found


def _cuts(q_prime: np.ndarray) -> np.ndarray:
    """At most CUTS_MAX values of q', ascending, the candidates they keep a geometric sequence down to one: rungs lie
    where few are left."""
    kept = np.geomspace(q_prime.size, 1, CUTS_MAX).round().astype(np.int64)
    return np.unique(np.sort(q_prime)[q_prime.size - kept])


def verdicts(
    rows: Witnesses, class_count: int, candidates: np.ndarray, alpha: float, cut: float
) -> tuple[Verdict, ...]:
    """What each class shows at a rung: `candidates` (n,) bool are the rows that no higher rung accepted and that are
    not out of distribution. One per class, by label."""
    search = _Candidates(rows, class_count, alpha)
    kept = candidates & (rows.q_prime >= np.float32(cut))
    _, admitted, wrong, lacks = search.at(kept)
    reach = kept & (search.own >= np.float32(alpha))
    totals, counts, reaching = (
        np.bincount(rows.labels[chosen], rows.weights[chosen], class_count)
        for chosen in (np.ones(kept.size, bool), kept, reach)
    )
    allowed = fall_short(alpha, counts, rows.reserve)
    coverage = np.where(allowed >= 0, (counts - allowed) / (counts + 1.0), 0.0)
    figures = zip(totals, counts, reaching, admitted, wrong, coverage, strict=True)
    return tuple(Verdict(label, lacks[label], *map(float, own)) for label, own in enumerate(figures))


class _Candidates:
    """Rows in the order of class and own output, from which any cut takes a part."""

    def __init__(self, rows: Witnesses, class_count: int, alpha: float) -> None:
        self.own = rows.own(alpha)
        self._rows, self._alpha, self._classes = rows, alpha, class_count
        self._order = np.lexsort((self.own, rows.labels))

    def at(self, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, Sequence[Lack | None]]:
        """(thresholds, admitted, wrong, lacks) of the classes, from the rows that `kept` (n,) bool marks.

        Admission under one name does not depend on other classes (psi > 1/2), so that a class which fails by
        prediction is struck off without a second look at the rest. Its counts stay as they were.
        """
        rows = self._rows
        chosen = self._order[kept[self._order]]
        weights = rows.weights[chosen]
        counts = np.bincount(rows.labels[chosen], weights, self._classes)
        before = np.concatenate([[0.0], np.cumsum(counts)[:-1]])
        allowed = fall_short(self._alpha, counts, rows.reserve)
        enough = (allowed >= 0) & (counts > 0)
        thresholds = np.full(self._classes, NEVER, dtype=np.float32)
        places = np.searchsorted(np.cumsum(weights), (before + allowed)[enough] + _FUZZ, side="right")
        thresholds[enough] = self.own[chosen[places]]
        reached = enough & (thresholds >= np.float32(self._alpha))
        thresholds[~reached] = NEVER
        named = kept & (rows.outputs >= thresholds[rows.predictions])
        mistaken = named & (rows.predictions != rows.labels)
        admitted, wrong = (
            np.bincount(rows.predictions[each], rows.weights[each], self._classes)
            for each in (named, mistaken)
        )
        imprecise = wrong > np.floor(round(1.0 - self._alpha, 10) * admitted + _FUZZ) + _FUZZ
        lacks = [
            Lack.ROWS
            if not enough[label]
            else Lack.OUTPUTS
            if not reached[label]
            else Lack.PRECISION
            if imprecise[label]
            else None
            for label in range(self._classes)
        ]
        thresholds[imprecise] = NEVER
        return thresholds, admitted, wrong, lacks


def closest(rows: Witnesses, class_count: int, candidates: np.ndarray, alpha: float) -> tuple[Verdict, ...]:
    """Of a rung without a region: each class with candidates at the cut that suits it best, nearest to a certificate
    first. `candidates` as for `verdicts`; what is admitted is counted where outputs alone would do.

    Of the cuts that the search tried, only those that leave enough documents for a certificate are looked at, or, of a
    class that has too few, all its rows: among the others a single row lacks least, which tells nothing of what is
    wrong. A cut that was not tried might certify a class, and would be no reason.
    """
    found: list[tuple[float, Verdict]] = []
    least = certified_rows_min(alpha, rows.reserve)
    search, cuts = _Candidates(rows, class_count, alpha), _cuts(rows.q_prime[candidates])[::-1]
    for label in np.unique(rows.labels[candidates]):
        own = np.flatnonzero(candidates & (rows.labels == label))
        own = own[np.argsort(-rows.q_prime[own], kind="stable")]
        weights, below = rows.weights[own], search.own[own] < np.float32(alpha)
        places = np.searchsorted(-rows.q_prime[own], -cuts, side="right")
        counts, short_of = (
            np.concatenate([[0.0], np.cumsum(each)])[places] for each in (weights, weights * below)
        )
        slack = fall_short(alpha, counts, rows.reserve) - short_of
        total = weights.sum()
        eligible = counts >= min(least, total) - _FUZZ
        best = int(np.where(eligible, slack, slack.min() - 1).argmax())
        short = max(least - total - _FUZZ, 0.0)
        nearness = -short - short_of[best] if short else slack[best]
        lack = Lack.ROWS if short else Lack.OUTPUTS if slack[best] < -_FUZZ else Lack.PRECISION
        admitted = wrong = 0.0
        if lack is Lack.PRECISION:
            _, named, mistaken, _ = search.at(candidates & (rows.q_prime >= cuts[best]))
            admitted, wrong = float(named[label]), float(mistaken[label])
        everything = float(rows.weights[rows.labels == label].sum())
        reaching = float(counts[best] - short_of[best])
        verdict = Verdict(int(label), lack, everything, float(counts[best]), reaching, admitted, wrong, 0.0)
        found.append((float(nearness), verdict))
    return tuple(verdict for _, verdict in sorted(found, key=lambda each: (-each[0], -each[1].rows)))


def left_out(region: Region) -> tuple[int, ...]:
    """The classes that a region admits no document under."""
    return tuple(label for label, threshold in enumerate(region.thresholds) if threshold > 1.0)
