"""What the keys of a line, or the columns of a table, are called. Owns their names and what is a slip of one."""

from __future__ import annotations

from collections.abc import Collection

KNOWN = ("id", "label", "document", "attributes", "prompt", "info", "group")


def check_names(names: Collection[object]) -> tuple[str, str] | None:
    """The first name that is one of ours but for case or blanks, and what to do about it.

    An unknown name is kept as it is, so that labels under `Label` would be stored as something else without a word.
    Where ours is there as well the other is meant: `ID` beside `id`.
    """
    for name in names:
        if name in KNOWN or not isinstance(name, str):
            continue
        meant = name.strip().lower()
        if meant in KNOWN and meant not in names:
            return name, f"expected {meant}, received {name!r}; rename it to {meant}, or to something else"
    return None
