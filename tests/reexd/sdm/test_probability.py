"""The calibrated probability: nearness, magnitude, and the map from them; what must hold for any rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reexd import sdm
from reexd.sdm import magnitude

CLASSES = 3


def rows(seed: int, count: int, classes: int = CLASSES, skill: float = 1.5) -> dict[str, np.ndarray]:
    """Rows whose prediction is right the more often, the larger margin and q are and the smaller d0 is."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, count)
    logits = generator.normal(size=(count, classes))
    logits[np.arange(count), labels] += skill * generator.random(count)
    q = generator.geometric(0.2, count) - 1
    d0 = generator.gamma(3.0, 1.0, count)
    return {"labels": labels, "logits": 3 * logits.astype(np.float32), "q": q, "d0": d0.astype(np.float32)}


def fitted(found: dict[str, np.ndarray]) -> tuple[sdm.ProbabilityMap, sdm.Nearness, sdm.Magnitude]:
    block = sdm.evidence(np.arange(len(found["labels"])), **found)
    return (
        sdm.fit_probability([block]),
        sdm.fit_nearness(found["d0"]),
        sdm.fit_magnitude(found["labels"], found["logits"]),
    )


def ask(parts: tuple, found: dict[str, np.ndarray], classes: int = CLASSES) -> sdm.Probabilities:
    probability_map, nearness, magnitude = parts
    return sdm.probabilities(
        probability_map, nearness(found["d0"]), magnitude(found["logits"]), found["q"], classes
    )


# Nearness


def test_nearness_is_a_rank_and_falls_on_beyond_the_farthest() -> None:
    nearness = sdm.fit_nearness(np.arange(1.0, 100.0))
    assert nearness(np.array([0.0]))[0] == 1.0
    assert nearness(np.array([50.0]))[0] == pytest.approx(0.51)  # 50 of 99 at least as far
    at_the_end, beyond, far = nearness(np.array([99.0, 120.0, 1e6]))
    assert at_the_end == pytest.approx(0.02)
    assert 0 < far < 1e-6 < beyond < 0.01  # one of 100 new rows is the farthest of all


def test_a_row_ranks_among_its_peers_as_a_new_row_does() -> None:
    d0 = np.random.default_rng(1).gamma(2.0, size=50)
    rest = np.delete(d0, 7)
    assert sdm.fit_nearness(d0).among(d0)[7] == pytest.approx(sdm.fit_nearness(rest)(d0[7:8])[0])


@given(st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=60), st.floats(0, 1e9, width=32))
def test_nearness_is_within_bounds_and_never_rises_with_distance(values: list[float], more: float) -> None:
    nearness = sdm.fit_nearness(np.array(values))
    asked = np.sort(np.array([*values, more], dtype=np.float32))
    found = nearness(asked)
    assert (found >= 0).all() and (found <= 1).all()
    assert (np.diff(found) <= 1e-12).all()


# Magnitude


def test_the_temperature_is_that_of_the_rows() -> None:
    generator = np.random.default_rng(3)
    logits = generator.normal(scale=2.0, size=(20_000, 4))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (shares.cumsum(axis=1) > generator.random((20_000, 1))).argmax(axis=1)
    for temperature in (0.25, 1.0, 6.0):
        assert sdm.fit_temperature(labels, temperature * logits) == pytest.approx(temperature, rel=0.05)


@pytest.mark.parametrize("scale", [0.5, 3.0, 40.0])
def test_logits_that_are_large_and_wrong_get_the_temperature_with_the_least_loss(scale: float) -> None:
    """Full steps go to and fro over the minimum."""
    generator = np.random.default_rng(0)
    labels, everyone = generator.integers(0, 3, 150), np.arange(150)
    logits = scale * (generator.normal(size=(150, 3)) - np.eye(3)[labels])

    def loss(place: float) -> float:
        logarithms = sdm.log_sdm_activation(math.exp(place) * logits, 0.0, 1.0, math.e)
        return magnitude.TEMPERATURE_PRIOR * place**2 / 2 - float(logarithms[everyone, labels].sum())

    found = -math.log(sdm.fit_temperature(labels, logits))
    assert loss(found) <= min(loss(place) for place in np.linspace(-9, 3, 241)) + 1e-3


def test_rows_that_are_all_right_do_not_make_the_temperature_vanish() -> None:
    logits = np.eye(3)[[0, 1, 2, 0, 1]]
    assert sdm.fit_temperature(np.array([0, 1, 2, 0, 1]), logits) > 0.02


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=2, max_size=6))
def test_log_odds_are_those_of_softmax(values: list[float]) -> None:
    found = sdm.log_odds(np.array([values]))[0]
    assert found >= -math.log(len(values) - 1) - 1e-9
    assert math.isfinite(found)
    ordered = sorted(values, reverse=True)
    others = sum(math.exp(value - ordered[1]) for value in ordered[1:])
    assert found == pytest.approx(ordered[0] - ordered[1] - math.log(others), abs=1e-9)


# The map


def test_probabilities_are_those_of_the_world() -> None:
    """On fresh rows of the same law, bin by bin; those as far as one in fifty are drawn down on purpose."""
    parts = fitted(rows(0, 4000))
    fresh = rows(1, 20_000)
    found = ask(parts, fresh)
    right = fresh["logits"].argmax(axis=1) == fresh["labels"]
    near = np.flatnonzero(parts[1](fresh["d0"]) >= 0.02)
    order = near[np.argsort(found.value[near], kind="stable")]
    for part in np.array_split(order, 10):
        assert found.value[part].mean() == pytest.approx(right[part].mean(), abs=0.04)
    assert found.value.std() > 0.1  # it does tell rows apart


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 90),
    classes=st.integers(2, 6),
    skill=st.sampled_from([-3.0, 0.0, 1.5, 30.0]),
)
def test_any_rows_give_ordered_and_bounded_probabilities(
    seed: int, count: int, classes: int, skill: float
) -> None:
    parts = fitted(rows(seed, count, classes, skill))
    asked = rows(seed + 1, 200, classes)
    asked["d0"] *= 10 ** np.random.default_rng(seed).uniform(-3, 3, 200).astype(np.float32)
    found = ask(parts, asked, classes)
    assert (found.lower >= 0).all() and (found.upper <= 1).all()
    assert (found.lower <= found.value + 1e-12).all()
    assert (found.value <= found.upper + 1e-12).all()
    assert (found.documents >= 0).all() and (found.documents <= count).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(5, 300))
def test_more_similarity_and_magnitude_never_make_it_less_probable(seed: int, count: int) -> None:
    parts = fitted(rows(seed, count))
    near = np.full(50, parts[1].d0[0])
    rising = np.linspace(0.1, 30, 50)
    logits = np.column_stack([rising, np.zeros(50), np.zeros(50)])
    by_magnitude = ask(parts, {"logits": logits, "q": np.full(50, 3), "d0": near}).value
    by_q = ask(parts, {"logits": logits[:1].repeat(50, 0), "q": np.arange(50), "d0": near}).value
    for values in (by_magnitude, by_q):
        assert (np.diff(values) >= -1e-9).all()


def test_far_from_everything_nothing_is_known() -> None:
    """However large the logits and q: 1 / C, from 0 to 1, no document behind it."""
    parts = fitted(rows(0, 500))
    logits = np.array([[80.0, 0.0, 0.0]])
    far = ask(parts, {"logits": logits, "q": np.array([2000]), "d0": np.array([1e9])})
    assert far.value[0] == pytest.approx(1 / 3, abs=1e-3)
    assert (far.lower[0], far.upper[0], far.documents[0]) == (pytest.approx(0), pytest.approx(1), 0)
    steps = ask(
        parts,
        {
            "logits": logits.repeat(60, 0),
            "q": np.full(60, 50),
            "d0": parts[1].d0[-1] * np.linspace(0.5, 3, 60),
        },
    )
    assert (np.diff(steps.value) <= 1e-12).all() and (np.diff(steps.documents) <= 0).all()


def test_a_document_in_several_shuffles_counts_once() -> None:
    found = rows(5, 60)
    once = sdm.fit_probability([sdm.evidence(np.arange(60), **found)])
    thrice = sdm.fit_probability([sdm.evidence(np.arange(60), **found)] * 3)
    np.testing.assert_allclose(thrice.coefficients, once.coefficients, atol=1e-6)
    assert thrice.knots[:, 4].max() == once.knots[:, 4].max() == 20


def test_the_fit_does_not_depend_on_the_order_of_rows() -> None:
    found = rows(6, 300)
    order = np.random.default_rng(0).permutation(300)
    one = sdm.fit_probability([sdm.evidence(np.arange(300), **found)])
    other = sdm.fit_probability([sdm.evidence(order, **{k: v[order] for k, v in found.items()})])
    np.testing.assert_allclose(other.coefficients, one.coefficients, atol=1e-6)
    np.testing.assert_allclose(other.knots, one.knots, atol=1e-3)


def test_rows_that_were_all_right_do_not_promise_certainty() -> None:
    found = rows(7, 40)
    found["labels"] = found["logits"].argmax(axis=1)
    told = ask(fitted(found), found)
    assert (told.value < 1).all() and (told.value > 0.8).all()
    assert (told.lower < 0.9).all() and told.upper.max() > 0.999


def test_a_fit_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="received none"):
        sdm.fit_probability([])
    with pytest.raises(ValueError, match="received none"):
        sdm.fit_nearness(np.empty(0))
    with pytest.raises(ValueError, match="expected labels"):
        sdm.fit_temperature(np.array([0, 1]), np.zeros((3, 2)))
