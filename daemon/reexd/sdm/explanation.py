"""Why a rung of the ladder has no region, and what would help (sdm.md 16.2).

Owns: naming the classes that block a rung, or that a rung leaves out. Must not know: how a report shows them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reexd.sdm.calibration import Calibration, CalibrationRows
from reexd.sdm.certification import (
    Lack,
    Verdict,
    Witnesses,
    certified_rows_min,
    closest,
    fall_short,
    left_out,
    verdicts,
)
from reexd.sdm.regions import failing_classes, region_accepts, tail_allowance
from reexd.sdm.rescaled_similarity import is_out_of_distribution

CLASSES_NAMED_MAX = 3


@dataclass(frozen=True, slots=True)
class Block:
    """One class that keeps a rung from existing, at the cut-off of q' where the fewest classes do."""

    alpha: float
    label: int
    cut: float  # q'
    rows: int  # calibration rows of the class
    candidates: int  # of these, rows with q' >= cut that no higher region accepted
    reaching: int  # of the candidates, rows whose sdm_c is at least alpha


def blocked_rungs(calibration: Calibration) -> tuple[tuple[float, tuple[Block, ...]], ...]:
    """The rungs without a region, descending, each with the classes that block it (worst first)."""
    rows = _rows(calibration)
    found = {region.alpha: region for region in calibration.regions}
    residual = ~is_out_of_distribution(rows.q_prime, calibration.ood_limit)
    blocked: list[tuple[float, tuple[Block, ...]]] = []
    for alpha in calibration.alphas:
        if alpha in found:
            accepted = region_accepts(
                rows.q_prime, rows.sdm, rows.predictions, found[alpha], ood_limit=calibration.ood_limit
            )
            residual &= ~accepted
        elif residual.any():
            blocked.append((alpha, _blocks(rows, np.flatnonzero(residual), alpha, calibration.class_count)))
        elif not calibration.regions:
            blocked.append((alpha, ()))
    return tuple(blocked)


def certificates(calibration: Calibration) -> tuple[tuple[Verdict, ...], ...]:
    """Of a certified calibration: for each region, in order, what each class shows there (C verdicts)."""
    rows, count = calibration.witnesses, calibration.class_count
    if rows is None:
        raise ValueError("certificates need what they were made with; pass a calibration that kept it")
    residual = ~is_out_of_distribution(rows.q_prime, calibration.ood_limit)
    found = []
    for region in calibration.regions:
        shown, out = verdicts(rows, count, residual, region.alpha, region.q_prime_min), left_out(region)
        # An imported region may have been certified with rows that did not come with it.
        found.append(
            tuple(
                replace(each, lack=(each.lack or Lack.ELSEWHERE) if each.label in out else None)
                for each in shown
            )
        )
        residual &= ~rows.accepted(region, calibration.ood_limit)
    return tuple(found)


def explain_regions(calibration: Calibration, class_names: Sequence[str] | None = None) -> list[str]:
    """A sentence per rung missing at the top, and per class that weighs on all; empty when nothing is
    missing.

    Rungs below the highest region are left out (`blocked_rungs` has them): what they would admit, a
    neighbouring rung does. Of a certified calibration each rung also says whom it leaves out. Raises
    ValueError when the calibration was loaded without its rows.
    """
    rows = _rows(calibration)
    names = [str(c) for c in range(calibration.class_count)] if class_names is None else list(class_names)
    notes: list[str] = []
    if calibration.pooled_classes:
        listed = _listed(
            [f"{names[label]} ({_seen(calibration, rows, label)})" for label in calibration.pooled_classes]
        )
        notes.append(
            "too few calibration rows with q > 0 for a distance distribution of their own, so the pooled one of "
            f"all classes is used: class {listed}"
        )
    empty = [label for label, cdf in enumerate(calibration.distance_cdfs) if len(cdf) == 0]
    if empty:
        listed = _listed([names[label] for label in empty])
        notes.append(
            f"class {listed} has no calibration row with q > 0, so d = 0 and every document is rejected; "
            "label more documents of it, or correct its labels"
        )
        return notes
    if is_out_of_distribution(rows.q_prime, calibration.ood_limit).all():
        notes.append(
            "no calibration row resembles the support (q = 0 for all), so there is no region; "
            "train longer, or check that the labels fit the documents"
        )
        return notes
    if calibration.witnesses is not None:
        return notes + _certified_notes(calibration, calibration.witnesses, names)
    highest = calibration.regions[0].alpha if calibration.regions else 0.0
    for alpha, blocks in blocked_rungs(calibration):
        if alpha > highest:
            notes.append(_sentence(alpha, blocks, names))
    return notes


def _certified_notes(calibration: Calibration, rows: Witnesses, names: list[str]) -> list[str]:
    """Rungs missing above the highest region, whom each region leaves out, and whom all do."""
    notes = []
    highest = calibration.regions[0].alpha if calibration.regions else 0.0
    candidates = ~is_out_of_distribution(rows.q_prime, calibration.ood_limit)
    for alpha in calibration.alphas:
        if alpha > highest:
            near = closest(rows, calibration.class_count, candidates, alpha)
            listed = _joined([_lacking(verdict, alpha, rows.reserve, names) for verdict in near])
            notes.append(f"no region at alpha {alpha:g}, for no class is certified; the nearest: {listed}")
    certified: set[int] = set()
    found = certificates(calibration)
    for region, each in zip(calibration.regions, found, strict=True):
        certified |= {verdict.label for verdict in each if not verdict.lack}
        out = [verdict for verdict in each if verdict.label not in certified]
        if out:
            out.sort(key=lambda verdict: -verdict.candidates)
            listed = _joined([_lacking(verdict, region.alpha, rows.reserve, names) for verdict in out])
            notes.append(
                f"{len(certified)} of {calibration.class_count} classes are certified at alpha {region.alpha:g} or "
                f"higher; the others are not admitted there: {listed}"
            )
    never = [names[label] for label in range(len(names)) if found and label not in certified]
    if never:
        notes.append(f"no document is admitted as {_listed(never)} at any alpha: no rung certifies it")
    return notes


def _lacking(verdict: Verdict, alpha: float, reserve: float, names: list[str]) -> str:
    """What a class lacks at a rung, and what would help."""
    name, least = names[verdict.label], certified_rows_min(alpha, reserve)
    there = f"class {name} has {_count(verdict.candidates)} of its {_count(verdict.rows)} calibration documents there"
    if verdict.lack is Lack.ROWS:
        return f"{there}, and a certificate takes {least}: label more documents of it"
    if verdict.lack is Lack.OUTPUTS:
        allowed = int(fall_short(alpha, verdict.candidates, reserve))
        return (
            f"{there}, of which {_count(verdict.reaching)} reach {alpha:g} and {allowed} may fall short: "
            f"{_to_clear_it(len(names))}"
        )
    if verdict.lack is Lack.ELSEWHERE:
        return f"{there}, which would do, but with the documents that it was made with it was not certified"
    return (
        f"of {_count(verdict.admitted)} calibration documents admitted as {name}, {_count(verdict.wrong)} are of other"
        " classes: correct the labels of what is mistaken for it"
    )


def _count(documents: float) -> str:
    """Of which some may count in parts; more digits than one say nothing."""
    return f"{documents:.1f}".removesuffix(".0")


def _blocks(rows: CalibrationRows, kept: np.ndarray, alpha: float, class_count: int) -> tuple[Block, ...]:
    order = kept[np.argsort(rows.q_prime[kept], kind="stable")]
    labels, q_prime = rows.labels[order], rows.q_prime[order]
    below = rows.sdm[order, labels] < np.float32(alpha)
    starts = np.flatnonzero(np.r_[True, q_prime[1:] != q_prime[:-1]])
    best = starts[failing_classes(below, labels, class_count, alpha)[starts].argmin()]
    candidates = np.bincount(labels[best:], minlength=class_count)
    short = np.bincount(labels[best:][below[best:]], minlength=class_count)
    totals = np.bincount(rows.labels, minlength=class_count)
    failing = np.flatnonzero((candidates == 0) | (short > tail_allowance(alpha, candidates)))
    worst = failing[np.argsort((short - tail_allowance(alpha, candidates))[failing], kind="stable")[::-1]]
    return tuple(
        Block(
            alpha,
            int(label),
            float(q_prime[best]),
            int(totals[label]),
            int(candidates[label]),
            int(candidates[label] - short[label]),
        )
        for label in worst
    )


def _sentence(alpha: float, blocks: tuple[Block, ...], names: list[str]) -> str:
    if not blocks:
        return f"no region at alpha {alpha:g}: no candidate is left below the higher regions"
    details = _joined([_detail(block, names) for block in blocks])
    return f"no region at alpha {alpha:g}, not even for q' >= {blocks[0].cut:.3g}: {details}"


def _detail(block: Block, names: list[str]) -> str:
    name = names[block.label]
    if block.candidates == 0:
        return (
            f"class {name} has none of its {block.rows} calibration rows there; "
            "label more documents of it, or correct its labels"
        )
    counts = (
        f"class {name} has {block.candidates} of its {block.rows} calibration rows there, "
        f"of which {block.reaching} reach {block.alpha:g}"
    )
    wanted = math.ceil(1.0 / round(1.0 - block.alpha, 10))
    if block.candidates < wanted:
        return (
            f"{counts} and, under {wanted} rows, all must; "
            f"some {wanted - block.candidates} more such rows of it would allow one to fall short"
        )
    allowed = int(tail_allowance(block.alpha, block.candidates))
    return f"{counts} and {allowed} may fall short; {_to_clear_it(len(names))}"


def _to_clear_it(class_count: int) -> str:
    """What helps a class whose outputs are too low. Of two classes merged nothing would be left to tell apart."""
    if class_count == 2:
        return "correct its labels, or add clear documents of it"
    return "correct its labels, add clear documents of it, or merge it with the class it is mistaken for"


def _rows(calibration: Calibration) -> CalibrationRows:
    if calibration.rows is None:
        raise ValueError("explaining regions needs the calibration rows; pass a calibration that kept them")
    return calibration.rows


def _seen(calibration: Calibration, rows: CalibrationRows, label: int) -> int:
    return int(((rows.labels == label) & (rows.q > calibration.ood_limit)).sum())


def _joined(details: list[str]) -> str:
    more = len(details) - CLASSES_NAMED_MAX
    return "; ".join(details[:CLASSES_NAMED_MAX]) + (
        f"; and {more} more class{'es' * (more > 1)}" if more > 0 else ""
    )


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:CLASSES_NAMED_MAX])
    return shown if len(names) <= CLASSES_NAMED_MAX else f"{shown} and {len(names) - CLASSES_NAMED_MAX} more"
