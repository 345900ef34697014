"""Checkpoints: replaced whole, apart by job and slot, gone when deleted."""

from __future__ import annotations

import numpy as np
from reexd.store import checkpoints
from reexd.store.environment import Environment


def test_a_checkpoint_comes_back_bit_for_bit(environment: Environment) -> None:
    arrays = {
        "weight": np.random.default_rng(0).standard_normal((30, 7)).astype(np.float32),
        "order": np.arange(5, dtype=np.int64),
        "step": np.array(12, np.uint32),
        "empty": np.empty((0, 3), np.float32),
    }
    environment.write(lambda txn: checkpoints.put(txn, 1, '{"epoch": 3}', arrays))
    with environment.read() as txn:
        found = checkpoints.get(txn, 1)
    assert found.state_json == '{"epoch": 3}' and list(found.arrays) == list(arrays)
    for name, array in arrays.items():
        assert found.arrays[name].dtype == array.dtype and found.arrays[name].shape == array.shape
        assert found.arrays[name].tobytes() == array.tobytes()


def test_the_last_one_put_replaces_all_of_the_one_before(environment: Environment) -> None:
    environment.write(lambda txn: checkpoints.put(txn, 1, "{}", {"a": np.ones(3), "b": np.ones(4)}))
    environment.write(lambda txn: checkpoints.put(txn, 1, "{}", {"c": np.zeros(2)}))
    with environment.read() as txn:
        assert list(checkpoints.get(txn, 1).arrays) == ["c"]
        entries = txn.stat()["entries"]
    environment.write(lambda txn: checkpoints.delete(txn, 1))
    with environment.read() as txn:
        assert entries - txn.stat()["entries"] == 3  # the record, one header, one part


def test_jobs_and_slots_are_apart(environment: Environment) -> None:
    for job, slot in ((1, 0), (1, 2), (2, 0)):
        environment.write(lambda txn, j=job, s=slot: checkpoints.put(txn, j, f"{j}{s}", {}, slot=s))
    with environment.read() as txn:
        assert checkpoints.slots(txn, 1) == [0, 2]
        assert checkpoints.get(txn, 1, slot=2).state_json == "12"
        assert checkpoints.get(txn, 1, slot=1) is None
    environment.write(lambda txn: checkpoints.delete(txn, 1))
    with environment.read() as txn:
        assert checkpoints.slots(txn, 1) == [] and checkpoints.slots(txn, 2) == [0]
