"""What systemd is told of the daemon (Type=notify). Knows nothing of the daemon."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(state: str) -> None:
    """How we are; elsewhere NOTIFY_SOCKET is not set, and nothing is sent."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifier:
        notifier.connect(address)
        notifier.send(state.encode())
