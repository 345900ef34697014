"""What the keys of a line, or the columns of a table, are called. Owns their names and what is a slip of one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from reex.errors import InvalidArgument

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


def check_header(names: Sequence[str], advice: str = "") -> None:
    """Raises InvalidArgument for the columns of a table that has no texts, a slip of a name, or a name twice. `advice`
    says what else may be wrong where there are no texts."""
    if slip := check_names(names):
        raise InvalidArgument(f"a column would be kept as an unknown one: {slip[1]}")
    if "document" not in names:
        raise InvalidArgument(
            f"expected a column named document (and optionally id, label, prompt, info, group, attributes), "
            f"received the columns {', '.join(names)}{advice or '; rename the one that holds the text'}"
        )
    if len(set(names)) < len(names):
        raise InvalidArgument(f"expected columns of different names, received {_several(names)}")


def _several(names: Sequence[str]) -> str:
    """Which name several columns have. Spreadsheets write empty columns, without one, after the filled ones."""
    name = next(name for place, name in enumerate(names) if name in names[:place])
    if name:
        return f"{name} {names.count(name)} times; rename all but one"
    return f"{names.count(name)} columns without a name; name them, or leave them out"
