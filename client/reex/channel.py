"""How a channel to the daemon is opened, and which failed calls are tried again. For both clients."""

from __future__ import annotations

import json
import os

from reex.errors import InvalidArgument, InvalidSetting
from reex.folders import own_folder
from reex.location import Location, LocationError
from reex.running import running

TIMEOUT_S = 60.0
_DEADLINE_MAX_S = 1e9  # thirty years; gRPC takes what is beyond its clock's range for the past

# gRPC itself retries, synchronous and asyncio alike, and only until the first answer of a stream has arrived:
# four attempts, 0.1 s to 1 s apart. Every call may be repeated: uploads are idempotent, and a project that a
# lost answer had created shows as ALREADY_EXISTS.
_RETRY = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}

OPTIONS: list[tuple[str, int | str]] = [
    ("grpc.service_config", json.dumps(_RETRY)),
    # Answers carry whole documents of neighbours; the daemon is trusted with the memory of its own user.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


def resolve(target: str | os.PathLike[str] | None) -> str:
    """The gRPC target: a path, or a string that is an absolute one, is a Unix socket, another string is taken as it is,
    None is this user's own daemon.

    Raises InvalidSetting for what is none of them, and when the environment leads to no usable socket path, or to a
    folder that another user could have put a socket into; a target that is named is the caller's own choice.
    """
    if isinstance(target, os.PathLike) or (isinstance(target, str) and target.startswith("/")):
        return f"unix:{os.fspath(target)}"
    if isinstance(target, str) and target:
        return target
    if target is not None:
        raise InvalidSetting(f"expected the path of a socket, or a gRPC target; received {target!r:.60}")
    try:
        location = Location.from_environment()
    except LocationError as error:
        raise InvalidSetting(str(error)) from None
    own_folder(location.data)
    holder = running(location)  # which may have seen another runtime folder than we do
    socket = holder.socket if holder else location.socket
    own_folder(socket.parent)
    return f"unix:{socket}"


def checked(timeout: float) -> float:
    """Seconds, infinity among them. Raises InvalidArgument for anything else."""
    if isinstance(timeout, int | float) and timeout >= 0:  # False for NaN as well
        return timeout
    raise InvalidArgument(
        f"expected a timeout in seconds, 0 or more, or math.inf to wait for ever; received {timeout!r:.60}"
    )


def deadline_s(timeout: float | None, default: float) -> float | None:
    """What gRPC wants: None for no deadline. `timeout`: None is the client's default, infinity is none."""
    seconds = checked(default if timeout is None else timeout)
    return None if seconds > _DEADLINE_MAX_S else seconds
