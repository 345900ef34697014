"""Prefixes: words that a language model reads before each text, as a project and its versions name them.

Owns the one word for none, and what is taken. What the models' own are, the registry knows.
"""

from __future__ import annotations

from reexd.errors import InvalidSetting

# Empty already stands for the model's own, as it does for pooling.
NONE = "none"
SIZE_MAX_BYTES = 1_024


def text(prefix: str) -> str:
    """What is read before each text."""
    return "" if prefix == NONE else prefix


def check(what: str, prefix: str) -> None:
    """Raises InvalidSetting for a prefix that is too long, or white space alone."""
    size = len(prefix.encode())
    if size > SIZE_MAX_BYTES or (prefix and not prefix.strip()):
        raise InvalidSetting(
            f"a {what} has at most {SIZE_MAX_BYTES:,} bytes and is not only white space, like 'passage: '; {NONE!r}"
            f" reads texts without one, an empty value is the model's own; received {size:,} bytes: {prefix!r:.80}"
        )
