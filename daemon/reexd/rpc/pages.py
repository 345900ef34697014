"""Page tokens: opaque to clients, and good only for the listing that gave them."""

from __future__ import annotations

import base64
import hashlib

from reexd.errors import InvalidInput

PAGE_SIZE_DEFAULT = 100
PAGE_SIZE_MAX = 1_000
NUMBER_DIGITS_MAX = 18  # what a key of the store can hold


def size(requested: int) -> int:
    """Rows of a page: the default for 0, at most 1,000. Raises InvalidInput when negative."""
    if requested < 0:
        raise InvalidInput(
            f"page_size must be 0 (the default, {PAGE_SIZE_DEFAULT}) or more; received {requested}"
        )
    return min(requested or PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)


def token(position: str, *listing: object) -> str:
    """The token that continues `listing` after `position`."""
    return base64.urlsafe_b64encode(f"{_scope(listing)}{position}".encode()).decode()


def position(token: str, *listing: object) -> str:
    """The position in a token; empty for the first page. Raises InvalidInput for a token of another listing."""
    if not token:
        return ""
    try:
        text = base64.urlsafe_b64decode(token.encode()).decode()
    except ValueError:
        text = ""
    scope = _scope(listing)
    if not text.startswith(scope):
        raise _foreign()
    return text[len(scope) :]


def number(token: str, *listing: object, default: int) -> int:
    """The position as a record's number; `default` for the first page. Raises InvalidInput as `position` does."""
    text = position(token, *listing)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX):
        raise _foreign()
    return int(text)


def _foreign() -> InvalidInput:
    return InvalidInput(
        "page_token does not belong to this listing; send the one the last page returned, or none"
    )


def _scope(listing: tuple[object, ...]) -> str:
    return hashlib.sha256(repr(listing).encode()).hexdigest()[:8]
