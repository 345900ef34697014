"""Errors cross the wire without loss: both tables are total, and a rich status survives the round trip."""

from __future__ import annotations

import grpc
import pytest
import reex.errors
from reexd import errors
from reexd.rpc.status import DOMAIN, STATUSES, to_status


def tree(root: type[errors.ReexError]) -> list[type[errors.ReexError]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in tree(child))]


DECLARED = [kind for kind in tree(errors.ReexError) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", DECLARED, ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_and_a_client_exception(kind: type[errors.ReexError]) -> None:
    assert kind in STATUSES
    assert kind.reason in reex.errors.REASONS
    assert issubclass(reex.errors.REASONS[kind.reason], reex.errors.ReexError)


def test_reasons_are_unique_and_neither_table_has_a_stranger() -> None:
    reasons = [kind.reason for kind in DECLARED]
    assert len(set(reasons)) == len(reasons)
    assert set(STATUSES) == set(DECLARED)
    assert set(reex.errors.REASONS) <= set(reasons), "the client names reasons that the daemon never gives"


@pytest.mark.parametrize("kind", DECLARED, ids=lambda kind: kind.__name__)
def test_the_rich_status_carries_reason_message_and_metadata(kind: type[errors.ReexError]) -> None:
    from google.rpc import error_details_pb2

    status = to_status(kind("expected a, received b; do c", project="p", long="x" * 10_000))
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == (kind.reason, DOMAIN)
    assert info.metadata["project"] == "p"
    assert len(info.metadata["long"]) < 1_000, "trailing metadata must stay small"
    assert status.code == STATUSES[kind].value[0] != grpc.StatusCode.OK.value[0]
    assert status.message == "expected a, received b; do c"


def test_the_picture_in_the_docstring_is_the_tree() -> None:
    for kind in DECLARED:
        assert kind.__name__ in (errors.__doc__ or ""), f"draw {kind.__name__} into the picture"
