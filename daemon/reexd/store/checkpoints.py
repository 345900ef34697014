"""Checkpoints of jobs under way, in the project's environment: named arrays and a JSON state, by job and
slot.

A slot is one independent part of a job (a shuffle), so that parts that run side by side save side by side.
Knows nothing of what the arrays mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import lmdb
import numpy as np

from reexd.store import arrays as parts
from reexd.store import keys, ranges
from reexd.store.codecs.checkpoint import decode_checkpoint, encode_checkpoint


class Checkpoint(NamedTuple):
    state_json: str
    arrays: dict[str, np.ndarray]  # owned copies


def put(
    txn: lmdb.Transaction, job: int, state_json: str, arrays: Mapping[str, np.ndarray], *, slot: int = 0
) -> None:
    """Replaces the checkpoint of a job's slot."""
    ranges.delete(txn, keys.checkpoint_arrays(job, slot))
    txn.put(keys.checkpoint(job, slot), encode_checkpoint(state_json, tuple(arrays)))
    for number, array in enumerate(arrays.values()):
        parts.put(txn, partial(keys.checkpoint_array, job, slot, number), array)


def get(txn: lmdb.Transaction, job: int, *, slot: int = 0) -> Checkpoint | None:
    value = txn.get(keys.checkpoint(job, slot))
    if value is None:
        return None
    state_json, names = decode_checkpoint(value)
    return Checkpoint(
        state_json,
        {
            name: parts.get(
                txn, partial(keys.checkpoint_array, job, slot, number), f"checkpoint of job {job}, {name}"
            )
            for number, name in enumerate(names)
        },
    )


def slots(txn: lmdb.Transaction, job: int) -> list[int]:
    """The slots of a job that have a checkpoint, ascending."""
    return [keys.slot_of(key) for key in ranges.keys(txn, keys.checkpoints(job))]


def delete(txn: lmdb.Transaction, job: int) -> None:
    """Deletes every slot of a job. Idempotent."""
    for slot in slots(txn, job):
        ranges.delete(txn, keys.checkpoint_arrays(job, slot))
        txn.delete(keys.checkpoint(job, slot))
