"""Numeric cases computed with the official package. REEX_GOLDEN names another file of the same form.

Each case brings its own tolerance, and every key of its expectation is compared: an unknown kind or key
fails.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reexd import sdm
from reexd.engine.adaptor.adam import DeviceAdam, HostAdam
from reexd.engine.adaptor.fit import fit
from reexd.engine.adaptor.network import Batch, Parameters, logarithm_base, loss_and_gradients
from reexd.engine.adaptor.settings import FitSettings
from reexd.engine.adaptor.shuffles import fit_shuffles, run_to_end
from reexd.engine.matching import Matcher
from reexd.engine.support import Support

Case = dict[str, Any]
Check = Callable[[Case, Case, Case], None]

DEFAULT = Path(__file__).parents[4] / "shared" / "golden" / "sdm_cases.json"
WEIGHTS = ("projection_weight", "projection_bias", "classifier_weight", "classifier_bias")
CONFIG = {
    "number_of_classes": "class_count",
    "exemplar_dimension": "exemplar_size",
    "max_neighbors": "neighbors_max",
    "epochs": "epochs",
    "batch_size": "batch_size",
    "learning_rate": "learning_rate",
    "seed": "seed",
    "cross_entropy_epochs": "cross_entropy_epochs",
    "q_offset": "q_offset",
    "ood_limit": "ood_limit",
    "J": "shuffles",
}
FOLLOWED_LOSS = 2e-5  # a fit this close to the official one took the same course
CALIBRATION_CONFIG = {"alpha_resolution"}  # read when calibrating


def _cases() -> list[Any]:
    path = Path(os.environ.get("REEX_GOLDEN") or DEFAULT)
    if not path.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"no numeric cases at {path}"))]
    cases = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return [pytest.param(case, id=case["name"]) for case in cases]


@pytest.mark.parametrize("case", _cases())
def test_case(case: Case) -> None:
    check = CHECKS.get(case["kind"])
    if check is None:
        pytest.fail(f"no check for the kind {case['kind']!r}; known are {sorted(CHECKS)}")
    check(case["input"], case["expected"], case["tolerance"])


def close(actual: Any, expected: Any, tolerance: Case, what: str) -> None:
    """Within `abs` plus `rel` of the expectation; exact where neither is given or the abs is 0."""
    wanted = np.asarray(expected, dtype=np.float64)
    got = np.asarray(actual, dtype=np.float64)
    assert got.shape == wanted.shape, f"{what}: shape {got.shape}, expected {wanted.shape}"
    np.testing.assert_allclose(
        got, wanted, rtol=tolerance.get("rel", 0.0), atol=tolerance.get("abs", 0.0), err_msg=what
    )


def same(actual: Any, expected: Any, what: str) -> None:
    assert np.asarray(actual).tolist() == expected, what


def only(expected: Case, *known: str) -> None:
    assert set(expected) <= set(known), f"expectations without a check: {sorted(set(expected) - set(known))}"


def floats(values: Any) -> np.ndarray:
    """Numbers, with "NaN" and "Infinity" written as strings, as an array."""
    return np.asarray(values, dtype=object).astype(np.float64)


def cdfs_of(lists: Iterable[list[float]]) -> list[np.ndarray]:
    return [np.asarray(values, dtype=np.float32) for values in lists]


# One quantity each


def check_activation(given: Case, expected: Case, tolerance: Case) -> None:
    only(expected, "sdm")
    got = sdm.sdm_activation(
        np.asarray(given["logits"]),
        np.asarray(given["q"]),
        np.asarray(given["d"]),
        given.get("q_offset", 2.0),
    )
    close(got, expected["sdm"], tolerance, "sdm")


def check_loss(given: Case, expected: Case, tolerance: Case) -> None:
    only(expected, "per_row", "balanced")
    arguments = [np.asarray(given[name]) for name in ("logits", "labels", "q", "d")]
    offset = given.get("q_offset", 2.0)
    close(sdm.sdm_losses(*arguments, offset), expected["per_row"], tolerance, "per_row")
    balanced = sdm.balanced_loss(*arguments, given["number_of_classes"], offset)
    close(balanced, expected["balanced"], tolerance, "balanced")


def check_rescaled(given: Case, expected: Case, tolerance: Case) -> None:
    only(expected, "q_prime", "floor", "is_ood")
    got = sdm.rescaled_similarity(given["q"], given["predicted_probability"], given.get("q_offset", 2.0))
    close(got, expected["q_prime"], tolerance, "q_prime")
    same(int(np.floor(got)), expected["floor"], "floor")
    same(bool(sdm.is_out_of_distribution(got, given.get("ood_limit", 0))), expected["is_ood"], "is_ood")


def check_distance(given: Case, expected: Case, tolerance: Case) -> None:
    only(expected, "d", "per_class")
    cdfs, d0 = cdfs_of(given["class_cdfs"]), floats([given["d0"]])
    close(sdm.distance_quantiles(d0, cdfs)[0], expected["d"], tolerance, "d")
    close(sdm.class_distances(d0, cdfs)[0], expected["per_class"], tolerance, "per_class")


def check_distance_cdfs(given: Case, expected: Case, tolerance: Case) -> None:
    only(expected, "cdfs", "d_all")
    labels, q, d0 = (np.asarray(given[name]) for name in ("labels", "q", "d0"))
    cdfs = sdm.distance_cdfs(labels, q, d0, given["number_of_classes"], ood_limit=given.get("ood_limit", 0))
    assert len(cdfs) == len(expected["cdfs"])
    for got, wanted in zip(cdfs, expected["cdfs"], strict=True):
        close(got, wanted, tolerance, "cdf")
    close(sdm.distance_quantiles(d0, cdfs), expected["d_all"], tolerance, "d_all")


def check_dkw(given: Case, expected: Case, tolerance: Case) -> None:
    only(expected, "sizes", "errors", "band")
    q_prime = floats([given["q_prime"]])
    sizes = sdm.effective_sample_sizes(q_prime, cdfs_of(given["class_qprime_cdfs"]))
    same(sizes[0], expected["sizes"], "sizes")
    errors = sdm.dkw_errors(sizes, given["alpha"])
    close(errors[0], expected["errors"], tolerance, "errors")
    band = sdm.distance_bands(np.asarray([given["d"]]), errors)
    close([float(side[0]) for side in band], expected["band"], tolerance, "band")


def check_similarity(given: Case, expected: Case, tolerance: Case) -> None:
    """The reference and the MLX reductions, both."""
    only(expected, "q", "d0", "neighbors", "squared_distances")
    support, queries = (np.asarray(given[name], dtype=np.float32) for name in ("support", "queries"))
    labels, own, predictions = (
        np.asarray(given[name]) for name in ("support_labels", "support_predictions", "query_predictions")
    )
    limit = given["max_neighbors"]
    exclude = np.arange(len(queries)) if given["identity"] else None
    shown = len(expected["neighbors"][0]) if "neighbors" in expected else 0

    found = sdm.similarity(queries, predictions, support, labels, own, neighbors_max=limit, exclude=exclude)
    same(found.q, expected["q"], "q")
    close(found.d0, expected["d0"], tolerance, "d0")
    class_count = int(max(own.max(), predictions.max())) + 1
    tiles = Support(support, labels, own, class_count, neighbors_max=limit).tiles(
        queries, predictions, exclude=exclude, neighbors=shown
    )
    for tile in tiles:
        same(tile.q, [expected["q"][row] for row in tile.rows], "q by MLX")
        close(tile.d0, [expected["d0"][row] for row in tile.rows], tolerance, "d0 by MLX")
        if shown:
            same(tile.indices, [expected["neighbors"][row] for row in tile.rows], "neighbours by MLX")
    if shown:
        indices, distances = sdm.nearest_neighbors(queries, support, shown, exclude=exclude)
        same(indices, expected["neighbors"], "neighbors")
        close(distances, expected["squared_distances"], tolerance, "squared_distances")


# Regions


def region_of(values: Case) -> sdm.Region:
    return sdm.Region(
        values["alpha"], float(values["minimumRescaledSimilarity"]), tuple(values["outputThresholds"])
    )


def check_regions(regions: Iterable[sdm.Region], expected: list[Case], tolerance: Case) -> None:
    regions = list(regions)
    same([region.alpha for region in regions], [float(region["alpha"]) for region in expected], "alphas")
    for got, wanted in zip(regions, expected, strict=True):
        only(wanted, "alpha", "minimumRescaledSimilarity", "outputThresholds")
        close(got.q_prime_min, wanted["minimumRescaledSimilarity"], tolerance, f"q'_min at {got.alpha}")
        close(got.thresholds, wanted["outputThresholds"], tolerance, f"psi at {got.alpha}")


def check_ladder(given: Case, expected: Case, tolerance: Case) -> None:
    only(expected, "alphas")
    close(sdm.ladder_alphas(given["alpha_resolution"]), expected["alphas"], tolerance, "alphas")


def check_nested(given: Case, expected: Case, tolerance: Case) -> None:
    only(expected, "regions", "assigned_alpha")
    probabilities, q_prime, labels, predictions = (
        np.asarray(given[name]) for name in ("sdm", "q_prime", "labels", "predictions")
    )
    limit = given.get("ood_limit", 0)
    regions = sdm.fit_regions(
        probabilities,
        q_prime,
        labels,
        predictions,
        alphas=sdm.ladder_alphas(given["alpha_resolution"]),
        ood_limit=limit,
    )
    check_regions(regions, expected["regions"], tolerance)
    assigned = sdm.region_alphas(q_prime, probabilities, predictions, regions, ood_limit=limit)
    same(assigned, expected["assigned_alpha"], "assigned_alpha")


def check_accepts(given: Case, expected: Case, tolerance: Case) -> None:
    only(expected, "accepted")
    accepted = sdm.region_accepts(
        floats([given["q_prime"]]),
        np.asarray([given["sdm"]]),
        np.asarray([given["prediction"]]),
        region_of(given["region"]),
        ood_limit=given.get("ood_limit", 0),
    )
    same(bool(accepted[0]), expected["accepted"], "accepted")


# Recipes


def check_init(given: Case, expected: Case, tolerance: Case) -> None:
    generator = np.random.default_rng(given["seed"])
    weights = sdm.initial_weights(
        generator, given["embedding_dimension"], given["exemplar_dimension"], given["number_of_classes"]
    )
    for name in WEIGHTS:
        close(getattr(weights, name), expected[name], tolerance, name)
    for key, wanted in expected.items():
        if key.startswith("first_epoch_permutation_of_"):
            same(sdm.epoch_permutation(generator, int(key.rpartition("_")[2])), wanted, key)
        elif key.startswith("split_permutation_of_"):
            halves = sdm.official_split(int(key.rpartition("_")[2]), given["seed"])
            same(np.concatenate(halves), wanted, key)
            assert len(halves[0]) == len(wanted) // 2
        else:
            only({key: wanted}, *WEIGHTS)


def check_digest(given: Case, expected: Case, tolerance: Case) -> None:
    only(expected, "sha256")
    same(sdm.feature_digest(np.asarray(given["vector"])), expected["sha256"], "sha256")


def check_normalization(given: Case, expected: Case, tolerance: Case) -> None:
    only(expected, "mean", "standardDeviation")
    got = sdm.fit_normalization(np.asarray(given["vectors"]))
    close(got.mean, expected["mean"], tolerance, "mean")
    close(got.standard_deviation, expected["standardDeviation"], tolerance, "standardDeviation")


def check_gradient(given: Case, expected: Case, tolerance: Case) -> None:
    only(expected, "loss", "grad", "after_one_adam_step")
    weights = weights_of(given)
    labels, q, d = (np.asarray(given[name]) for name in ("labels", "q", "d"))
    x = np.asarray(given["inputs_normalized"], dtype=np.float32)
    parameters = Parameters.of(weights)
    target = np.eye(len(weights.classifier_bias), dtype=np.float32)[labels]
    ones = np.ones(len(x), dtype=np.float32)
    base = logarithm_base(q, given.get("q_offset", 2.0))
    batch = Batch(*map(to_mlx, (x, target, base, d.astype(np.float32), ones)))
    loss, gradients = loss_and_gradients(parameters, batch)
    close(loss.item(), expected["loss"], tolerance, "loss")
    zeros = tuple(np.zeros_like(array) for array in weights.arrays())
    moved = [
        adam(parameters, (zeros, zeros)).update(gradients, given["learning_rate"])
        for adam in (DeviceAdam, HostAdam)
    ]
    only(expected["grad"], *WEIGHTS)
    only(expected["after_one_adam_step"], *WEIGHTS)
    for name in WEIGHTS:
        close(np.array(getattr(gradients, name)), expected["grad"][name], tolerance, f"gradient of {name}")
        for own in moved:
            close(np.array(getattr(own, name)), expected["after_one_adam_step"][name], tolerance, name)


def to_mlx(array: np.ndarray) -> Any:
    import mlx.core as mx

    return mx.array(array)


# Whole fits


def weights_of(values: Case) -> sdm.AdaptorWeights:
    return sdm.AdaptorWeights(*(np.asarray(values[name], dtype=np.float32) for name in WEIGHTS))


def settings_of(config: Case) -> FitSettings:
    only(config, *CONFIG, *CALIBRATION_CONFIG)
    return FitSettings(**{CONFIG[name]: value for name, value in config.items() if name in CONFIG})


def split_of(given: Case, name: str) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(given[f"{name}_vectors"], dtype=np.float32), np.asarray(given[f"{name}_labels"])


def pool_of(given: Case) -> tuple[np.ndarray, np.ndarray, int]:
    """(features, labels, rows of the training split), in the order [train; calibration]."""
    (train, train_labels), (held, held_labels) = split_of(given, "train"), split_of(given, "calibration")
    return np.concatenate((train, held)), np.concatenate((train_labels, held_labels)), len(train_labels)


def check_training(given: Case, expected: Case, tolerance: Case) -> None:
    only(expected, "normalization", "best_epoch", "best_loss", "history", "final_weights")
    features, labels, train_count = pool_of(given)
    settings = settings_of(given["config"])
    start = None
    if given.get("initial_weights"):
        start = weights_of(given["initial_weights"]), sdm.fit_normalization(features[:train_count])
    rows = np.arange(len(labels))
    facts, arrays = run_to_end(
        fit(features, labels, rows[:train_count], rows[train_count:], settings, start=start)
    )
    check_fitted_normalization(facts, expected["normalization"])
    close(facts["best_loss"], expected["best_loss"], {"abs": tolerance["best_loss_abs"]}, "best_loss")
    check_history(facts["history"], expected["history"], tolerance)
    check_best_epoch(facts, expected["best_epoch"], tolerance["best_loss_abs"])
    only(expected["final_weights"], *WEIGHTS)
    for name in WEIGHTS:
        limit = {"abs": tolerance["final_weights_abs"]}
        close(arrays[name], expected["final_weights"][name], limit, name)


def check_fitted_normalization(facts: Case, expected: Case) -> None:
    only(expected, "mean", "standardDeviation")
    close(facts["mean"], expected["mean"], {"abs": 1e-6, "rel": 1e-6}, "mean")
    close(facts["standard_deviation"], expected["standardDeviation"], {"rel": 1e-6}, "standardDeviation")


def check_best_epoch(facts: Case, expected: int, tolerance: float) -> None:
    """Equal, or an epoch that loses to ours by less than the tolerance."""
    if facts["best_epoch"] != expected:
        record = facts["history"][expected - 1]
        assert abs(record["balanced_calibration_loss"] - facts["best_loss"]) <= tolerance, "best_epoch"


def check_history(history: list[Case], expected: list[Case], tolerance: Case) -> None:
    assert len(history) == len(expected)
    loss, accuracy = {"abs": tolerance["history_loss_abs"]}, {"abs": tolerance["history_accuracy_abs"]}
    mean_q = {"rel": tolerance["history_accuracy_abs"], "abs": tolerance["history_accuracy_abs"]}
    running = np.inf
    for got, wanted in zip(history, expected, strict=True):
        at = f"epoch {wanted['epoch']}"
        names = {
            "balancedTrainingAccuracy": ("balanced_training_accuracy", accuracy),
            "balancedCalibrationAccuracy": ("balanced_calibration_accuracy", accuracy),
            "balancedTrainingSDMLoss": ("balanced_training_loss", loss),
            "balancedCalibrationSDMLoss": ("balanced_calibration_loss", loss),
            "balancedTrainingCELoss": ("balanced_training_cross_entropy", loss),
            "balancedCalibrationCELoss": ("balanced_calibration_cross_entropy", loss),
            "balancedMeanTrainingQ": ("balanced_training_q", mean_q),
            "balancedMeanCalibrationQ": ("balanced_calibration_q", mean_q),
        }
        only(wanted, *names, "trainingLoss", "isBest", "epoch")
        same(got["epoch"], wanted["epoch"], at)
        first = {"abs": tolerance["epoch1_training_loss_abs"]} if wanted["epoch"] == 1 else loss
        close(got["training_loss"], wanted["trainingLoss"], first, f"training loss, {at}")
        for name, (own, limit) in names.items():
            if wanted[name] is None:
                assert own not in got, f"{own}, {at}"
            else:
                close(got[own], wanted[name], limit, f"{own}, {at}")
        selected = wanted["balancedCalibrationSDMLoss"]
        if selected is None:
            selected = wanted["balancedCalibrationCELoss"]
        if abs(selected - running) > loss["abs"]:
            same(got["best"], wanted["isBest"], f"best, {at}")
        running = min(running, selected) if wanted["isBest"] else running


def check_iterations(given: Case, expected: Case, tolerance: Case) -> None:
    only(
        expected,
        *("best_iteration", "best_epoch", "best_loss", "training_pool_indices", "calibration_pool_indices"),
        *("per_iteration", "normalization", "regions"),
    )
    features, labels, _ = pool_of(given)
    settings = settings_of(given["config"])
    results = fit_shuffles(features, labels, settings)
    limit = {"abs": tolerance["per_iteration_loss_abs"]}
    assert len(results) == len(expected["per_iteration"])
    for (facts, _), wanted in zip(results, expected["per_iteration"], strict=True):
        only(wanted, "iteration", "seed", "bestEpoch", "bestBalancedCalibrationSDMLoss")
        same(facts["settings"]["seed"], wanted["seed"], "seed")
        close(facts["best_loss"], wanted["bestBalancedCalibrationSDMLoss"], limit, "best loss")
        check_best_epoch(facts, wanted["bestEpoch"], limit["abs"])
    own = [facts["best_loss"] for facts, _ in results]
    chosen, best = sdm.best_iteration(own), expected["best_iteration"] - 1
    if chosen != best:  # only where the two are closer than the tolerance
        close(own[best], own[chosen], limit, "best_iteration")
    facts, arrays = results[best]
    close(facts["best_loss"], expected["best_loss"], limit, "best_loss")
    check_best_epoch(facts, expected["best_epoch"], limit["abs"])
    same(arrays["training_index"], expected["training_pool_indices"], "training_pool_indices")
    same(arrays["calibration_index"], expected["calibration_pool_indices"], "calibration_pool_indices")
    check_fitted_normalization(facts, expected["normalization"])
    # Regions are discrete: they follow when training did, to the last places (sdm.md 13).
    regions = calibration_of(arrays, given["config"]).regions
    if abs(facts["best_loss"] - expected["best_loss"]) <= FOLLOWED_LOSS:
        check_regions(regions, expected["regions"], {"abs": limit["abs"], "rel": 2 * limit["abs"]})


def calibration_of(arrays: dict[str, np.ndarray], config: Case) -> sdm.Calibration:
    return sdm.calibrate(
        arrays["calibration_labels"],
        arrays["calibration_logits"],
        arrays["calibration_q"],
        arrays["calibration_d0"],
        config["number_of_classes"],
        alphas=sdm.ladder_alphas(config.get("alpha_resolution", sdm.ALPHA_RESOLUTION)),
        q_offset=config.get("q_offset", sdm.Q_OFFSET),
        ood_limit=config.get("ood_limit", 0),
    )


def check_finalize(given: Case, expected: Case, tolerance: Case) -> None:
    only(
        expected,
        *("normalization", "support_predictions", "distance_cdfs", "qprime_cdfs", "regions", "calibration"),
        *("test_scores", "evaluation", "train_self_excluded"),
    )
    config = given["config"]
    train, train_labels = split_of(given, "train")
    held, held_labels = split_of(given, "calibration")
    normalization = sdm.fit_normalization(train)
    facts = {"mean": normalization.mean, "standard_deviation": normalization.standard_deviation}
    check_fitted_normalization(facts, expected["normalization"])
    matcher = Matcher(
        weights_of(given["weights"]),
        normalization,
        train,
        train_labels,
        neighbors_max=settings_of(config).neighbors_max,
    )
    same(matcher.support_predictions, expected["support_predictions"], "support_predictions")
    matches = matcher.match(held, neighbors=0)
    calibration = calibration_of(
        {
            "calibration_labels": held_labels,
            "calibration_logits": matches.logits,
            "calibration_q": matches.q,
            "calibration_d0": matches.d0,
        },
        config,
    )
    for name, cdfs in (
        ("distance_cdfs", calibration.distance_cdfs),
        ("qprime_cdfs", calibration.q_prime_cdfs),
    ):
        assert len(cdfs) == len(expected[name])
        for got, wanted in zip(cdfs, expected[name], strict=True):
            close(got, wanted, tolerance, name)
    check_regions(calibration.regions, expected["regions"], tolerance)
    check_calibration_rows(calibration.rows, expected["calibration"], tolerance)
    check_self_excluded(matcher, train, calibration, expected["train_self_excluded"], tolerance)
    check_scores(matcher, calibration, given, expected, tolerance)


def check_calibration_rows(rows: sdm.CalibrationRows, expected: list[Case], tolerance: Case) -> None:
    assert rows.labels.size == len(expected)
    for row, wanted in enumerate(expected):
        only(wanted, "label", "prediction", "sdm", "qPrime", "q", "d0", "d", "zPrime")
        for name, got in (("label", rows.labels), ("prediction", rows.predictions), ("q", rows.q)):
            same(got[row], wanted[name], f"{name} of calibration row {row}")
        reals = {"sdm": rows.sdm, "qPrime": rows.q_prime, "d0": rows.d0, "d": rows.d, "zPrime": rows.logits}
        for name, got in reals.items():
            close(got[row], wanted[name], tolerance, f"{name} of calibration row {row}")


def check_self_excluded(
    matcher: Matcher, train: np.ndarray, calibration: sdm.Calibration, expected: Case, tolerance: Case
) -> None:
    """The support scored by the calibration CDFs, each row without itself. d may differ by one place of a
    class CDF: official distances between mutual neighbours are asymmetric."""
    only(expected, "q", "d0", "d")
    matches = matcher.match(train, exclude=np.arange(len(train)), neighbors=0)
    same(matches.q, expected["q"], "training q")
    close(matches.d0, expected["d0"], tolerance, "training d0")
    cdfs = calibration.distance_cdfs
    place = 1.0 / min(max(len(cdf), 1) for cdf in cdfs)
    close(sdm.distance_quantiles(matches.d0, cdfs), expected["d"], {"abs": place + 1e-6}, "training d")


def check_scores(
    matcher: Matcher, calibration: sdm.Calibration, given: Case, expected: Case, tolerance: Case
) -> None:
    test, labels = split_of(given, "test")
    wanted = expected["test_scores"]
    shown = len(wanted[0]["nearestSupportMatches"])
    matches = matcher.match(test, neighbors=max(1, shown))
    scores = sdm.score(matches.logits, matches.q, matches.d0, calibration)
    top = calibration.regions[0].alpha if calibration.regions else -1.0
    exact = {
        "prediction": scores.prediction,
        "q": scores.q,
        "nearestSupportIndex": matches.indices[:, 0],
        "centroidRegionAlpha": scores.region_alpha,
        "lowerRegionAlpha": scores.lower_region_alpha,
        "isInMostConservativeRegion": scores.region_alpha == top,
        "isInMostConservativeRegionLower": scores.lower_region_alpha == top,
        "cumulativeEffectiveSampleSizes": scores.effective_sample_sizes,
    }
    real = {
        "d0": scores.d0,
        "d": scores.d,
        "qPrime": scores.q_prime,
        "zPrime": scores.logits,
        "sdm": scores.sdm,
        "effectiveSampleSizeErrors": scores.lower_errors,
        "dLower": scores.lower_d,
        "dUpper": scores.upper_d,
        "sdmLower": scores.lower_sdm,
        "sdmUpper": scores.upper_sdm,
        "qPrimeLower": scores.lower_q_prime,
    }
    assert len(labels) == len(wanted)
    for row, score in enumerate(wanted):
        only(score, *exact, *real, "nearestSupportMatches")
        for name, got in exact.items():
            same(got[row], score[name], f"{name} of test row {row}")
        for name, got in real.items():
            close(got[row], score[name], tolerance, f"{name} of test row {row}")
        for place, match in enumerate(score["nearestSupportMatches"]):
            only(match, "supportIndex", "label", "predictedLabel", "squaredDistance")
            index = matches.indices[row, place]
            same(index, match["supportIndex"], f"neighbour {place} of test row {row}")
            same(matcher.support_predictions[index], match["predictedLabel"], "its prediction")
            same(np.asarray(given["train_labels"])[index], match["label"], "its label")
            close(matches.distances[row, place], match["squaredDistance"], tolerance, "its distance")
    check_evaluation(scores, labels, given["config"]["number_of_classes"], expected["evaluation"])


def check_evaluation(scores: sdm.Scores, labels: np.ndarray, classes: int, expected: Case) -> None:
    only(
        expected,
        *("totalRows", "evaluatedRows", "unlabeledRows", "explicitOODRows", "overall", "centroid", "lower"),
    )
    known = labels >= 0
    same(labels.size, expected["totalRows"], "totalRows")
    same(int(known.sum()), expected["evaluatedRows"], "evaluatedRows")
    same(int((labels == -1).sum()), expected["unlabeledRows"], "unlabeledRows")
    same(int((labels == -99).sum()), expected["explicitOODRows"], "explicitOODRows")
    predictions, labels = scores.prediction[known], labels[known]
    overall = sdm.conditional_accuracy(predictions, labels, np.ones(labels.size, dtype=bool), classes)
    check_conditional(overall, expected["overall"])
    for name, assigned in (("centroid", scores.region_alpha), ("lower", scores.lower_region_alpha)):
        assigned, wanted = assigned[known], expected[name]
        only(wanted, "perAlphaCumulative", "rejected")
        alphas = [rung["alpha"] for rung in wanted["perAlphaCumulative"]]
        rungs = sdm.admission(predictions, labels, assigned, alphas, classes)
        for got, rung in zip(rungs, wanted["perAlphaCumulative"], strict=True):
            same(got.admitted, rung["admissionCount"], f"admitted at {got.alpha}")
            close(got.share, rung["admission"], {"abs": 1e-12}, f"admission at {got.alpha}")
            rest = {key: rung[key] for key in set(rung) - {"alpha", "admissionCount", "admission"}}
            check_conditional(got.accuracy, rest)
        only(wanted["rejected"], "count", "proportion")
        same(int((assigned == 0.0).sum()), wanted["rejected"]["count"], "rejected")
        close((assigned == 0.0).mean(), wanted["rejected"]["proportion"], {"abs": 1e-12}, "rejected")


def check_conditional(got: sdm.ConditionalAccuracy, expected: Case) -> None:
    defined = {
        "ByTrue": [cell.accuracy for cell in got.by_label if cell.count],
        "ByPrediction": [cell.accuracy for cell in got.by_prediction if cell.count],
    }
    summary = {
        "minimumTrueClassAccuracy": got.label_min(),
        "minimumPredictionConditionalAccuracy": got.prediction_min(),
        "minimumConditionalAccuracy": got.conditional_min(),
        "minimumDefinedTrueClassAccuracy": min(defined["ByTrue"], default=None),
        "minimumDefinedPredictionConditionalAccuracy": min(defined["ByPrediction"], default=None),
        "allTrueClassCellsDefined": got.label_min() is not None,
        "allPredictionConditionalCellsDefined": got.prediction_min() is not None,
        "allConditionalCellsDefined": got.conditional_min() is not None,
    }
    only(expected, *summary, "marginal", "byTrueClass", "byPrediction")
    for name, value in summary.items():
        assert value == expected[name], name
    check_cell(got.marginal, expected["marginal"])
    for cells, name in ((got.by_label, "byTrueClass"), (got.by_prediction, "byPrediction")):
        for label, (cell, wanted) in enumerate(zip(cells, expected[name], strict=True)):
            assert wanted["class"] == label
            check_cell(cell, {key: value for key, value in wanted.items() if key != "class"})


def check_cell(got: sdm.Cell, expected: Case) -> None:
    only(expected, "count", "correct", "accuracy", "defined")
    assert got.count == expected["count"]
    assert got.correct == expected["correct"]
    assert (got.count > 0) == expected["defined"]
    assert got.accuracy == expected["accuracy"]


# Errors


def check_error(given: Case, expected: Case, tolerance: Case) -> None:
    only(expected, "raises", "message")
    assert expected["raises"] is True
    with pytest.raises(ValueError):
        provoke(given)


def provoke(given: Case) -> None:
    """Call what the input belongs to."""
    names = set(given)
    if {"logits", "q", "d"} <= names:
        sdm.sdm_activation(floats(given["logits"]), floats(given["q"]), floats(given["d"]))
    elif "predicted_probability" in names:
        sdm.rescaled_similarity(floats(given["q"]), floats(given["predicted_probability"]))
    elif "train_vectors" in names:
        vectors = given["train_vectors"]
        sdm.fit_normalization(np.ones((4, 3)) if isinstance(vectors, str) else floats(vectors))
    elif "sdm" in names:
        rows, classes = np.shape(given["sdm"])
        labels = np.asarray(given.get("labels", np.arange(rows) % classes))
        q_prime = floats(given.get("q_prime", np.ones(rows)))
        sdm.fit_regions(floats(given["sdm"]), q_prime, labels, np.asarray(given.get("predictions", labels)))
    elif {"train_labels", "calibration_labels"} <= names:
        splits = {name: np.asarray(given[f"{name}_labels"]) for name in ("train", "calibration")}
        classes = given.get("number_of_classes", int(max(labels.max() for labels in splits.values())) + 1)
        for name, labels in splits.items():
            sdm.check_split(labels, classes, name)
    elif "alpha_resolution" in names:
        sdm.ladder_alphas(given["alpha_resolution"])
    elif "alpha" in names:
        sdm.dkw_errors(np.asarray(given.get("sizes", [1])), given["alpha"])
    elif "vector" in names:
        sdm.feature_digest(floats(given["vector"]))
    elif "vectors" in names:
        sdm.fit_normalization(floats(given["vectors"]))
    elif "config" in names:
        replace(settings_of(given["config"]))
    else:
        pytest.fail(f"no check for an error of {sorted(names)}")


CHECKS: dict[str, Check] = {
    "distance_cdfs": check_distance_cdfs,
    "distance_quantile": check_distance,
    "effective_sample_size_dkw": check_dkw,
    "error": check_error,
    "feature_digest": check_digest,
    "finalize_and_score": check_finalize,
    "init_recipe": check_init,
    "ladder": check_ladder,
    "nested_calibration": check_nested,
    "normalization": check_normalization,
    "region_accepts": check_accepts,
    "rescaled_similarity": check_rescaled,
    "sdm_activation": check_activation,
    "sdm_activation_batch": check_activation,
    "sdm_gradient": check_gradient,
    "sdm_loss": check_loss,
    "similarity": check_similarity,
    "train_iterations": check_iterations,
    "training": check_training,
}
