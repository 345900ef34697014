"""Regions that may leave classes out: each class is certified for itself (product mode; `--official` wants all).

Owns: the certificate of a class, the search for the cut, and what a class lacks. Must not know: how it is told.

Algorithm 1 wants every class at one cut of q', so that of 150 classes one noisy or small one blocks a rung for all.
Here a class that cannot keep the promise at a rung gets the threshold NEVER: no document is admitted under its name
at that rung, and lower rungs may still take it. A class c is certified at alpha and cut t when, among calibration rows
with q' >= t that no higher rung accepted,

    psi_c >= alpha, psi_c the (k+1)-th smallest sdm_c of its n rows, k = `fall_short`(alpha, n) >= 0     (by label)
    at most int((1 - alpha) m) of the m rows admitted under its name are of other classes              (by prediction)

The first is the label-conditional conformal quantile with its n + 1: coverage given the cut is (n - k) / (n + 1)
(Vovk 2012), and k holds MARGIN standard errors in reserve for having searched the cut on the same rows. The second
counts rows of every true class, left-out ones among them, for nothing bounds how often those are taken for another.
`tests/slow/test_coverage.py` simulates both. Nothing is promised about documents whose true class is left out, but
that they count as mistakes of the classes they are taken for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from reexd.sdm.regions import NEVER, Region, tail_allowance

MARGIN = 0.5  # standard errors of a count; measured in tests/slow/test_coverage.py
CUTS_MAX = 64
ROWS_MIN_SEARCHED = 10_000  # more than any alpha of the ladder that is of use


class Lack(StrEnum):
    """Why a class is not certified; the first that holds."""

    ROWS = "too few rows"
    OUTPUTS = "outputs below alpha"
    PRECISION = "mistaken for it"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One class at one rung and cut."""

    label: int
    lack: Lack | None  # None: certified
    rows: int  # calibration rows of the class
    candidates: int  # n: of these, with q' >= cut and not accepted by a higher rung
    reaching: int  # of the candidates, those with sdm_c >= alpha
    admitted: int  # m: candidates of any class that were, or would be, admitted under its name
    wrong: int  # of the admitted, those of other classes
    coverage: (
        float  # (n - k) / (n + 1): expected share of such documents at or above psi_c; 0 when n is too small
    )


def fall_short(alpha: float, counts: np.ndarray) -> np.ndarray:
    """k: how many of n rows may lie under psi, int64 of the shape of `counts`; negative where n is too small.

    The largest k with k + 1 <= (1 - alpha)(n + 1) - MARGIN sqrt(alpha (1 - alpha) n).
    """
    counts = np.asarray(counts, dtype=np.float64)
    tail = round(1.0 - alpha, 10)
    return np.floor(tail * (counts + 1.0) - 1.0 - MARGIN * np.sqrt(alpha * tail * counts) + 1e-9).astype(
        np.int64
    )


def certified_rows_min(alpha: float) -> int:
    """The fewest rows with which a class can be certified, all of them reaching alpha."""
    allowed = fall_short(alpha, np.arange(ROWS_MIN_SEARCHED))
    allowed[0] = -1
    enough = np.flatnonzero(allowed >= 0)
    return int(enough[0]) if enough.size else ROWS_MIN_SEARCHED


def fit_certified_region(
    sdm: np.ndarray, q_prime: np.ndarray, labels: np.ndarray, predictions: np.ndarray, alpha: float
) -> Region | None:
    """The region at `alpha` that admits most, or None when no class can be certified.

    sdm (n, C), q' (n,), labels, predictions (n,) of the candidates alone. "Most" is the mean over classes of the share
    of the class's candidates that are admitted rightly, so that a small class weighs as much as a large one; of
    equal cuts the lowest.
    """
    if labels.size == 0:
        return None
    search = _Candidates(sdm, labels, predictions, alpha)
    totals = np.maximum(np.bincount(labels, minlength=sdm.shape[1]), 1)
    best, found = 0.0, None
    for cut in _cuts(q_prime):
        thresholds, admitted, wrong, _ = search.at(q_prime >= cut)
        worth = float(((admitted - wrong) * (thresholds < NEVER) / totals).mean())
        if worth > best:
            best, found = worth, Region(alpha, float(cut), tuple(map(float, thresholds)))
    return found


def _cuts(q_prime: np.ndarray) -> np.ndarray:
    """At most CUTS_MAX values of q', ascending, the candidates they keep a geometric sequence down to one: rungs lie
    where few are left."""
    kept = np.geomspace(q_prime.size, 1, CUTS_MAX).round().astype(np.int64)
    return np.unique(np.sort(q_prime)[q_prime.size - kept])


def verdicts(
    sdm: np.ndarray,
    q_prime: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    candidates: np.ndarray,
    alpha: float,
    cut: float,
) -> tuple[Verdict, ...]:
    """What each class shows at a rung: arrays of all calibration rows, `candidates` (n,) bool those that no higher
    rung accepted and that are not out of distribution. One per class, by label."""
    search = _Candidates(sdm, labels, predictions, alpha)
    kept = candidates & (q_prime >= np.float32(cut))
    _, admitted, wrong, lacks = search.at(kept)
    classes = sdm.shape[1]
    rows, counts = np.bincount(labels, minlength=classes), np.bincount(labels[kept], minlength=classes)
    reaching = np.bincount(labels[kept & (search.own >= np.float32(alpha))], minlength=classes)
    allowed = fall_short(alpha, counts)
    coverage = np.where(allowed >= 0, (counts - allowed) / (counts + 1.0), 0.0)
    figures = zip(rows, counts, reaching, admitted, wrong, strict=True)
    return tuple(
        Verdict(label, lacks[label], *map(int, own), float(coverage[label]))
        for label, own in enumerate(figures)
    )


class _Candidates:
    """Rows in the order of class and own output, from which any cut takes a part."""

    def __init__(self, sdm: np.ndarray, labels: np.ndarray, predictions: np.ndarray, alpha: float) -> None:
        everyone = np.arange(labels.size)
        self.own = sdm[everyone, labels]
        self._named = sdm[everyone, predictions]
        self._labels, self._predictions = labels, predictions
        self._order = np.lexsort((self.own, labels))
        self._alpha, self._classes = alpha, sdm.shape[1]

    def at(self, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, Sequence[Lack | None]]:
        """(thresholds, admitted, wrong, lacks) of the classes, from the rows that `kept` (n,) bool marks.

        Admission under one name does not depend on other classes (psi > 1/2), so that a class which fails by
        prediction is struck off without a second look at the rest. Its counts stay as they were.
        """
        chosen = self._order[kept[self._order]]
        counts = np.bincount(self._labels[chosen], minlength=self._classes)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        allowed = fall_short(self._alpha, counts)
        enough = (allowed >= 0) & (counts > 0)
        thresholds = np.full(self._classes, NEVER, dtype=np.float32)
        thresholds[enough] = self.own[chosen[(starts + allowed)[enough]]]
        reached = enough & (thresholds >= np.float32(self._alpha))
        thresholds[~reached] = NEVER
        named = kept & (self._named >= thresholds[self._predictions])
        admitted = np.bincount(self._predictions[named], minlength=self._classes)
        mistaken = named & (self._predictions != self._labels)
        wrong = np.bincount(self._predictions[mistaken], minlength=self._classes)
        imprecise = wrong > tail_allowance(self._alpha, admitted)
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


def closest(
    sdm: np.ndarray,
    q_prime: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    candidates: np.ndarray,
    alpha: float,
) -> tuple[Verdict, ...]:
    """Of a rung without a region: each class with candidates at the cut that suits it best, nearest to a certificate
    first. Arrays as for `verdicts`; what is admitted is counted where outputs alone would do.

    Of the cuts that the search tried, only those that leave enough rows for a certificate are looked at, or, of a class
    that has too few, all its rows: among the others a single row lacks least, which tells nothing of what is wrong. A
    cut that was not tried might certify a class, and would be no reason.
    """
    found: list[tuple[int, Verdict]] = []
    least = certified_rows_min(alpha)
    search, cuts = _Candidates(sdm, labels, predictions, alpha), _cuts(q_prime[candidates])[::-1]
    for label in np.unique(labels[candidates]):
        own = np.flatnonzero(candidates & (labels == label))
        own = own[np.argsort(-q_prime[own], kind="stable")]
        counts = np.searchsorted(-q_prime[own], -cuts, side="right")
        short_of = np.r_[0, np.cumsum(sdm[own, label] < np.float32(alpha))][counts]
        slack = fall_short(alpha, counts) - short_of
        eligible = counts >= min(least, own.size)
        best = int(np.where(eligible, slack, slack.min() - 1).argmax())
        short = max(least - own.size, 0)
        nearness = -short - int(short_of[best]) if short else int(slack[best])
        lack = Lack.ROWS if short else Lack.OUTPUTS if slack[best] < 0 else Lack.PRECISION
        admitted = wrong = 0
        if lack is Lack.PRECISION:
            _, named, mistaken, _ = search.at(candidates & (q_prime >= cuts[best]))
            admitted, wrong = int(named[label]), int(mistaken[label])
        rows = int(np.count_nonzero(labels == label))
        reaching = int(counts[best] - short_of[best])
        verdict = Verdict(int(label), lack, rows, int(counts[best]), reaching, admitted, wrong, 0.0)
        found.append((nearness, verdict))
    return tuple(verdict for _, verdict in sorted(found, key=lambda each: (-each[0], -each[1].rows)))


def left_out(region: Region) -> tuple[int, ...]:
    """The classes that a region admits no document under."""
    return tuple(label for label, threshold in enumerate(region.thresholds) if threshold > 1.0)
