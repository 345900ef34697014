"""One side of `scoring`, in a process of its own: python bench/scoring_sides.py (ours | official) FOLDER ROUNDS

FOLDER holds what `prepare` wrote: `model.sdmkitmodel`, which both sides read, `questions.npy`, and for ours the support
as hidden states. Each round scores all questions with 25 neighbours and both alphas; loading is not counted. Written:
`SIDE.npz` with the answers. The last line says the CPU seconds of each round and the peak of resident memory. The
official side runs in its own environment, so nothing of the project is imported for it.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

NEIGHBORS = 25
MODEL, QUESTIONS, SUPPORT = "model.sdmkitmodel", "questions.npy", "support.npz"


def prepare(
    folder: Path, features: np.ndarray, labels: np.ndarray, questions: np.ndarray, exemplars: int
) -> None:
    """Train a short model on features (n, D), half of them its support, and write it for both sides."""
    from reexd.engine import blas

    blas.load()
    from reexd import sdm
    from reexd.engine.adaptor.settings import official
    from reexd.engine.adaptor.shuffles import fit_shuffles
    from reexd.interchange import portable_model, sdmkitmodel
    from reexd.sdm import AdaptorWeights, Normalization, calibrate

    class_count = int(labels.max()) + 1
    settings = official(class_count, exemplar_size=exemplars, epochs=1, learning_rate=1e-4)
    ((facts, arrays),) = fit_shuffles(features, labels, settings)
    weights = AdaptorWeights.among(arrays)
    normalization = Normalization(facts["mean"], facts["standard_deviation"])
    support = features[arrays["training_index"]]
    calibration = calibrate(
        *(arrays[f"calibration_{name}"] for name in ("labels", "logits", "q", "d0")), class_count
    )
    model = portable_model.PortableModel(
        model_id="bench",
        created_at=0.0,
        producer=("reex", "bench"),
        classes=tuple(f"class {label}" for label in range(class_count)),
        representation=portable_model.Representation("bench"),
        weights=weights,
        normalization=normalization,
        neighbors_max=settings.neighbors_max,
        alpha_resolution=sdm.ALPHA_RESOLUTION,
        exemplars=portable_model.exemplars(weights, normalization, support),
        support_ids=tuple(f"support-{row}" for row in range(len(support))),
        support_labels=arrays["support_labels"],
        support_predictions=arrays["support_predictions"],
        support_texts=(None,) * len(support),
        calibration=calibration,
        calibration_ids=tuple(f"calibration-{row}" for row in range(len(arrays["calibration_labels"]))),
    )
    sdmkitmodel.write_model(folder / MODEL, model)
    np.save(folder / QUESTIONS, questions)
    np.savez(folder / SUPPORT, vectors=support, labels=arrays["support_labels"])


def ours(folder: Path) -> Callable[[], dict[str, np.ndarray]]:
    from reexd.engine import blas

    blas.load()  # as an engine process does
    blas.keep_freed_memory()
    from reexd import sdm
    from reexd.engine.matching import Matcher
    from reexd.interchange import sdmkitmodel

    model = sdmkitmodel.read_model(folder / MODEL)
    with np.load(folder / SUPPORT) as support:
        matcher = Matcher(
            model.weights,
            model.normalization,
            support["vectors"],
            support["labels"],
            model.support_predictions,
            neighbors_max=model.neighbors_max,
        )
    questions = np.load(folder / QUESTIONS)

    def score() -> dict[str, np.ndarray]:
        matches = matcher.match(questions, neighbors=NEIGHBORS)
        scores = sdm.score(matches.logits, matches.q, matches.d0, model.calibration)
        return {
            "prediction": scores.prediction,
            "q": scores.q,
            "alpha": scores.region_alpha,
            "lower_alpha": scores.lower_region_alpha,
            "neighbors": matches.indices,
        }

    return score


def official(folder: Path) -> Callable[[], dict[str, np.ndarray]]:
    from reexpress_sdm import SDMModel

    model = SDMModel.load(folder / MODEL, device="cpu")
    questions = np.load(folder / QUESTIONS)

    def score() -> dict[str, np.ndarray]:
        scores = model.score(questions, nearest_exemplars=NEIGHBORS)
        return {
            "prediction": np.array([each.prediction for each in scores]),
            "q": np.array([each.q for each in scores]),
            "alpha": np.array([each.centroid_region_alpha for each in scores]),
            "lower_alpha": np.array([each.lower_region_alpha for each in scores]),
            "neighbors": np.array(
                [[m.support_index for m in each.nearest_support_matches] for each in scores]
            ),
        }

    return score


SIDES = {"ours": ours, "official": official}


def main(side: str, folder: Path, rounds: int) -> None:
    score = SIDES[side](folder)
    cpu_s = []
    answers: dict[str, np.ndarray] = {}
    for _ in range(rounds):
        begun = time.process_time()
        answers = score()
        cpu_s.append(time.process_time() - begun)
    np.savez(folder / f"{side}.npz", **answers)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    print(json.dumps({"cpu_s": cpu_s, "resident_peak_mib": peak}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
