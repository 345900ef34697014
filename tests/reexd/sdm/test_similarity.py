"""q and d0 against the definition taken literally: sort all neighbours, count the leading good ones."""

from __future__ import annotations

import numpy as np
import pytest
from reexd import sdm


def by_sorting(distances: np.ndarray, good: np.ndarray, limit: int) -> tuple[int, float]:
    """(q, d0) of one query from its distances (N,) and which rows are good for it (N,)."""
    order = sorted(range(len(distances)), key=lambda row: (distances[row], row))[:limit]
    run = 0
    while run < len(order) and good[order[run]]:
        run += 1
    return run, float(distances[order[0]])


@pytest.mark.parametrize("limit", [2, 5, 2048])
def test_similarity_is_the_leading_run_of_good_neighbours(limit: int) -> None:
    generator = np.random.default_rng(limit)
    support = generator.integers(-3, 4, (40, 2)).astype(np.float32)  # integers: many exact ties
    labels = generator.integers(0, 3, 40)
    predictions = np.where(generator.random(40) < 0.8, labels, generator.integers(0, 3, 40))
    labels[::13] = -99
    queries = generator.integers(-3, 4, (30, 2)).astype(np.float32)
    classes = generator.integers(0, 3, 30)
    exclude = np.where(generator.random(30) < 0.5, generator.integers(0, 40, 30), -1)

    found = sdm.similarity(
        queries, classes, support, labels, predictions, neighbors_max=limit, exclude=exclude
    )

    for row, own in enumerate(exclude):
        kept = np.array([index for index in range(40) if index != own])
        distances = ((queries[row] - support[kept]) ** 2).sum(axis=1)
        good = (labels[kept] == predictions[kept]) & (predictions[kept] == classes[row])
        expected = by_sorting(distances, good, limit - 1 if own >= 0 else limit)
        assert (found.q[row], found.d0[row]) == expected


def test_neighbours_are_ordered_by_distance_then_index() -> None:
    support = np.array([[2.0], [1.0], [-1.0], [0.0]], dtype=np.float32)

    indices, distances = sdm.nearest_neighbors(np.zeros((1, 1), np.float32), support, 9)

    assert indices.tolist() == [[3, 1, 2, 0]]
    assert distances.tolist() == [[0.0, 1.0, 1.0, 4.0]]


def test_a_query_that_excludes_itself_has_one_neighbour_less() -> None:
    support = np.array([[0.0], [1.0]], dtype=np.float32)

    indices, distances = sdm.nearest_neighbors(support[:1], support, 2, exclude=np.array([0]))

    assert indices.tolist() == [[1, -1]]
    assert distances.tolist() == [[1.0, np.inf]]


@pytest.mark.parametrize(
    ("support", "limit", "exclude"),
    [(np.zeros((1, 2)), 5, [0]), (np.zeros((3, 2)), 1, [0]), (np.zeros((3, 2)), 5, [3])],
)
def test_a_query_without_a_neighbour_is_refused(support: np.ndarray, limit: int, exclude: list[int]) -> None:
    rows = np.zeros(len(support), dtype=int)
    with pytest.raises(ValueError):
        sdm.similarity(
            support[:1], rows[:1], support, rows, rows, neighbors_max=limit, exclude=np.array(exclude)
        )


def test_overflowing_distances_are_refused() -> None:
    far = np.array([[3e38]], dtype=np.float32)
    with pytest.raises(ValueError, match="non-finite"):
        sdm.squared_distances(far, -far)
