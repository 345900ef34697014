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

if TYPE_CHECKING:
    from reex import Client
    from reex.daemon import DaemonStatus


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


def label_of(given: str, classes: Sequence[str]) -> int:
    """A class name first, then an index. Raises InvalidLabel for neither."""
    if given in classes:
        return list(classes).index(given)
    try:
        return int(given)
    except ValueError:
        raise InvalidLabel(
            f"expected an index or one of the classes {', '.join(classes)}, received {given!r}"
        ) from None
