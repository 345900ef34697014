"""MLX reductions against the NumPy definition: equal to the last bit, in any tiling."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from reexd import sdm
from reexd.engine import self_matching
from reexd.engine import support as reductions
from reexd.engine.adaptor.weights import Projection, matching_map
from reexd.engine.matching import Matcher
from reexd.engine.self_matching import SelfMatching
from reexd.engine.support import Support


def rows(seed: int, count: int, width: int, classes: int, whole: bool) -> tuple[np.ndarray, np.ndarray]:
    """Exemplars near a corner of their class; `whole` numbers make exact ties."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, count)
    values = generator.normal(size=(count, width)) + 2.0 * np.eye(classes, width)[labels]
    return (np.round(values) if whole else values).astype(np.float32), labels


def support_rows(
    seed: int, count: int, width: int, classes: int, whole: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Exemplars, labels (some -99), predictions (some wrong)."""
    exemplars, labels = rows(seed, count, width, classes, whole)
    generator = np.random.default_rng(seed + 1)
    wrong = generator.random(count) < 0.05
    predictions = np.where(wrong, generator.integers(0, classes, count), labels)
    return exemplars, np.where(generator.random(count) < 0.02, -99, labels), predictions


@pytest.mark.parametrize("neighbors", [0, 1, 25])
@pytest.mark.parametrize("limit", [3, 2048])
@pytest.mark.parametrize(
    ("count", "width", "classes", "whole"),
    [(700, 16, 3, False), (900, 3, 3, True), (40, 8, 4, False), (2, 3, 2, False), (300, 20, 20, False)],
)
def test_reductions_equal_the_definition(
    count: int, width: int, classes: int, whole: bool, limit: int, neighbors: int
) -> None:
    exemplars, labels, predictions = support_rows(count, count, width, classes, whole)
    queries, classes_of_queries = rows(count + 7, 150, width, classes, whole)
    generator = np.random.default_rng(count)
    exclude = np.where(generator.random(150) < 0.5, generator.integers(0, count, 150), -1)
    queries[exclude >= 0] = exemplars[exclude[exclude >= 0]]

    expected = sdm.similarity(
        queries, classes_of_queries, exemplars, labels, predictions, neighbors_max=limit, exclude=exclude
    )
    indices, distances = sdm.nearest_neighbors(queries, exemplars, neighbors, exclude=exclude)
    support = Support(exemplars, labels, predictions, classes, neighbors_max=limit)
    seen = 0
    for tile in support.tiles(queries, classes_of_queries, exclude=exclude, neighbors=neighbors):
        np.testing.assert_array_equal(tile.q, expected.q[tile.rows])
        np.testing.assert_array_equal(tile.d0, expected.d0[tile.rows])
        np.testing.assert_array_equal(tile.indices, indices[tile.rows])
        np.testing.assert_array_equal(tile.distances, distances[tile.rows])
        seen += tile.rows.size
    assert seen == 150


def test_near_ties_are_decided_by_direct_differences() -> None:
    """Far from the origin a GEMM cannot tell these rows apart; the definition can."""
    generator = np.random.default_rng(0)
    base = generator.normal(size=(1, 64)).astype(np.float32) * 30
    exemplars = base + 1e-3 * generator.normal(size=(200, 64)).astype(np.float32)
    exemplars[100:] -= 60  # a second cluster keeps the centre away from both
    labels = np.arange(200) % 2
    queries = exemplars + np.float32(1e-3)

    expected = sdm.similarity(queries, labels, exemplars, labels, labels)
    q, d0 = Support(exemplars, labels, labels, 2).match(queries, labels)

    np.testing.assert_array_equal(q, expected.q)
    np.testing.assert_array_equal(d0, expected.d0)


def test_without_a_bad_row_the_whole_support_counts() -> None:
    exemplars = np.eye(5, dtype=np.float32)
    same = np.zeros(5, dtype=int)
    support = Support(exemplars, same, same, 2)
    q, _ = support.match(exemplars, same, exclude=np.arange(5))
    assert q.tolist() == [4] * 5
    q, _ = support.match(exemplars, same)
    assert q.tolist() == [5] * 5


def matched_with_itself(
    support: Support, exemplars: np.ndarray, labels: np.ndarray, predictions: np.ndarray, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    steps = SelfMatching(support, exemplars, labels, predictions, classes).run()
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


@pytest.mark.parametrize("rows_of_a_strip", [5, 384])
@pytest.mark.parametrize("limit", [3, 2048])
@pytest.mark.parametrize(
    ("count", "width", "classes", "whole"),
    [(900, 16, 3, False), (700, 3, 3, True), (60, 8, 4, False), (2, 3, 2, False), (400, 20, 40, False)],
)
def test_the_support_against_itself_equals_the_definition(
    count: int,
    width: int,
    classes: int,
    whole: bool,
    limit: int,
    rows_of_a_strip: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Strips of bad rows, of parts of a class, of several classes; exact ties; duplicates at distance 0."""
    monkeypatch.setattr(self_matching, "TILE_ROWS_MAX", rows_of_a_strip)
    monkeypatch.setattr(self_matching, "PAIRS_MAX", rows_of_a_strip)
    exemplars, labels, predictions = support_rows(count, count, width, classes, whole)
    exemplars[-count // 10 :] = exemplars[: len(exemplars[-count // 10 :])]
    itself = np.arange(count)
    expected = sdm.similarity(
        exemplars, predictions, exemplars, labels, predictions, neighbors_max=limit, exclude=itself
    )
    support = Support(exemplars, labels, predictions, classes, neighbors_max=limit)
    q, d0 = matched_with_itself(support, exemplars, labels, predictions, classes)
    np.testing.assert_array_equal(q, expected.q)
    np.testing.assert_array_equal(d0, expected.d0)


@pytest.mark.parametrize("kind", ["all good", "all bad", "one class"])
def test_a_support_of_one_kind_against_itself(kind: str) -> None:
    generator = np.random.default_rng(3)
    exemplars = generator.normal(size=(50, 6)).astype(np.float32)
    labels = np.zeros(50, dtype=int) if kind == "one class" else np.arange(50) % 2
    predictions = 1 - labels if kind == "all bad" else labels
    itself = np.arange(50)
    expected = sdm.similarity(exemplars, predictions, exemplars, labels, predictions, exclude=itself)
    support = Support(exemplars, labels, predictions, 2)
    q, d0 = matched_with_itself(support, exemplars, labels, predictions, 2)
    np.testing.assert_array_equal(q, expected.q)
    np.testing.assert_array_equal(d0, expected.d0)
    if kind != "all good":
        assert set(q) == {0 if kind == "all bad" else 49}


def test_near_ties_within_the_support_are_decided_by_direct_differences() -> None:
    generator = np.random.default_rng(0)
    base = generator.normal(size=(1, 64)).astype(np.float32) * 30
    exemplars = base + 1e-3 * generator.normal(size=(200, 64)).astype(np.float32)
    exemplars[100:] -= 60
    labels = np.arange(200) % 2
    expected = sdm.similarity(exemplars, labels, exemplars, labels, labels, exclude=np.arange(200))
    q, d0 = matched_with_itself(Support(exemplars, labels, labels, 2), exemplars, labels, labels, 2)
    np.testing.assert_array_equal(q, expected.q)
    np.testing.assert_array_equal(d0, expected.d0)


@pytest.fixture
def mostly_equal() -> tuple[np.ndarray, np.ndarray]:
    """Exemplars and labels: 2,500 rows of one class that are all equal, as those of empty texts are, and 100 others."""
    exemplars, labels = rows(5, 2600, 256, 2, whole=False)
    exemplars[100:], labels[100:] = exemplars[100], 0
    return exemplars, labels


def peak_bytes(work) -> tuple[int, tuple[np.ndarray, np.ndarray]]:
    """What NumPy held at most meanwhile, and what `work` returns."""
    tracemalloc.start()
    try:
        found = work()
        return tracemalloc.get_traced_memory()[1], found
    finally:
        tracemalloc.stop()


def test_equal_rows_do_not_fill_the_memory(mostly_equal: tuple[np.ndarray, np.ndarray]) -> None:
    exemplars, labels = mostly_equal
    support = Support(exemplars, labels, labels, 2)
    itself = np.arange(200)
    peak, (q, d0) = peak_bytes(lambda: support.match(exemplars[:200], labels[:200], exclude=itself))
    assert peak < 200e6  # the differences of all pairs that are near would take 500 MB
    assert (d0[100:] == 0).all()
    assert (q[100:] >= 2047).all()


def test_equal_rows_of_the_support_do_not_fill_the_memory(
    mostly_equal: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_matching, "PAIRS_MAX", 10_000)
    monkeypatch.setattr(self_matching, "TILE_ROWS_MAX", 50)
    exemplars, labels = mostly_equal
    support = Support(exemplars, labels, labels, 2)
    peak, (q, d0) = peak_bytes(lambda: matched_with_itself(support, exemplars, labels, labels, 2))
    assert peak < 100e6  # three million pairs would take 200 MB
    expected = support.match(exemplars, labels, exclude=np.arange(2600))
    np.testing.assert_array_equal(q, expected[0])
    np.testing.assert_array_equal(d0, expected[1])


def test_a_single_row_cannot_be_matched_without_itself() -> None:
    one, label = np.ones((1, 3), dtype=np.float32), np.zeros(1, dtype=int)
    with pytest.raises(ValueError, match="two of them"):
        SelfMatching(Support(one, label, label, 2), one, label, label, 2)


@pytest.fixture(scope="module")
def classifier() -> tuple[sdm.AdaptorWeights, sdm.Normalization, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(4)
    weights = sdm.initial_weights(generator, 12, 30, 3)
    vectors = generator.normal(size=(500, 12)).astype(np.float32)
    return weights, sdm.fit_normalization(vectors), vectors, generator.integers(0, 3, 500)


def test_results_do_not_depend_on_the_tiling(
    classifier: tuple[sdm.AdaptorWeights, sdm.Normalization, np.ndarray, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights, normalization, vectors, labels = classifier
    queries = vectors + np.float32(0.05)
    whole = Matcher(weights, normalization, vectors, labels).match(queries)
    monkeypatch.setattr(reductions, "TILE_ROWS_MAX", 7)
    matcher = Matcher(weights, normalization, vectors, labels)
    tiled = matcher.match(queries)
    alone = [matcher.match(queries[row : row + 1]) for row in range(0, 500, 50)]
    for name in ("logits", "q", "d0", "indices", "distances"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(tiled, name))
        for place, one in enumerate(alone):
            np.testing.assert_allclose(getattr(one, name)[0], getattr(whole, name)[50 * place], rtol=1e-6)


def test_matching_in_fewer_dimensions_keeps_distances(
    classifier: tuple[sdm.AdaptorWeights, sdm.Normalization, np.ndarray, np.ndarray],
) -> None:
    weights, normalization, vectors, labels = classifier
    x = normalization.apply(vectors)
    exemplars = x.astype(np.float64) @ weights.projection_weight.T + weights.projection_bias
    differences = exemplars[:1] - exemplars[1:]
    expected = (differences**2).sum(axis=1).min()
    matches = Matcher(weights, normalization, vectors, labels).match(vectors[:1], exclude=np.array([0]))
    assert Projection(weights, normalization).exemplars(x).shape == (500, 12)
    assert matches.d0[0] == pytest.approx(expected, rel=1e-5)


def test_a_map_that_lost_rank_is_still_exact() -> None:
    weight = np.zeros((6, 4), dtype=np.float32)
    weight[:, 0], weight[:, 1] = 1.0, 1.0
    mapped = np.array([[1.0, 2.0, 3.0, 4.0]]) @ matching_map(weight)
    assert (mapped**2).sum() == pytest.approx(6 * 9.0)


def test_logits_are_those_of_both_layers(
    classifier: tuple[sdm.AdaptorWeights, sdm.Normalization, np.ndarray, np.ndarray],
) -> None:
    weights, normalization, vectors, labels = classifier
    exemplars = normalization.apply(vectors) @ weights.projection_weight.T + weights.projection_bias
    expected = exemplars @ weights.classifier_weight.T + weights.classifier_bias
    matches = Matcher(weights, normalization, vectors, labels).match(vectors, neighbors=0)
    np.testing.assert_allclose(matches.logits, expected, atol=1e-5)
    assert matches.indices.shape == (500, 0)


def test_no_query_is_no_work(
    classifier: tuple[sdm.AdaptorWeights, sdm.Normalization, np.ndarray, np.ndarray],
) -> None:
    weights, normalization, vectors, labels = classifier
    matches = Matcher(weights, normalization, vectors, labels).match(vectors[:0])
    assert matches.logits.shape == (0, 3)


@pytest.mark.parametrize("far", [3e19, np.nan])
def test_rows_too_far_apart_for_their_distance_to_be_a_number_are_refused(far: float) -> None:
    """By the definition as well: a row whose distance is lost would be neither good nor bad."""
    exemplars, labels = rows(0, 40, 4, 2, whole=False)
    exemplars[39] += np.float32(far)
    for match in (
        lambda: Support(exemplars, labels, labels, 2).match(exemplars[:5], labels[:5]),
        lambda: sdm.similarity(exemplars[:5], labels[:5], exemplars, labels, labels),
    ):
        with pytest.raises(ValueError, match="finite"):
            match()


@pytest.mark.parametrize("broken", [np.full((1, 12), np.nan), np.zeros((1, 11)), np.full((1, 12), 1e39)])
def test_misfits_are_refused(
    classifier: tuple[sdm.AdaptorWeights, sdm.Normalization, np.ndarray, np.ndarray], broken: np.ndarray
) -> None:
    weights, normalization, vectors, labels = classifier
    with pytest.raises(ValueError):
        Matcher(weights, normalization, vectors, labels).match(broken)


def test_excluding_a_row_that_is_not_there_is_refused(
    classifier: tuple[sdm.AdaptorWeights, sdm.Normalization, np.ndarray, np.ndarray],
) -> None:
    weights, normalization, vectors, labels = classifier
    with pytest.raises(ValueError, match="exclude"):
        Matcher(weights, normalization, vectors, labels).match(vectors[:1], exclude=np.array([500]))
