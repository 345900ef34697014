"""Adapters: kept once for a space, and gone with it when nothing needs its rows."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from reexd.errors import StoreCorrupt
from reexd.store import adapters, classifiers, hidden_states, keys, ranges, references, spaces
from reexd.store.environment import Environment

CHANGES = {
    "11.attention.weight": np.arange(12, dtype=np.float16).reshape(3, 4),
    "10.bias": np.linspace(-1, 1, 5).astype(np.float16),
}


@pytest.fixture
def space(environment: Environment, samples: ModuleType) -> spaces.Space:
    """The samples' space, which a tuned model makes."""

    def work(txn) -> spaces.Space:
        space = samples.fill(txn)
        adapters.put(txn, space, CHANGES)
        return space

    return environment.write(work)


def everything_of(environment: Environment, space: spaces.Space) -> list[bytes]:
    kinds = [kind for kind in keys.Kind if 32 <= kind <= 42 and kind != keys.Kind.DOCUMENT_ROW]
    with environment.read() as txn:
        found = [key for kind in kinds for key in ranges.keys(txn, keys.of_space(kind, space.number))]
        links = ranges.keys(txn, keys.kind(keys.Kind.DOCUMENT_ROW))
        return found + [key for key in links if keys.slot_of(key) == space.number]


def test_changes_come_back_and_are_written_once(environment: Environment, space: spaces.Space) -> None:
    other = {name: array + 1 for name, array in CHANGES.items()}
    environment.write(lambda txn: adapters.put(txn, space, other))
    with environment.read() as txn:
        found = adapters.get(txn, space.number)
        assert adapters.find(txn, space.number) == adapters.digest(CHANGES) != adapters.digest(other)
        assert adapters.find(txn, space.number + 1) is None
        with pytest.raises(StoreCorrupt, match="no adapter"):
            adapters.get(txn, space.number + 1)
    assert found.keys() == CHANGES.keys()
    for name, array in CHANGES.items():
        assert found[name].dtype == np.float16
        np.testing.assert_array_equal(found[name], array)


def test_one_byte_that_changed_is_found(environment: Environment, space: spaces.Space) -> None:
    def work(txn) -> None:
        key = keys.adapter_array(space.number, 0, 1)
        value = bytearray(txn.get(key))
        value[3] ^= 1
        txn.put(key, bytes(value))

    environment.write(work)
    with environment.read() as txn, pytest.raises(StoreCorrupt, match="restore a backup"):
        adapters.get(txn, space.number)


def test_a_digest_tells_names_and_shapes_apart() -> None:
    flat = {name: array.reshape(-1) for name, array in CHANGES.items()}
    renamed = {f"{name}x": array for name, array in CHANGES.items()}
    assert len({adapters.digest(each) for each in (CHANGES, flat, renamed)}) == 3
    assert adapters.digest(dict(reversed(CHANGES.items()))) == adapters.digest(CHANGES)


def another(txn, count: int = 12) -> spaces.Space:
    """The same documents' states of the model as it was pulled."""
    space = spaces.find_or_create(txn, "frozen", 4)
    digests = [hidden_states.digest("frozen", "", f"text {number}") for number in range(count)]
    rows = hidden_states.append(txn, space, digests, np.ones((count, 4), np.float32))
    references.link(txn, space, np.arange(count), rows)
    return space


def test_it_goes_with_the_last_version(
    environment: Environment, samples: ModuleType, space: spaces.Space
) -> None:
    frozen = environment.write(another)
    first, second = (environment.write(lambda txn: samples.train(txn, space)) for _ in range(2))
    live = environment.write(lambda txn: samples.train(txn, frozen))
    environment.write(lambda txn: classifiers.set_live(txn, live))
    environment.write(lambda txn: classifiers.delete(txn, first))
    environment.write(adapters.sweep)
    assert len(everything_of(environment, space)) > 12
    with environment.read() as txn:
        assert adapters.get(txn, space.number).keys() == CHANGES.keys()
    environment.write(lambda txn: classifiers.delete(txn, second))
    assert everything_of(environment, space) == []
    with environment.read() as txn:
        assert spaces.listed(txn) == [frozen]
        assert (references.rows(txn, frozen, np.arange(12)) >= 0).all()
        assert classifiers.live(txn) == live


def test_a_sweep_takes_what_no_version_came_of(environment: Environment, space: spaces.Space) -> None:
    """Rows that a job under way has pinned are its own; those of one that was cancelled are nobody's."""
    rows = np.arange(4)
    environment.write(lambda txn: references.retain(txn, space, rows, references.Holder.VERSION))
    environment.write(adapters.sweep)
    assert everything_of(environment, space)
    environment.write(lambda txn: references.release(txn, space, rows, references.Holder.VERSION))
    environment.write(adapters.sweep)
    assert everything_of(environment, space) == []


def test_a_space_without_adapter_stays(environment: Environment, samples: ModuleType) -> None:
    space = environment.write(samples.fill)
    environment.write(lambda txn: adapters.release(txn, space))
    environment.write(adapters.sweep)
    with environment.read() as txn:
        assert spaces.listed(txn) == [space]
