"""Spread: what each of a training's J shuffles came to, how far they lie apart, and why one of them was kept.

A figure of one shuffle is one draw: the spread over J says how much of it is luck. All of it is measured on the
shuffles' own calibration rows, which chose their epoch and regions: it compares shuffles, it promises nothing. All are
under the version's rungs, but for `admitted_rightly`, which chose: it is under those that a shuffle's rows alone make.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reexd import sdm
from reexd.engine.tasks import State


def report(outcomes: Sequence[State], calibrations: Sequence[sdm.Calibration], kept: int) -> dict:
    """The part of a training record: outcomes and calibrations of the shuffles in order, `kept` 0-based."""
    shuffles = [
        _shuffle(number, outcome.facts, calibration)
        for number, (outcome, calibration) in enumerate(zip(outcomes, calibrations, strict=True), start=1)
    ]
    return {
        "shuffles": shuffles,
        "spread": _spread(shuffles),
        "chosen": {
            "shuffle": kept + 1,
            "reason": _reason(shuffles, kept, certified=calibrations[kept].witnesses is not None),
        },
    }


def accuracies(cells: Sequence[sdm.Cell]) -> dict[str, list]:
    """Counts by class with their Clopper-Pearson bounds, in columns: a version of 150 classes has many of them."""
    bounds = [cell.interval for cell in cells]
    return {
        "n": [cell.count for cell in cells],
        "correct": [cell.correct for cell in cells],
        "lower": [round(lower, 6) for lower, _ in bounds],
        "upper": [round(upper, 6) for _, upper in bounds],
    }


def _shuffle(number: int, facts: Mapping, calibration: sdm.Calibration) -> dict:
    rows = calibration.rows
    assert rows is not None
    everything = np.ones(rows.labels.size, bool)
    whole = sdm.conditional_accuracy(rows.predictions, rows.labels, everything, calibration.class_count)
    assigned = sdm.region_alphas(rows.q_prime, rows.sdm, rows.predictions, calibration.regions)
    rungs = sdm.admission(
        rows.predictions, rows.labels, assigned, calibration.alphas, calibration.class_count
    )
    return {
        "shuffle": number,
        "best_loss": float(facts["best_loss"]),
        "best_epoch": facts["best_epoch"],
        "epochs": facts["epochs"],
        "balanced_calibration_accuracy": whole.balanced(),
        "regions": [{"alpha": each.alpha, "q_prime_min": each.q_prime_min} for each in calibration.regions],
        "admitted_rightly": float(facts["admitted_rightly"]),
        "highest_alpha": max((each.alpha for each in calibration.regions), default=0.0),
        "admitted": [
            {"alpha": rung.alpha, "share": rung.share, "accuracy": rung.accuracy.marginal.accuracy}
            for rung in rungs
        ],
    }


def _spread(shuffles: Sequence[Mapping]) -> dict:
    """Smallest, median and largest of each figure."""
    names = ("best_loss", "best_epoch", "balanced_calibration_accuracy", "admitted_rightly", "highest_alpha")
    spread: dict = {name: _range([each[name] for each in shuffles]) for name in names}
    rungs = zip(*(each["admitted"] for each in shuffles), strict=True)
    spread["admitted"] = [
        {"alpha": rung[0]["alpha"], **_range([each["share"] for each in rung])} for rung in rungs
    ]
    return spread


def _range(values: Sequence[float]) -> dict[str, float]:
    return {"min": min(values), "median": float(np.median(values)), "max": max(values)}


def _reason(shuffles: Sequence[Mapping], kept: int, *, certified: bool) -> str:
    """In words, what `fit.chosen` decided by."""
    if len(shuffles) == 1:
        return "the only shuffle"
    shares = [each["admitted_rightly"] for each in shuffles]
    tied = [number for number, share in enumerate(shares) if not certified or share == max(shares)]
    said = []
    if len(tied) < len(shuffles):
        said.append(
            f"admits most at {sdm.ADMITTING_ALPHA:g} or higher: {shares[kept]:.1%} of its calibration rows, rightly and"
            f" on the mean of classes; the least of {len(shuffles)} is {min(shares):.1%}"
        )
    if len(tied) > 1:
        losses = [shuffles[number]["best_loss"] for number in tied]
        said.append(
            f"smallest balanced calibration loss of {len(tied)}: {shuffles[kept]['best_loss']:.4f}; the largest is"
            f" {max(losses):.4f}"
        )
    return "; of those, ".join(said)
