"""Attribute scale: attributes that one normalisation with the hidden state makes inaudible, or all there is to hear.

One mean and one deviation normalise all components (sdm.md 2, 16.4), so that an attribute keeps its scale against the
hidden state. Owns that comparison and its words; changes nothing.
"""

from __future__ import annotations

import numpy as np

ROWS_MAX = 2_000  # looked at, evenly spaced
TIMES = 10.0  # the spread of a component of the hidden state, from which an attribute's scale is another
SHARE = 0.5  # of all squares, from which such attributes say more than the rest
NAMED_MAX = 5


def warnings(features: np.ndarray, count: int) -> list[str]:
    """Of features (n, D), hidden states with `count` attributes appended, not normalised; none where all is well."""
    if not count:
        return []
    sample = features[:: max(1, len(features) // ROWS_MAX)].astype(np.float64)
    hidden, own = sample[:, :-count], sample[:, -count:]
    usual, spreads = float(np.sqrt(np.median(hidden.var(axis=0)))), own.std(axis=0)
    squares = np.square(sample - hidden.mean()).mean(axis=0)  # (D,)
    theirs = squares[-count:]
    told = []
    loud = np.flatnonzero(theirs > TIMES**2 * squares[:-count].mean())
    if (share := float(theirs[loud].sum() / squares.sum())) > SHARE:
        most = int(theirs.argmax())
        told.append(
            f"the hidden state is outweighed by {_listed(loud[np.argsort(-theirs[loud], kind='stable')])} of {count}:"
            f" {share:.0%} of the squares by which all components are normalised are theirs. Attribute {most + 1} is"
            f" {own[:, most].mean():.4g} on average and spreads {spreads[most]:.3g}, a component of the hidden state"
            f" {usual:.3g}; centre and divide before an upload"
        )
    quiet = np.flatnonzero((spreads > 0) & (TIMES * spreads < usual))
    if len(quiet):
        told.append(
            f"training hardly hears {_listed(quiet)} of {count}: it spreads {spreads[quiet].max():.3g} at most, a"
            f" component of the hidden state {usual:.3g}; multiply before an upload"
        )
    return told


def _listed(places: np.ndarray) -> str:
    """Attributes by their places, told from 1."""
    shown = ", ".join(str(place + 1) for place in places[:NAMED_MAX].tolist())
    more = len(places) - NAMED_MAX
    return f"attribute{'s' if len(places) > 1 else ''} {shown}" + (f" and {more} more" if more > 0 else "")
