"""Why a rung of the ladder has no region, and what would help (sdm.md 16.2).

Owns: naming the classes that block a rung. Must not know: how a report shows them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reexd.sdm.calibration import Calibration, CalibrationRows
from reexd.sdm.regions import class_passes, region_accepts, tail_allowance
from reexd.sdm.rescaled_similarity import is_out_of_distribution

CLASSES_NAMED_MAX = 3


@dataclass(frozen=True, slots=True)
class Block:
    """One class that keeps a rung from existing."""

    alpha: float
    label: int
    rows: int  # calibration rows of the class
    candidates: int  # of these, rows with q' >= 1 that no higher region accepted
    reaching: int  # of these, rows whose sdm_c is at least alpha
    alone: bool  # the class passes at no cut-off of q'; False: it does, but never where the others do


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


def explain_regions(calibration: Calibration, class_names: Sequence[str] | None = None) -> list[str]:
    """A sentence per rung without a region and per class that weighs on all; empty when nothing is missing.

    Rungs below the lowest region are left out when regions exist: there was nothing left to admit. Raises
    ValueError when the calibration was loaded without its rows.
    """
    rows = _rows(calibration)
    names = [str(c) for c in range(calibration.class_count)] if class_names is None else list(class_names)
    notes = [
        f"class {names[label]} has {_seen(calibration, rows, label)} rows with q > 0, too few for "
        "a distance distribution of its own; the pooled one of all classes is used for it"
        for label in calibration.pooled_classes
    ]
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
    lowest = calibration.regions[-1].alpha if calibration.regions else 0.0
    for alpha, blocks in blocked_rungs(calibration):
        if alpha > lowest:
            notes.append(_sentence(alpha, blocks, names))
    return notes


def _blocks(rows: CalibrationRows, kept: np.ndarray, alpha: float, class_count: int) -> tuple[Block, ...]:
    order = kept[np.argsort(rows.q_prime[kept], kind="stable")]
    blocks = []
    for label in range(class_count):
        own = order[rows.labels[order] == label]
        below = rows.sdm[own, label] < np.float32(alpha)
        passes = class_passes(below, alpha)
        total = int((rows.labels == label).sum())
        block = Block(alpha, label, total, own.size, int((~below).sum()), not passes.any())
        if block.alone or not passes[0]:
            blocks.append(block)
    alone = [block for block in blocks if block.alone]
    return tuple(sorted(alone or blocks, key=lambda block: block.reaching - block.candidates * alpha))


def _sentence(alpha: float, blocks: tuple[Block, ...], names: list[str]) -> str:
    if not blocks:
        return f"no region at alpha {alpha:g}: no candidate is left below the higher regions"
    if not blocks[0].alone:
        listed = _listed([names[block.label] for block in blocks])
        return (
            f"no region at alpha {alpha:g}: no cut-off of q' suits all classes at once, class {listed} needs "
            "a higher one than the others can give; label more documents of every class"
        )
    details = "; ".join(_detail(block, names[block.label]) for block in blocks[:CLASSES_NAMED_MAX])
    more = len(blocks) - CLASSES_NAMED_MAX
    rest = f"; and {more} more classes" if more > 0 else ""
    return f"no region at alpha {alpha:g}: blocked by {details}{rest}"


def _detail(block: Block, name: str) -> str:
    counts = (
        f"class {name} ({block.rows} calibration rows, {block.candidates} with q' >= 1, "
        f"{block.reaching} of them at or above {block.alpha:g}"
    )
    if block.candidates == 0:
        return counts + "): label more documents of this class, or correct its labels"
    wanted = math.ceil(1.0 / round(1.0 - block.alpha, 10))
    allowed = int(tail_allowance(block.alpha, block.candidates))
    if block.candidates < wanted:
        return (
            counts + f", where under {wanted} rows none may fall short): about "
            f"{wanted - block.candidates} more labelled documents of this class"
        )
    return counts + (
        f", where {allowed} may fall short): its documents are hard to tell from other classes; "
        "correct labels, add clearer documents, or merge classes"
    )


def _rows(calibration: Calibration) -> CalibrationRows:
    if calibration.rows is None:
        raise ValueError("explaining regions needs the calibration rows; pass a calibration that kept them")
    return calibration.rows


def _seen(calibration: Calibration, rows: CalibrationRows, label: int) -> int:
    return int(((rows.labels == label) & (rows.q > calibration.ood_limit)).sum())


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:CLASSES_NAMED_MAX])
    return shown if len(names) <= CLASSES_NAMED_MAX else f"{shown} and {len(names) - CLASSES_NAMED_MAX} more"
