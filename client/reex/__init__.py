"""Client of the reex daemon: `Client`, `AsyncClient`, what they return, and what they raise.

    from reex import Client

    with Client() as client:
        answer, = client.query("sentiment", "profit rose")
        print(answer.prediction_name, answer.reliability)

Names are loaded at first use, so that `reexctl --help` does not pay for gRPC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reex.aio import AsyncClient
    from reex.client import Client
    from reex.errors import ReexError
    from reex.frames import to_pandas
    from reex.texts import Text

__all__ = ["AsyncClient", "Client", "ReexError", "Text", "to_pandas"]


def __getattr__(name: str) -> object:
    if name == "Client":
        from reex.client import Client as found
    elif name == "AsyncClient":
        from reex.aio import AsyncClient as found
    elif name == "ReexError":
        from reex.errors import ReexError as found
    elif name == "Text":
        from reex.texts import Text as found
    elif name == "to_pandas":
        from reex.frames import to_pandas as found
    else:
        raise AttributeError(f"module 'reex' has no attribute {name!r}")
    return found
