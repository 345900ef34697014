"""Client of the reex daemon: `Client`, `AsyncClient`, what they return, and what they raise.

    from reex import Client

    with Client() as client:
        answer, = client.query("sentiment", "profit rose")
        print(answer.prediction_name, answer.reliability)

Names are loaded at first use, so that `reexctl --help` does not pay for gRPC.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reex.aio import AsyncClient as AsyncClient
    from reex.client import Client as Client
    from reex.errors import ReexError as ReexError
    from reex.texts import Text as Text

_HOMES = {
    "AsyncClient": "reex.aio",
    "Client": "reex.client",
    "ReexError": "reex.errors",
    "Text": "reex.texts",
}

__all__ = ["AsyncClient", "Client", "ReexError", "Text"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'reex' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
