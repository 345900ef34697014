"""The peer of the classifier: class-balanced logistic regression on the same hidden states (scikit-learn)."""

from __future__ import annotations

import time
import warnings

import numpy as np

from bench.stored import Rows

FOLDS = 5
STRENGTHS = np.logspace(-4, 0, 9)  # scikit-learn's C; the best lies well within


def fit_and_score(training: Rows, test: Rows, seed: int) -> dict[str, float]:
    """Features standardised and C cross-validated (balanced accuracy, stratified folds) on training rows only."""
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import StratifiedKFold
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    begun, cpu = time.perf_counter(), time.process_time()
    scaler = StandardScaler().fit(training.vectors.astype(np.float64))
    model = LogisticRegressionCV(
        Cs=STRENGTHS,
        cv=StratifiedKFold(FOLDS, shuffle=True, random_state=seed),
        class_weight="balanced",
        scoring="balanced_accuracy",
        max_iter=1000,
    )
    # Products this small lose more to threads than they gain. Versions of scikit-learn warn of arguments that
    # others do not know.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        model.fit(scaler.transform(training.vectors), training.labels)
    correct = int((model.predict(scaler.transform(test.vectors)) == test.labels).sum())
    return {
        "rows": len(training.labels),
        "C": float(np.ravel(model.C_)[0]),
        "correct": correct,
        "accuracy": correct / len(test.labels),
        "wall_s": time.perf_counter() - begun,
        "cpu_s": time.process_time() - cpu,
    }
