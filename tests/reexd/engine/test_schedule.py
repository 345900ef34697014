"""What goes next, what is merged, and what comes back to whom."""

import numpy as np
import pytest
from reexd.engine.frames import Frame
from reexd.engine.schedule import Schedule, Unit, merge, split


def unit(name, *, interactive=True, key="k", rows=1, width=10, budget=100, group=None):
    ids = np.full((rows, width), ord(name[0]), dtype=np.int32)
    arrays = {"ids": ids, "lengths": np.full(rows, width, np.int32)}
    told = []
    made = Unit(group, {"op": name}, arrays, told.append, told.append, interactive, key, width, budget)
    return made, told


def taken(schedule, **lanes):
    return [unit.header["op"] for unit in schedule.take(**({"interactive": True, "bulk": True} | lanes))]


def fill(*units):
    schedule = Schedule()
    for made, _ in units:
        schedule.add(made)
    return schedule


def test_interactive_goes_before_bulk_and_bulk_is_never_merged():
    schedule = fill(unit("a", interactive=False), unit("b", interactive=False), unit("q"))
    assert [taken(schedule) for _ in range(4)] == [["q"], ["a"], ["b"], []]


def test_a_worker_takes_only_from_its_lanes():
    schedule = fill(unit("a", interactive=False), unit("q"))
    assert taken(schedule, interactive=False) == ["a"]
    assert taken(schedule, interactive=False) == []
    assert taken(schedule, bulk=False) == ["q"]


def test_merging_stops_at_the_padded_budget():
    # Three rows of 10 cost 30; the row of 40 would make it four of 40.
    schedule = fill(unit("a"), unit("b"), unit("wide", width=40), unit("c"))
    assert taken(schedule) == ["a", "b", "c"]
    assert taken(schedule) == ["wide"]


def test_other_keys_keep_their_order():
    schedule = fill(unit("a"), unit("x", key="x"), unit("y", key=""), unit("b"))
    assert [taken(schedule) for _ in range(3)] == [["a", "b"], ["x"], ["y"]]


def test_put_back_goes_first():
    schedule = fill(unit("b"))
    first, _ = unit("a", key="")
    schedule.put_back([first])
    assert taken(schedule) == ["a"]


def test_drop_forgets_one_call_only():
    mine, other = object(), object()
    schedule = fill(unit("a", group=mine), unit("b", group=other), unit("c", group=mine, interactive=False))
    schedule.drop(mine)
    assert [unit.header["op"] for unit in schedule.drain()] == ["b"]


def test_merge_pads_and_split_gives_back():
    units = [unit("a", rows=2, width=3)[0], unit("b", width=5)[0]]
    request = merge(units)
    assert request.arrays["ids"].shape == (3, 5)
    assert request.arrays["ids"][0].tolist() == [97, 97, 97, 0, 0]
    assert request.arrays["lengths"].tolist() == [3, 3, 5]
    answers = split(Frame({"seconds": 1}, {"vectors": np.arange(6.0).reshape(3, 2)}), units)
    assert [answer.arrays["vectors"].tolist() for answer in answers] == [[[0, 1], [2, 3]], [[4, 5]]]


@pytest.mark.parametrize("rows", [1, 4])
def test_a_unit_alone_is_sent_as_it_is(rows):
    made, _ = unit("a", rows=rows)
    assert merge([made]).arrays["ids"] is made.arrays["ids"]
