"""Equal rows go to one side of a split together; where there are none, splits are what they always were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reexd import sdm
from reexd.engine.adaptor.settings import FitSettings


def drawn_alone(
    labels: np.ndarray, share: float, seed: int, held: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The split as it was before it knew of equal rows: recorded figures rest on it."""
    generator = np.random.default_rng(seed)
    places = np.zeros(labels.size, np.uint8) if held is None else held
    training, calibration = [], []
    for label in np.unique(labels):
        own = labels == label
        rows = generator.permutation(np.flatnonzero(own & (places == 0)))
        trains, calibrates = (np.flatnonzero(own & (places == side)) for side in (1, 2))
        count = round(share * rows.size)
        count = min(max(count, int(trains.size == 0)), rows.size - int(calibrates.size == 0))
        training += [trains, rows[:count]]
        calibration += [calibrates, rows[count:]]
    return np.sort(np.concatenate(training)), np.sort(np.concatenate(calibration))


def test_equal_rows_are_found_whatever_their_sign_of_zero() -> None:
    features = np.array([[1, 2], [0, 3], [1, 2], [-0.0, 3], [1, 2], [2, 1]], np.float32)
    groups = sdm.twins(features)
    assert groups.tolist() == [0, 1, 0, 1, 0, 5]
    assert sdm.twin_count(groups) == 5
    assert sdm.twins(np.empty((0, 3), np.float32)).size == 0


@given(
    st.lists(st.integers(4, 40), min_size=2, max_size=5),
    st.floats(0.05, 0.95),
    st.integers(0, 2**64 - 1),
    st.booleans(),
)
def test_without_equal_rows_no_split_changes(rows: list[int], share: float, seed: int, holds: bool) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat(np.arange(len(rows)), rows))
    held = None
    if holds:  # one row of each class on each side at least
        held = generator.integers(0, 3, labels.size).astype(np.uint8)
        for label in range(len(rows)):
            held[np.flatnonzero(labels == label)[:2]] = 1, 2
    expected = drawn_alone(labels, share, seed, held)
    features = np.arange(labels.size, dtype=np.float32)[:, None]
    for groups in (None, sdm.twins(features)):
        for found, was in zip(sdm.stratified_split(labels, share, seed, held, groups), expected, strict=True):
            assert found.dtype == was.dtype
            np.testing.assert_array_equal(found, was)


@given(st.integers(2, 4), st.integers(20, 90), st.floats(0.2, 0.8), st.integers(0, 2**32), st.booleans())
def test_equal_rows_are_on_one_side_and_classes_keep_their_share(
    classes: int, rows: int, share: float, seed: int, several: bool
) -> None:
    generator = np.random.default_rng(seed)
    texts = generator.integers(0, rows, rows)  # about a third of them more than once
    labels = generator.integers(0, classes, rows) if several else texts % classes
    groups = sdm.twins(texts[:, None].astype(np.float32))
    if any(np.unique(texts[labels == label]).size < 4 for label in range(classes)):
        return
    training, calibration = sdm.stratified_split(labels, share, seed, groups=groups)
    assert sorted([*training, *calibration]) == list(range(rows))
    assert not set(texts[training]) & set(texts[calibration])
    for found, again in zip(
        (training, calibration), sdm.stratified_split(labels, share, seed, groups=groups), strict=True
    ):
        np.testing.assert_array_equal(found, again)
    most = np.bincount(texts).max()
    for label in range(classes):
        own = labels == label
        kept = np.count_nonzero(labels[training] == label)
        assert 1 <= kept < own.sum()
        if not several:
            assert abs(kept - share * own.sum()) <= most


def test_a_share_is_met_exactly_where_single_rows_can_make_up_for_the_others() -> None:
    texts = np.concatenate([np.repeat(np.arange(5), 4), np.arange(100, 130)])
    labels = np.zeros(50, np.int64)
    groups = sdm.twins(texts[:, None].astype(np.float32))
    sides = set()
    for seed in range(40):
        training, _ = sdm.stratified_split(labels, 0.7, seed, groups=groups)
        assert training.size == 35
        sides.add(tuple(np.isin([0, 4, 8, 12, 16], training)))
    assert len(sides) > 10, "which groups train is drawn anew by every seed"


def test_a_group_of_several_labels_is_drawn_by_its_first_row_and_serves_every_class() -> None:
    """Class 1 occurs in two texts that class 0 has as well: they part, so that both sides have it."""
    labels = np.array([0, 1, 0, 1, *[0] * 10])
    groups = np.array([0, 0, 2, 2, *range(4, 14)])
    for seed in range(30):
        training, _ = sdm.stratified_split(labels, 0.7, seed, groups=groups)
        assert np.isin([0, 1], training).all() != np.isin([2, 3], training).all()
        assert np.isin(0, training) == np.isin(1, training)


def test_what_trained_takes_its_twins_along_and_what_calibrated_keeps_them() -> None:
    labels = np.zeros(9, np.int64)
    groups = np.array([0, 0, 2, 2, 4, 4, 6, 7, 8])
    held = np.array(
        [1, 0, 2, 0, 2, 1, 0, 0, 0], np.uint8
    )  # the third pair was held apart by a version of before
    for seed in range(10):
        training, calibration = sdm.stratified_split(labels, 0.5, seed, held, groups)
        assert {0, 1, 4, 5} <= set(training)
        assert {2, 3} <= set(calibration)


def test_a_class_of_one_text_cannot_be_split() -> None:
    groups = np.array([0, 0, 0, 3, 4])
    with pytest.raises(ValueError, match="class 0 has 3 rows, and equal ones stay together"):
        sdm.stratified_split(np.array([0, 0, 0, 1, 1]), 0.5, 0, groups=groups)


def test_the_package_s_halves_know_of_no_twins() -> None:
    labels, groups = np.tile([0, 1], 20), np.repeat(np.arange(20) * 2, 2)
    for found, expected in zip(
        FitSettings(2).split(labels, 3, groups=groups), sdm.official_split(40, 3), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_many_rows_are_split_in_no_time() -> None:
    generator = np.random.default_rng(0)
    texts = generator.integers(0, 150_000, 200_000)
    groups = sdm.twins(texts[:, None].astype(np.float32))
    labels = generator.integers(0, 20, 200_000)
    training, calibration = sdm.stratified_split(labels, 0.7, 0, groups=groups)
    assert not np.intersect1d(texts[training], texts[calibration]).size
    assert abs(training.size - 140_000) < 1_000
