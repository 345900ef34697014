"""Regions on their way to and from the format, whose thresholds end at 1 and whose rungs have one spacing.

Ours may leave a class out: nothing is admitted under its name (sdm.regions.NEVER). The format cannot say that; it is
marked beside, and restored when such a model comes back.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace

from reexd.errors import InvalidInput
from reexd.records import Classifier
from reexd.sdm import Region
from reexd.sdm.regions import ALPHA_RESOLUTION_MIN, NEVER

ALPHA_RESOLUTIONS = (
    0.05,
    0.025,
    0.02,
    0.01,
    0.005,
    0.001,
)  # tried in this order for a record that names none
RESOLUTION = (
    "alpha_resolution"  # in the training record of a version that was imported, and of those made of it
)
_DIGITS = 10  # that rungs are rounded to
LEFT_OUT = "leftOut"  # in our part of the metadata: what `left_out` found


def reachable(regions: Sequence[Region]) -> tuple[Region, ...]:
    """The format's thresholds end at 1: a class that a region leaves out gets that, the highest it can say."""
    return tuple(
        replace(region, thresholds=tuple(min(each, 1.0) for each in region.thresholds)) for region in regions
    )


def left_out(regions: Sequence[Region]) -> dict[str, list[int]]:
    """The classes that each region leaves out, by its alpha; regions without any are not named."""
    found = {}
    for region in regions:
        if labels := [label for label, each in enumerate(region.thresholds) if each > 1.0]:
            found[repr(region.alpha)] = labels
    return found


def restored(regions: Sequence[Region], own: object) -> tuple[Region, ...]:
    """The regions of a model that went out from here, as they were; those of any other stay as they are.

    `own` is what stands in the metadata under our name: anything, for anyone may write it.
    """
    named = own.get(LEFT_OUT) if isinstance(own, dict) else None
    if not isinstance(named, dict):
        return tuple(regions)
    found = []
    for region in regions:
        labels = named.get(repr(region.alpha))
        labels = labels if isinstance(labels, list) else []
        thresholds = tuple(
            NEVER if label in labels and each == 1.0 else each for label, each in enumerate(region.thresholds)
        )
        found.append(replace(region, thresholds=thresholds))
    return tuple(found)


def resolution(record: Classifier) -> float:
    """The spacing of a version's ladder, which fewer rungs than it has may have a region of. Raises InvalidInput."""
    named = json.loads(record.training_json or "{}").get(RESOLUTION)
    return spacing([region.alpha for region in record.regions]) if named is None else float(named)


def spacing(alphas: Sequence[float]) -> float:
    """The coarsest usual spacing of rungs that has all of these, or the coarsest there is. Raises InvalidInput."""
    for usual in ALPHA_RESOLUTIONS:
        steps = [(1.0 - alpha) / usual for alpha in alphas]
        if all(abs(step - round(step)) * usual < 1e-9 for step in steps):
            return usual
    units = 10**_DIGITS
    found = math.gcd(*(round((1.0 - alpha) * units) for alpha in alphas)) / units
    if found < ALPHA_RESOLUTION_MIN:
        raise InvalidInput(
            f"expected rungs that are multiples of {ALPHA_RESOLUTION_MIN} or more; received {list(alphas)}"
        )
    return found
