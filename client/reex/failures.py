"""Turns a failed gRPC call into an exception of `reex.errors`. Only this file reads the status details."""

from __future__ import annotations

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from reex import errors

DOMAIN = "reex"
_DETAILS_KEY = "grpc-status-details-bin"


def from_rpc_error(error: grpc.RpcError) -> errors.ReexError:
    """The exception that a failed call stands for, synchronous or asyncio alike.

    The class comes from the reason of the ErrorInfo; without one (the transport failed, or a proxy spoke), or
    with a reason that this release does not know, from the status.
    """
    status = error.code().name
    message = error.details() or status
    info = _error_info(error.trailing_metadata())
    if info is None:
        if status == "UNAVAILABLE":
            # gRPC's own words name addresses and retries; they are kept for programs.
            told = "no daemon answers at the socket; start it: reexctl daemon start"
            return errors.DaemonDown(told, metadata={"detail": message})
        if status == "UNIMPLEMENTED":
            message = (
                "the daemon that runs does not know this call: it is older than this client; stop it, and the next"
                " command starts the present one: reexctl daemon stop"
            )
        if status == "RESOURCE_EXHAUSTED":  # refused unread
            message = f"the request is larger than the daemon takes ({message}); send less of it in one call"
        if status == "DEADLINE_EXCEEDED":
            message = (
                "the daemon did not answer in time; `reexctl status` shows what it is at, and a program may pass a "
                "longer timeout"
            )
        return errors.STATUSES.get(status, errors.Internal)(message)
    kind = errors.REASONS.get(info.reason)
    if kind is None:
        kind = errors.Unavailable if status == "UNAVAILABLE" else errors.STATUSES.get(status, errors.Internal)
    return kind(message, reason=info.reason, metadata=info.metadata)


def _error_info(trailing: object) -> error_details_pb2.ErrorInfo | None:
    for key, value in trailing or ():
        if key != _DETAILS_KEY:
            continue
        status = status_pb2.Status()
        try:
            status.ParseFromString(value)
        except DecodeError:
            return None
        for detail in status.details:
            info = error_details_pb2.ErrorInfo()
            if detail.Is(info.DESCRIPTOR) and detail.Unpack(info) and info.domain == DOMAIN:
                return info
    return None
