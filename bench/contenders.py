"""One contender of `estimator`, trained and asked in a process of its own: CPU time and memory are then its own.

    python bench/contenders.py NAME FOLDER

FOLDER holds `job.json` (seed, class_count), `pool.npz` (features (n, D) float32, labels (n,)), and in `asked.npz` the
features of each set of questions by name. Written back: `answers.npz`, arrays by "set/figure", and `told.json`.
Every contender splits the pool itself. The package runs in its own environment: nothing of the project is imported
for it.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

EXEMPLARS = 1000
COVERAGE = 0.9  # of prediction sets
PACKAGE_EPOCHS = 20  # its own default
PACKAGE_LEARNING_RATE = 1e-5  # its own default
# Of 3e-5, 1e-4, 3e-4 and 1e-3 the one whose best calibration loss, its own criterion, is least on three of the sets.
PACKAGE_LEARNING_RATE_SENSIBLE = 1e-3

Arrays = dict[str, np.ndarray]
Answer = Callable[[np.ndarray], Arrays]


@dataclass(slots=True, eq=False)
class Job:
    features: np.ndarray
    labels: np.ndarray
    class_count: int
    seed: int
    begun: float = 0.0  # CPU clock when the imports were done

    def begin(self) -> None:
        self.begun = time.process_time()


def reex(job: Job) -> tuple[dict[str, Any], Answer]:
    """The product's defaults, through the code that the daemon's workers and steps run."""
    fitted, settings, matcher = _fitted(job)
    from reexd import sdm
    from reexd.steps.calibrate import calibrations

    found = calibrations(fitted, np.arange(len(job.labels)), job.class_count, settings)
    calibration = found[fitted.number]
    blocks = [
        sdm.evidence(arrays["calibration_index"], *_calibration_rows(arrays))
        for arrays in (outcome.arrays for outcome in fitted.outcomes)
    ]
    probability = sdm.fit_probability(blocks)
    labels, logits, q, d0 = _calibration_rows(fitted.outcome.arrays)
    nearness, magnitude = sdm.fit_nearness(d0), sdm.fit_magnitude(labels, logits)
    conforming = sdm.class_conformity(labels, sdm.conformity(logits, q, nearness.among(d0)))
    thresholds = sdm.set_thresholds(conforming, COVERAGE)

    def answer(vectors: np.ndarray) -> Arrays:
        matches = matcher.match(vectors, neighbors=0)
        scores = sdm.score(matches.logits, matches.q, matches.d0, calibration)
        near = nearness(matches.d0)
        right = sdm.probabilities(probability, near, magnitude(matches.logits), matches.q, job.class_count)
        return {
            "prediction": scores.prediction,
            "probability": right.value,
            "alpha": scores.region_alpha,
            "sets": sdm.conformity(matches.logits, matches.q, near) >= thresholds,
        }

    facts = {"regions": [region.alpha for region in calibration.regions]}
    return facts | _trained(fitted, settings), answer


def _calibration_rows(arrays: Arrays) -> tuple[np.ndarray, ...]:
    return tuple(arrays[f"calibration_{name}"] for name in ("labels", "logits", "q", "d0"))


def cross_entropy(job: Job) -> tuple[dict[str, Any], Answer]:
    """The same adaptor with the same settings, but cross-entropy to the end: logits for the baselines.

    Besides the answers it hands back the logits and labels of its calibration rows, in `told` of the bench.
    """
    fitted, settings, matcher = _fitted(job, cross_entropy=True)
    arrays = fitted.outcome.arrays

    def answer(vectors: np.ndarray) -> Arrays:
        return {"logits": matcher.match(vectors, neighbors=0).logits}

    facts = _trained(fitted, settings)
    facts["arrays"] = {name: arrays[name] for name in ("calibration_logits", "calibration_labels")}
    return facts, answer


def package(job: Job, learning_rate: float = PACKAGE_LEARNING_RATE) -> tuple[dict[str, Any], Answer]:
    """`reexpress_sdm` as it is published, all its defaults."""
    import torch
    from reexpress_sdm import SDMModel
    from reexpress_sdm.iterative_training import train_iterations
    from reexpress_sdm.training import TrainingConfig

    torch.set_num_threads(1)
    job.begin()
    # It pools both halves and shuffles them itself, but wants every class in each; the sets are sorted by class.
    halves = np.array_split(np.random.default_rng(job.seed).permutation(len(job.labels)), 2)
    configuration = TrainingConfig(
        number_of_classes=job.class_count,
        exemplar_dimension=EXEMPLARS,
        epochs=PACKAGE_EPOCHS,
        learning_rate=learning_rate,
        seed=job.seed,
    )
    result = train_iterations(
        configuration,
        *(values for half in halves for values in (job.features[half], job.labels[half])),
        backend_options={"device": "cpu"},
    )
    model = SDMModel(result.artifact, device="cpu")

    def answer(vectors: np.ndarray) -> Arrays:
        scores = model.score(vectors, nearest_exemplars=0)
        return {
            "prediction": np.array([score.prediction for score in scores]),
            "probability": np.array([score.sdm[score.prediction] for score in scores]),
            "alpha": np.array([score.centroid_region_alpha for score in scores]),
        }

    regions = [region["alpha"] for region in result.artifact.manifest["regions"]]
    facts = {"regions": regions, "learning_rate": learning_rate, "best_epoch": result.best_epoch}
    return facts | {"epochs": PACKAGE_EPOCHS, "shuffles": 1}, answer


def package_sensible(job: Job) -> tuple[dict[str, Any], Answer]:
    """`reexpress_sdm` with a learning rate at which its epochs suffice; everything else as published."""
    return package(job, PACKAGE_LEARNING_RATE_SENSIBLE)


def _fitted(job: Job, *, cross_entropy: bool = False) -> tuple[Any, Any, Any]:
    """(Fitted, FitSettings, Matcher) of our shuffles, on one thread as in an engine process."""
    from reexd.engine import blas

    blas.load()
    blas.keep_freed_memory()
    from reexd.engine.adaptor.settings import choose
    from reexd.engine.adaptor.shuffles import fit_shuffles
    from reexd.engine.matching import Matcher
    from reexd.engine.tasks import State
    from reexd.sdm import AdaptorWeights, Normalization
    from reexd.steps.fit import Fitted, chosen

    job.begin()
    class_rows = np.bincount(job.labels, minlength=job.class_count).tolist()
    settings = choose(class_rows, seed=job.seed)
    if cross_entropy:
        settings = replace(
            settings, cross_entropy_epochs=settings.epochs, certified=False, calibrated_scale=False
        )
    outcomes = tuple(
        State(arrays, facts) for facts, arrays in fit_shuffles(job.features, job.labels, settings)
    )
    fitted = Fitted(outcomes, chosen(outcomes, settings))
    facts, arrays = fitted.outcome.facts, fitted.outcome.arrays
    matcher = Matcher(
        AdaptorWeights.among(arrays),
        Normalization(facts["mean"], facts["standard_deviation"]),
        job.features[arrays["training_index"]],
        arrays["support_labels"],
        neighbors_max=settings.neighbors_max,
    )
    return fitted, settings, matcher


def _trained(fitted: Any, settings: Any) -> dict[str, Any]:
    facts = fitted.outcome.facts
    return {
        "learning_rate": settings.learning_rate,
        "epochs": facts["epochs"],
        "best_epoch": facts["best_epoch"],
        "shuffles": settings.shuffles,
    }


CONTENDERS: dict[str, Callable[[Job], tuple[dict[str, Any], Answer]]] = {
    "reex": reex,
    "cross-entropy": cross_entropy,
    "package": package,
    "package-sensible": package_sensible,
}


def main(name: str, folder: Path) -> None:
    told = json.loads((folder / "job.json").read_text())
    with np.load(folder / "pool.npz") as pool, np.load(folder / "asked.npz") as asked:
        job = Job(pool["features"], pool["labels"], told["class_count"], told["seed"])
        questions = {key: asked[key] for key in asked.files}
    facts, answer = CONTENDERS[name](job)
    trained = time.process_time()
    answers = {
        f"{each}/{figure}": values
        for each, vectors in questions.items()
        for figure, values in answer(vectors).items()
    }
    facts |= {"training_cpu_s": trained - job.begun, "asking_cpu_s": time.process_time() - trained}
    facts["resident_peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        2**20 if sys.platform == "darwin" else 2**10
    )
    np.savez(folder / "answers.npz", **answers, **facts.pop("arrays", {}))
    (folder / "told.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
