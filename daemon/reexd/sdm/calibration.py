"""Everything a classifier keeps from its calibration split (sdm.md 8).

Owns: the assembly of F_c, G_c and the regions from matched calibration rows, and the per-row figures from
which regions can be fitted again without training. Must not know: matching, training, storage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from reexd.sdm.activation import Q_OFFSET, sdm_activation
from reexd.sdm.certification import Witnesses, fit_certified_regions, witnesses
from reexd.sdm.distance import distance_cdfs, distance_quantiles, pool_small_cdfs
from reexd.sdm.loss import class_balanced_mean
from reexd.sdm.regions import Region, fit_regions, ladder_alphas, region_alphas
from reexd.sdm.rescaled_similarity import rescaled_similarity
from reexd.sdm.shuffling import check_split

ADMITTING_ALPHA = 0.9  # the rungs that a document is admitted for


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationRows:
    """What calibration saw, one entry per row of the split (n rows, C classes)."""

    labels: np.ndarray  # (n,) int64
    predictions: np.ndarray  # (n,) int64
    logits: np.ndarray  # (n, C) float32, z'
    q: np.ndarray  # (n,) int32
    d0: np.ndarray  # (n,) float32
    d: np.ndarray  # (n,) float32
    sdm: np.ndarray  # (n, C) float32
    q_prime: np.ndarray  # (n,) float32

    @property
    def outputs(self) -> np.ndarray:
        """sdm of the prediction, (n,) float32."""
        return self.sdm[np.arange(self.predictions.size), self.predictions]

    def alone(self) -> Witnesses:
        """What certifies where no other model's rows are known."""
        return witnesses([np.arange(self.labels.size)], [self.witness()])

    def witness(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """What `witnesses` takes of them."""
        return self.labels, self.predictions, self.outputs, self.q_prime


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What scoring needs. `rows` and `witnesses` are None when only the products were kept or loaded."""

    distance_cdfs: tuple[np.ndarray, ...]  # F_c, ascending float32
    q_prime_cdfs: tuple[np.ndarray, ...]  # G_c, ascending float32
    regions: tuple[Region, ...]  # descending alpha
    alphas: tuple[float, ...] = field(default_factory=ladder_alphas)  # the rungs that were tried
    pooled_classes: tuple[int, ...] = ()  # classes whose F_c is the pooled one
    # What rungs were certified with, which may leave classes out; by the article's rule, without, all classes pass.
    witnesses: Witnesses | None = None
    q_offset: float = Q_OFFSET
    ood_limit: int = 0
    rows: CalibrationRows | None = None

    @property
    def class_count(self) -> int:
        return len(self.distance_cdfs)

    def certified_with(self, found: Witnesses) -> Calibration:
        """The same with rungs certified with other rows, such as those of all shuffles of a training."""
        regions = fit_certified_regions(found, self.class_count, self.alphas, self.ood_limit)
        return replace(self, regions=regions, witnesses=found)

    def admitted_rightly(self) -> float:
        """The share of calibration rows that regions from ADMITTING_ALPHA on admit rightly, mean over classes.

        Needs `rows`.
        """
        rows = self.rows
        assert rows is not None
        high = tuple(region for region in self.regions if region.alpha >= ADMITTING_ALPHA)
        alphas = region_alphas(rows.q_prime, rows.sdm, rows.predictions, high, ood_limit=self.ood_limit)
        right = (alphas > 0.0) & (rows.labels == rows.predictions)
        return float(class_balanced_mean(right, rows.labels, self.class_count))


def calibrate(
    labels: np.ndarray,
    logits: np.ndarray,
    q: np.ndarray,
    d0: np.ndarray,
    class_count: int,
    *,
    alphas: Sequence[float] | None = None,
    pooled_classes_min: int = 0,
    certified: bool = False,
    q_offset: float = Q_OFFSET,
    ood_limit: int = 0,
) -> Calibration:
    """Fit F_c, G_c and the regions to n calibration rows: labels (n,), z' (n, C), q (n,), d0 (n,).

    The prediction is argmax z', the first class on ties. A class with fewer than `pooled_classes_min` rows
    with q above the limit gets the pooled F_c, and is named in `pooled_classes`; 0 is the article's rule,
    where an empty F_c makes d = 0 for every row. `certified` fits each rung to the classes that can keep its
    promise, by these rows alone (`Calibration.certified_with` takes more), and leaves the others out of it. Raises
    ValueError for a class without rows, or input out of range.
    """
    labels = check_split(labels, class_count, "calibration")
    logits = np.asarray(logits, dtype=np.float32)
    q, d0 = np.asarray(q), np.asarray(d0, dtype=np.float32)
    if logits.shape != (labels.size, class_count) or q.shape != labels.shape or d0.shape != labels.shape:
        raise ValueError(
            f"expected logits ({labels.size}, {class_count}), q and d0 ({labels.size},), "
            f"got {logits.shape}, {q.shape}, {d0.shape}"
        )
    predictions = logits.argmax(axis=1)
    cdfs = distance_cdfs(labels, q, d0, class_count, ood_limit=ood_limit)
    cdfs, pooled = pool_small_cdfs(cdfs, pooled_classes_min)
    d = distance_quantiles(d0, cdfs)
    sdm = sdm_activation(logits, q, d, q_offset)
    q_prime = rescaled_similarity(q, sdm[np.arange(labels.size), predictions], q_offset)
    rows = CalibrationRows(labels, predictions, logits, q.astype(np.int32), d0, d, sdm, q_prime)
    rungs = ladder_alphas() if alphas is None else tuple(alphas)
    regions: tuple[Region, ...] = ()
    if not certified:
        regions = fit_regions(sdm, q_prime, labels, predictions, alphas=rungs, ood_limit=ood_limit)
    calibration = Calibration(
        distance_cdfs=cdfs,
        q_prime_cdfs=tuple(np.sort(q_prime[labels == label]) for label in range(class_count)),
        regions=regions,
        alphas=rungs,
        pooled_classes=pooled,
        q_offset=q_offset,
        ood_limit=ood_limit,
        rows=rows,
    )
    if not certified:
        return calibration
    return calibration.certified_with(rows.alone())


def admitted_rightly(
    labels: np.ndarray,
    logits: np.ndarray,
    q: np.ndarray,
    d0: np.ndarray,
    class_count: int,
    **settings: object,
) -> float:
    """`Calibration.admitted_rightly` of a calibration with these rows and settings, fitted as far as that takes."""
    high = [alpha for alpha in ladder_alphas() if alpha >= ADMITTING_ALPHA]
    return calibrate(labels, logits, q, d0, class_count, alphas=high, **settings).admitted_rightly()
