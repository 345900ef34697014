"""Hidden states: found by content, gathered in any order, scanned in place, freed when nothing needs them."""

from __future__ import annotations

import numpy as np
import pytest
from reexd.errors import InvalidInput, StoreCorrupt
from reexd.store import compaction, hidden_states, references, spaces
from reexd.store.blocks import BLOCK_ROWS
from reexd.store.environment import Environment
from reexd.store.references import Holder
from reexd.store.spaces import Space

DIMENSION = 4


def vectors(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)


def digests(count: int, prefix: str = "") -> list[bytes]:
    return [hidden_states.digest("f", "", f"{prefix}{n}") for n in range(count)]


@pytest.fixture
def space(environment: Environment) -> Space:
    return environment.write(lambda txn: spaces.find_or_create(txn, "f", DIMENSION))


def fill(environment: Environment, space: Space, count: int, step: int = 300) -> np.ndarray:
    """Rows 0..count-1, linked to documents of the same numbers, in commits of `step`."""
    values, names = vectors(count), digests(count)

    def work(txn, start: int) -> None:
        stop = min(start + step, count)
        rows = hidden_states.append(txn, space, names[start:stop], values[start:stop])
        references.link(txn, space, np.arange(start, stop), rows)

    for start in range(0, count, step):
        environment.write(lambda txn, start=start: work(txn, start))
    return values


def compact_all(environment: Environment, space: Space, blocks_max: int = 16) -> tuple[int, int]:
    freed = rewritten = 0
    next_block: int | None = 0
    while next_block is not None:
        first = next_block
        done = environment.write(
            lambda txn, first=first: compaction.compact(txn, space, first_block=first, blocks_max=blocks_max)
        )
        freed, rewritten, next_block = (
            freed + done.rows_freed,
            rewritten + done.blocks_rewritten,
            done.next_block,
        )
    return freed, rewritten


def test_the_digest_tells_apart_where_fields_end() -> None:
    parts = [("f", "ab", "c"), ("f", "a", "bc"), ("fa", "b", "c"), ("f", "", "abc")]
    assert len({hidden_states.digest(*part) for part in parts}) == len(parts)
    assert all(len(hidden_states.digest(*part)) == 32 for part in parts)


@pytest.mark.parametrize("step", [1, 300, BLOCK_ROWS, 5000])
def test_rows_are_gathered_in_any_order_from_tail_and_blocks(
    environment: Environment, space: Space, step: int
) -> None:
    count = 40 if step == 1 else 2 * BLOCK_ROWS + 100
    values = fill(environment, space, count, step)
    wanted = np.random.default_rng(1).integers(0, count, 500)
    with environment.read() as txn:
        np.testing.assert_array_equal(hidden_states.gather(txn, space, wanted), values[wanted])
        assert hidden_states.gather(txn, space, np.array([], np.int64)).shape == (0, DIMENSION)


def test_a_scan_yields_every_row_in_order_and_blocks_without_a_copy(
    environment: Environment, space: Space
) -> None:
    values = fill(environment, space, 2 * BLOCK_ROWS + 100)
    with environment.read() as txn:
        found = list(hidden_states.scan(txn, space))
        assert [len(block.rows) for block in found] == [BLOCK_ROWS, BLOCK_ROWS, 100]
        assert np.concatenate([block.rows for block in found]).tolist() == list(range(len(values)))
        np.testing.assert_array_equal(np.concatenate([block.vectors for block in found]), values)
        assert all(block.live.all() for block in found)
        for block in found[:2]:
            assert not block.vectors.flags.owndata and not block.vectors.flags.writeable
            assert block.vectors.flags.c_contiguous and block.vectors.flags.aligned


def test_known_content_keeps_its_row(environment: Environment, space: Space) -> None:
    fill(environment, space, 10)
    names = digests(10)

    def again(txn) -> np.ndarray:
        mixed = [names[3], *digests(1, "new"), names[7], *digests(1, "new")]
        return hidden_states.append(txn, space, mixed, vectors(4, seed=9), windows=[1, 5, 1, 5])

    rows = environment.write(again)
    assert rows.tolist() == [3, 10, 7, 10]
    with environment.read() as txn:
        assert hidden_states.lookup(txn, space, [names[9], *digests(1, "absent")]).tolist() == [9, -1]
        assert hidden_states.windows(txn, space, rows).tolist() == [1, 5, 1, 5]
        np.testing.assert_array_equal(hidden_states.gather(txn, space, [10]), vectors(4, seed=9)[1:2])


def test_spaces_are_apart(environment: Environment, space: Space) -> None:
    fill(environment, space, 3)
    other = environment.write(lambda txn: spaces.find_or_create(txn, "g", 2))
    with environment.read() as txn:
        assert other.number != space.number
        assert hidden_states.lookup(txn, other, digests(1)).tolist() == [-1]
        assert list(hidden_states.scan(txn, other)) == []
        assert spaces.find(txn, "f") == space and spaces.get(txn, other.number) == other
        assert spaces.find(txn, "absent") is None
    with pytest.raises(InvalidInput, match="have 4 numbers, got 5"):
        environment.write(lambda txn: spaces.find_or_create(txn, "f", 5))
    with pytest.raises(InvalidInput, match=r"shape \(1, 4\)"):
        environment.write(lambda txn: hidden_states.append(txn, space, digests(1), np.ones((1, 3))))


def test_a_row_that_is_not_stored_is_store_corrupt(environment: Environment, space: Space) -> None:
    fill(environment, space, 3)
    with environment.read() as txn, pytest.raises(StoreCorrupt, match="not stored"):
        hidden_states.gather(txn, space, np.array([1, 3]))


def test_a_shared_row_lives_as_long_as_anything_needs_it(environment: Environment, space: Space) -> None:
    fill(environment, space, 2)
    one = np.array([0])

    def live() -> list[bool]:
        with environment.read() as txn:
            return next(iter(hidden_states.scan(txn, space))).live.tolist()

    environment.write(lambda txn: references.link(txn, space, np.array([50]), one))
    environment.write(lambda txn: references.retain(txn, space, np.array([0, 0]), Holder.VERSION))
    with environment.read() as txn:
        assert references.counts(txn, space, 0) == (2, 2)
    environment.write(lambda txn: references.unlink(txn, 0))
    environment.write(lambda txn: references.unlink(txn, 50))
    assert live() == [True, True]
    spare = environment.write(lambda txn: references.release(txn, space, np.array([0, 0]), Holder.VERSION))
    assert spare.tolist() == [0] and live() == [False, True]
    with pytest.raises(StoreCorrupt, match="released more often"):
        environment.write(lambda txn: references.release(txn, space, one, Holder.VERSION))


def test_a_spare_row_is_found_again_until_it_is_compacted(environment: Environment, space: Space) -> None:
    values = fill(environment, space, 3)
    environment.write(lambda txn: references.unlink(txn, 1))

    def found() -> int:
        with environment.read() as txn:
            return int(hidden_states.lookup(txn, space, digests(2)[1:])[0])

    assert found() == 1
    environment.write(lambda txn: references.link(txn, space, np.array([1]), np.array([1])))
    assert compact_all(environment, space) == (0, 0)
    environment.write(lambda txn: references.unlink(txn, 1))
    assert compact_all(environment, space) == (1, 0)
    assert found() == -1
    with environment.read() as txn:
        assert hidden_states.count(txn, space) == 2
        np.testing.assert_array_equal(hidden_states.gather(txn, space, [2, 0]), values[[2, 0]])


def test_a_forgotten_row_cannot_be_found(environment: Environment, space: Space) -> None:
    fill(environment, space, 2)
    environment.write(lambda txn: references.unlink(txn, 0, forget=True))
    with environment.read() as txn:
        assert hidden_states.lookup(txn, space, digests(2)).tolist() == [-1, 1]
        with pytest.raises(StoreCorrupt):
            hidden_states.gather(txn, space, np.array([0]))


def test_compaction_keeps_row_numbers_and_frees_bytes(environment: Environment, space: Space) -> None:
    count = 3 * BLOCK_ROWS + 10
    values = fill(environment, space, count)
    kept = np.r_[np.arange(0, BLOCK_ROWS, 7), np.arange(2 * BLOCK_ROWS, count)]  # block 1 goes entirely
    dropped = np.setdiff1d(np.arange(count), kept)

    def drop(txn) -> None:
        for number in dropped:
            references.unlink(txn, int(number))

    environment.write(drop)
    assert compact_all(environment, space, blocks_max=1) == (len(dropped), 2)
    with environment.read() as txn:
        np.testing.assert_array_equal(hidden_states.gather(txn, space, kept[::-1]), values[kept[::-1]])
        scanned = list(hidden_states.scan(txn, space))
        assert np.concatenate([block.rows for block in scanned]).tolist() == kept.tolist()
        np.testing.assert_array_equal(np.concatenate([block.vectors for block in scanned]), values[kept])
        with pytest.raises(StoreCorrupt, match="not stored"):
            hidden_states.gather(txn, space, np.array([1]))
        assert hidden_states.lookup(txn, space, digests(8)).tolist() == [0, -1, -1, -1, -1, -1, -1, 7]
    assert compact_all(environment, space) == (0, 0)


def test_rows_forgotten_in_the_tail_leave_gaps_in_the_block(environment: Environment, space: Space) -> None:
    values = fill(environment, space, 100)
    environment.write(lambda txn: references.unlink(txn, 40, forget=True))
    rest = vectors(BLOCK_ROWS, seed=5)
    environment.write(lambda txn: hidden_states.append(txn, space, digests(BLOCK_ROWS, "rest"), rest))
    with environment.read() as txn:
        wanted = np.array([99, 41, 39, 100, 1023, 1024])
        expected = np.concatenate([values[[99, 41, 39]], rest[[0, 923, 924]]])
        np.testing.assert_array_equal(hidden_states.gather(txn, space, wanted), expected)
        with pytest.raises(StoreCorrupt):
            hidden_states.gather(txn, space, np.array([40]))
