"""Certify: which calibration rows the rungs of a version are certified with. The mathematics is sdm's.

Those of all shuffles of its training, each under its own weights; after a recalibration those of the version and of the
other members of its ensemble as they were measured again, or, where the other shuffles' weights are gone, what its
evidence says of their rows. All members then have the same rungs: it is one set of rows that speaks for all.

A member of which its own rows alone certify more keeps to those. They are on its own scale, where thresholds that hold
for the others as well lie higher; but of a small pool they are too few for any certificate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reexd import sdm
from reexd.records import ClassifierArrays

_BARE_COLUMNS = 5  # of an evidence table that does not tell q' and the output of its rows


def certified_together(
    calibrations: Sequence[sdm.Calibration],
    documents: Sequence[np.ndarray],
    *,
    first: int = 0,
    evidence: ClassifierArrays | None = None,
) -> list[sdm.Calibration]:
    """The calibrations of several models, each with its rows, under rungs that all of these certify together, or those
    that it came with, where they admit more of its rows (`admitted_rightly`).

    `documents` (n_j,) int64 are those of each one's rows, `first` the version's own. `evidence`: the version whose
    table stands in for shuffles of which only that is left. Calibrations by the article's rule stay as they are.
    """
    if any(each.witnesses is None for each in calibrations):
        return list(calibrations)
    order = [first, *(each for each in range(len(calibrations)) if each != first)]
    numbers = [documents[each] for each in order]
    rows = [calibrations[each].rows.witness() for each in order]
    if evidence is not None and len(calibrations) == 1 and evidence.evidence_table.shape[1] > _BARE_COLUMNS:
        label, prediction, _, _, _, q_prime, output = evidence.evidence_table.T
        numbers.append(evidence.evidence_documents)
        rows.append((label, prediction, output, q_prime))
    shared = calibrations[first].certified_with(sdm.witnesses(numbers, rows))
    together = [replace(each, regions=shared.regions, witnesses=shared.witnesses) for each in calibrations]
    return [
        alone if alone.admitted_rightly() > other.admitted_rightly() else other
        for alone, other in zip(calibrations, together, strict=True)
    ]
