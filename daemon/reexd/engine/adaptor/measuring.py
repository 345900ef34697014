"""How good the current weights are on both splits: q, d, losses, accuracies (sdm.md 7).

Owns: one measurement, in steps small enough to be interleaved with other work. Must not know: selection,
epochs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from reexd.engine.adaptor.network import Parameters
from reexd.engine.adaptor.settings import FitSettings
from reexd.engine.adaptor.weights import matching_map
from reexd.engine.self_matching import SelfMatching
from reexd.engine.support import Support
from reexd.sdm import (
    balanced_loss,
    class_balanced_mean,
    distance_cdfs,
    distance_quantiles,
    pool_small_cdfs,
)

PROJECTED_ROWS = 8192  # at a time


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """Balanced means over true classes, but for `plain_calibration_accuracy`.

    `q` and `d` are the training rows', each with itself excluded.
    """

    q: np.ndarray  # (n_train,) float32
    d: np.ndarray  # (n_train,) float32
    matched: bool  # False: q = e - 2 and d = 1, the losses are cross-entropy
    training_accuracy: float = float("nan")
    training_loss: float = float("nan")
    training_q: float = float("nan")
    calibration_accuracy: float = float("nan")
    plain_calibration_accuracy: float = float("nan")  # of all calibration rows, right
    calibration_loss: float = float("nan")
    calibration_q: float = float("nan")

    def facts(self) -> dict[str, float]:
        """JSON-able record of an epoch: the SDM losses and mean q when matched, else the cross-entropies."""
        facts: dict[str, float] = {
            "balanced_training_accuracy": self.training_accuracy,
            "balanced_calibration_accuracy": self.calibration_accuracy,
            "calibration_accuracy": self.plain_calibration_accuracy,
        }
        kind = "loss" if self.matched else "cross_entropy"
        facts[f"balanced_training_{kind}"] = self.training_loss
        facts[f"balanced_calibration_{kind}"] = self.calibration_loss
        if self.matched:
            facts["balanced_training_q"] = self.training_q
            facts["balanced_calibration_q"] = self.calibration_q
        return facts


def measure(
    parameters: Parameters,
    x: mx.array,
    labels: tuple[np.ndarray, np.ndarray],
    settings: FitSettings,
    matched: bool,
    training_only: bool = False,
) -> Iterator[float]:
    """Measure x (n_train + n_calibration, D) under `parameters`; yields the share done, returns a
    Measurement.

    Not `matched`: no neighbours are looked for. `training_only`: only q and d of the training rows.
    """
    training_count = labels[0].size
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []  # logits, q, d of each split
    projected = _project(parameters, x, matched)
    logits = (projected[0][:training_count], projected[0][training_count:])
    yield 0.1
    if not matched:
        for own in logits:
            rows = len(own)
            parts.append((own, np.full(rows, settings.cross_entropy_q), np.ones(rows, np.float32)))
    else:
        exemplars = (projected[1][:training_count], projected[1][training_count:])
        predictions = [own.argmax(axis=1) for own in logits]
        support = Support(
            exemplars[0],
            labels[0],
            predictions[0],
            settings.class_count,
            neighbors_max=settings.neighbors_max,
        )
        for split in range(1 if training_only else 2):
            if split == 0 and mx.default_device() == mx.Device(mx.cpu):
                itself = SelfMatching(support, exemplars[0], labels[0], predictions[0], settings.class_count)
                q, d0 = yield from itself.run()
            else:
                exclude = np.arange(training_count) if split == 0 else None
                q, d0 = yield from _tiled(support, exemplars[split], predictions[split], exclude)
            parts.append(
                (logits[split], q.astype(np.float32), split_distances(labels[split], q, d0, settings))
            )
    if training_only:
        return Measurement(parts[0][1], parts[0][2], matched)
    return _summary(parts, labels, settings, matched)


def _tiled(
    support: Support, exemplars: np.ndarray, predictions: np.ndarray, exclude: np.ndarray | None
) -> Iterator[float]:
    """Yields between tiles; returns (q, d0) of all rows."""
    q, d0 = np.empty(len(exemplars), np.int32), np.empty(len(exemplars), np.float32)
    for tile in support.tiles(exemplars, predictions, exclude=exclude):
        q[tile.rows], d0[tile.rows] = tile.q, tile.d0
        yield 0.5
    return q, d0


def _project(parameters: Parameters, x: mx.array, matched: bool) -> tuple[np.ndarray, np.ndarray]:
    """(logits (n, C), exemplars in matching space (n, R), empty unless `matched`)."""
    logit_map, bias = parameters.logit_map()
    logits = x @ logit_map.T + bias
    mx.eval(logits)
    if not matched:
        return np.array(logits), np.empty((0, 0), np.float32)
    to_exemplars = mx.array(matching_map(np.array(parameters.projection_weight)).astype(np.float32))
    pieces = []
    for begin in range(0, x.shape[0], PROJECTED_ROWS):
        piece = x[begin : begin + PROJECTED_ROWS] @ to_exemplars
        mx.eval(piece)
        pieces.append(np.asarray(piece))
    return np.array(logits), pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def split_distances(labels: np.ndarray, q: np.ndarray, d0: np.ndarray, settings: FitSettings) -> np.ndarray:
    """d of one split by its own class CDFs, pooled for small classes where the settings say so; (n,)
    float32."""
    cdfs = distance_cdfs(labels, q, d0, settings.class_count, ood_limit=settings.ood_limit)
    return distance_quantiles(d0, pool_small_cdfs(cdfs, settings.pooled_classes_min)[0])


def _summary(
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
    labels: tuple[np.ndarray, np.ndarray],
    settings: FitSettings,
    matched: bool,
) -> Measurement:
    classes = settings.class_count
    figures = {}
    for name, (logits, q, d), own in zip(("training", "calibration"), parts, labels, strict=True):
        right = logits.argmax(axis=1) == own
        figures[f"{name}_accuracy"] = class_balanced_mean(right, own, classes)
        figures[f"{name}_loss"] = balanced_loss(logits, own, q, d, classes, settings.q_offset)
        figures[f"{name}_q"] = class_balanced_mean(q, own, classes)
    return Measurement(
        parts[0][1], parts[0][2], matched, plain_calibration_accuracy=float(right.mean()), **figures
    )
