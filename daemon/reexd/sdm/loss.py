"""The SDM loss, its gradient, and means that treat classes alike (act Eq. 7; sdm.md 6).

Owns: values on given logits. `reexd.engine.adaptor` differentiates the same expression through the adaptor.
"""

from __future__ import annotations

import numpy as np

from reexd.sdm.activation import Q_OFFSET, log_sdm_activation, sdm_activation


def sdm_losses(
    logits: np.ndarray,
    labels: np.ndarray,
    q: np.ndarray | float,
    d: np.ndarray | float,
    q_offset: float = Q_OFFSET,
) -> np.ndarray:
    """-log_{q_offset+q}(sdm(z')_y) of each row, (n,) float32; log_{q_offset+q} C where d = 0."""
    logits = np.asarray(logits)
    labels = np.asarray(labels)
    base = np.log(np.broadcast_to(np.asarray(q, dtype=np.float32), labels.shape) + np.float32(q_offset))
    logarithms = log_sdm_activation(logits, q, d, q_offset)
    return -logarithms[np.arange(labels.size), labels] / base


def loss_gradient(
    logits: np.ndarray,
    labels: np.ndarray,
    q: np.ndarray | float,
    d: np.ndarray | float,
    q_offset: float = Q_OFFSET,
) -> np.ndarray:
    """Gradient of each row's loss by its logits: d (sdm(z') - onehot(y)), (n, C) float32; q, d constants."""
    labels = np.asarray(labels)
    residual = sdm_activation(logits, q, d, q_offset)
    residual[np.arange(labels.size), labels] -= np.float32(1.0)
    return residual * np.broadcast_to(np.asarray(d, dtype=np.float32), labels.shape)[:, None]


def class_balanced_mean(values: np.ndarray, labels: np.ndarray, class_count: int) -> float:
    """Mean over classes of the mean over rows with that true label. ValueError when a class has no row."""
    labels = np.asarray(labels)
    counts = np.bincount(labels, minlength=class_count)
    if (counts == 0).any():
        raise ValueError(f"a balanced mean needs every class; class {int(np.argmin(counts))} has no row")
    sums = np.bincount(labels, weights=np.asarray(values, dtype=np.float64), minlength=class_count)
    return float((sums / counts).mean())


def balanced_loss(
    logits: np.ndarray,
    labels: np.ndarray,
    q: np.ndarray | float,
    d: np.ndarray | float,
    class_count: int,
    q_offset: float = Q_OFFSET,
) -> float:
    """Class-balanced mean of `sdm_losses`: what epochs and shuffles are chosen by (sdm.md 7)."""
    return class_balanced_mean(sdm_losses(logits, labels, q, d, q_offset), labels, class_count)
