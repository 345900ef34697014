"""`baselines` against MAPIE, in an environment of its own (`pip install mapie`): the same sets but for chance.

    PYTHONPATH=daemon:. /path/to/mapie/bin/python -m bench.mapie_oracle

Prints coverage and mean size of both, and how often they agree on a class; exits with 1 when they lie apart.
"""

from __future__ import annotations

import sys

import numpy as np
from mapie.classification import SplitConformalClassifier
from sklearn.base import BaseEstimator, ClassifierMixin

from bench.baselines import fit_aps, set_figures, softmax, temperature

ROWS, CLASSES, COVERAGE = 4000, 6, 0.9
APART_MAX = 0.02


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose features are its probabilities."""

    def fit(self, _: np.ndarray, labels: np.ndarray) -> Given:
        self.classes_ = np.unique(labels)
        return self

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        return features

    def predict(self, features: np.ndarray) -> np.ndarray:
        return self.classes_[features.argmax(axis=1)]


def main() -> int:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, CLASSES, 2 * ROWS)
    logits = 3 * generator.normal(size=(2 * ROWS, CLASSES))
    logits[np.arange(2 * ROWS), labels] += 5
    probabilities = softmax(logits, temperature(logits[:ROWS], labels[:ROWS]))
    ours = fit_aps(probabilities[:ROWS], labels[:ROWS], COVERAGE)(probabilities[ROWS:])
    theirs = SplitConformalClassifier(
        Given().fit(probabilities, labels), COVERAGE, conformity_score="aps", prefit=True, random_state=0
    )
    theirs.conformalize(probabilities[:ROWS], labels[:ROWS])
    _, found = theirs.predict_set(
        probabilities[ROWS:], conformity_score_params={"include_last_label": "randomized"}
    )
    sets = found[:, :, 0].astype(bool)
    one, other = (set_figures(each, labels[ROWS:]) for each in (ours, sets))
    print(f"ours   coverage {one.coverage:.4f}   size {one.size:.3f}   single {one.single:.3f}")
    print(f"MAPIE  coverage {other.coverage:.4f}   size {other.size:.3f}   single {other.single:.3f}")
    print(f"agree on {np.mean(ours == sets):.4f} of all classes of all rows")
    apart = max(abs(one.coverage - other.coverage), abs(one.size / other.size - 1))
    return int(apart > APART_MAX)


if __name__ == "__main__":
    sys.exit(main())
