"""Attribution: what the parts add to is the logit of the whole, whatever the pooling."""

from __future__ import annotations

import numpy as np
import pytest
from reexd.sdm.attribution import attribute

COUNT, DIMENSION = 7, 5


def pooled(states, words, unit, last):
    made = {"mean": states.mean(axis=0), "max": states.max(axis=0), "first": states[0], "last": last}
    parts = [made[word] for word in words]
    return np.concatenate([part / np.sqrt(np.mean(part**2)) if unit else part for part in parts])


@pytest.mark.parametrize("words", [("mean",), ("max",), ("first", "last"), ("last", "mean", "max")])
@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_the_parts_add_up_to_the_logit(words, unit, inside):
    generator = np.random.default_rng(3)
    states = generator.normal(size=(COUNT, DIMENSION)) + 1.0
    last = states[-1] if inside else generator.normal(size=DIMENSION)
    weights, baseline = generator.normal(size=(2, len(words) * DIMENSION))
    outermost = {"first": (states[0], 0), "last": (last, COUNT - 1 if inside else None)}
    found = attribute(states, words, unit, outermost, weights, baseline, 0.25 + baseline @ weights)
    assert found.tokens.shape == (COUNT,)
    expected = weights @ pooled(states, words, unit, last) + 0.25
    assert found.tokens.sum() + found.outside + found.baseline == pytest.approx(expected)
    assert (found.outside != 0) == (not inside and "last" in words)


def test_only_what_a_maximum_takes_adds_to_it():
    states = np.array([[1.0, 0.0], [0.0, 3.0], [0.5, 0.5]])
    found = attribute(states, ("max",), False, {}, np.array([2.0, -1.0]), np.zeros(2), 0.0)
    assert found.tokens.tolist() == [2.0, -3.0, 0.0]


def test_states_of_nothing_are_no_division_by_zero():
    found = attribute(np.zeros((2, 2)), ("mean",), True, {}, np.ones(2), np.zeros(2), 1.0)
    assert found.tokens.tolist() == [0.0, 0.0]
