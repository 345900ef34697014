"""The connection of a command: to the daemon that runs, or to one started on demand (REEX_NO_START forbids it)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reex.cli import output
from reex.errors import DaemonDown, InvalidLabel, InvalidSetting
from reex.location import Location, LocationError
from reex.types import OUT_OF_DISTRIBUTION, UNLABELLED

if TYPE_CHECKING:
    from reex import Client
    from reex.daemon import DaemonStatus

CLASSES_SHOWN = 10


@contextmanager
def connected() -> Iterator[Client]:
    """A client of this user's daemon.

    Raises DaemonDown when there is none and none may be started, InvalidSetting where its folder could be somebody
    else's.
    """
    from reex import Client
    from reex.folders import own_folder

    location = here()
    own_folder(location.data)
    socket = _socket(location)
    own_folder(socket.parent)
    with Client(socket) as client:
        yield client


def here() -> Location:
    """Where this user's daemon lives. Raises InvalidSetting when the environment leads nowhere."""
    try:
        return Location.from_environment()
    except LocationError as error:
        raise InvalidSetting(str(error)) from None


def start_daemon(location: Location) -> DaemonStatus:
    """Returns once it is healthy; one that runs already is only waited for. Raises DaemonDown."""
    from reex import daemon
    from reex.health import serving
    from reex.running import running

    def probe() -> bool:
        holder = running(location)
        return holder is not None and serving(holder.socket)

    return daemon.start(location, probe=probe)


def _socket(location: Location) -> Path:
    from reex.running import running

    holder = running(location)
    if holder is not None and holder.socket.exists():
        return holder.socket
    if os.environ.get("REEX_NO_START"):
        raise DaemonDown(
            f"no daemon runs for {location.data}, and REEX_NO_START forbids starting one. "
            "Start it: reexctl daemon start"
        )
    output.note("starting the daemon")
    return start_daemon(location).socket


def label_of(
    given: str, classes: Sequence[str], *, none: Sequence[int] = (UNLABELLED, OUT_OF_DISTRIBUTION)
) -> int:
    """A class name first, then an index, or a number of `none`. Raises InvalidLabel for anything else."""
    if given in classes:
        return list(classes).index(given)
    try:
        number = int(given)
    except ValueError:
        number = len(classes)
    if 0 <= number < len(classes) or number in none:
        return number
    known = ", ".join(classes[:CLASSES_SHOWN]) + (", ..." if len(classes) > CLASSES_SHOWN else "")
    raise InvalidLabel(
        f"expected one of the classes {known}, an index from 0 to {len(classes) - 1}, or "
        f"{' or '.join(map(str, none))}; received {given!r}"
    )
