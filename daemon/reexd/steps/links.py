"""Links: which rows of a model that comes in are documents of the project. Reads the store, changes nothing.

A row is such a document when the project has its id, and the document's hidden state gives the model's numbers: a
support row's exemplar, a calibration row's logits. An id alone proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reexd.interchange.portable_model import UNREACHED_MAX, PortableModel, exemplars
from reexd.store import attributes, documents, hidden_states, references
from reexd.store.environment import Txn
from reexd.store.spaces import Space


@dataclass(frozen=True, eq=False)
class Links:
    """Which rows of a model are documents of the project: N of the support, then those of calibration."""

    generation: int  # of the documents when this was found
    numbers: np.ndarray  # (N + n,) int64, -1 - place for a foreign one
    revisions: np.ndarray  # (N + n,) int64
    rows: np.ndarray  # (N + n,) int64 hidden states, -1 for a foreign one
    attributes: np.ndarray  # (N + n, attribute_count) float32


def find_links(txn: Txn, space: Space | None, model: PortableModel, attribute_count: int) -> Links:
    """Of a model whose vectors are those of `space`, None for one that the project has not; none is found then."""
    ids = (*model.support_ids, *model.calibration_ids)
    numbers = -1 - np.arange(len(ids))
    links = Links(
        documents.generation(txn),
        numbers,
        np.zeros(len(ids), np.int64),
        np.full(len(ids), -1, np.int64),
        np.zeros((len(ids), attribute_count), np.float32),
    )
    if space is None:
        return links
    named = [documents.find(txn, id) for id in ids]
    at = np.array([place for place, number in enumerate(named) if number is not None], np.int64)
    found = np.array([named[place] for place in at], np.int64)
    rows = references.rows(txn, space, found)
    own = attributes.matrix(txn, found)[:, :attribute_count]
    usable = (rows >= 0) & ~np.isnan(own).any(axis=1) & (own.shape[1] == attribute_count)
    at, found, rows, own = at[usable], found[usable], rows[usable], own[usable]
    if not len(at):
        return links
    made = exemplars(
        model.weights,
        model.normalization,
        np.concatenate([hidden_states.gather(txn, space, rows), own], axis=1),
    )
    same = _same(model, at, made)
    # A document that supports the model does not calibrate it as well, whatever its ids say.
    twice = np.isin(found, found[same & (at < len(model.support_ids))]) & (at >= len(model.support_ids))
    same &= ~twice
    at = at[same]
    links.numbers[at], links.rows[at], links.attributes[at] = found[same], rows[same], own[same]
    links.revisions[at] = documents.states(txn, found[same]).revisions
    return links


def _same(model: PortableModel, at: np.ndarray, made: np.ndarray) -> np.ndarray:
    """(k,) bool: whether rows `at` of the model are those whose exemplars, (k, M), were made here.

    Support rows bring their exemplars, calibration rows their logits.
    """
    count = len(model.support_ids)
    same = np.zeros(len(at), bool)
    radius = float(np.linalg.norm(model.exemplars - model.weights.projection_bias, axis=1).max())
    support = at < count
    gaps = np.linalg.norm(made[support] - model.exemplars[at[support]], axis=1)
    same[support] = gaps <= UNREACHED_MAX * radius
    if model.calibration.rows is not None and not support.all():
        logits = made[~support] @ model.weights.classifier_weight.T + model.weights.classifier_bias
        theirs = model.calibration.rows.logits[at[~support] - count]
        largest = np.maximum(1.0, np.abs(theirs).max(axis=1))
        same[~support] = np.abs(logits - theirs).max(axis=1) <= UNREACHED_MAX * largest
    return same
