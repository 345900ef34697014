"""Exit codes, and what each error of the client ends with."""

from __future__ import annotations

from reex import errors

OK = 0
FAILED = 1
USAGE = 2
NOT_FOUND = 3
DAEMON_DOWN = 4
UNHEALTHY = 5
NOT_PERMITTED = 6
CONFLICT = 7
CANCELLED = 8
TRY_AGAIN = 75

# The nearest class of the tree decides.
_CODES: dict[type[errors.ReexError], int] = {
    errors.ReexError: FAILED,
    errors.InvalidArgument: USAGE,
    errors.NotFound: NOT_FOUND,
    errors.Conflict: CONFLICT,
    errors.QueueFull: TRY_AGAIN,
    errors.Cancelled: CANCELLED,
    errors.PermissionDenied: NOT_PERMITTED,
    errors.Unavailable: TRY_AGAIN,
    errors.DaemonDown: DAEMON_DOWN,
    errors.DeadlineExceeded: TRY_AGAIN,
    errors.DataLoss: UNHEALTHY,
}


def code_of(error: errors.ReexError) -> int:
    return next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)
