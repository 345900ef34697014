"""The file of class names: one JSON object a line, `{"label": 2, "name": "positive"}`, in any order."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from reex.errors import InvalidArgument


def read_labels(path: str | os.PathLike[str]) -> dict[int, str]:
    """Label -> name. Negative labels (no class) are passed over.

    Raises InvalidArgument naming the line that is not of the form, or gives a label twice.
    """
    names: dict[int, str] = {}
    for number, line in enumerate(Path(path).read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        label, name = _parse(line, f"{path}:{number}")
        if label in names:
            raise InvalidArgument(f"{path}:{number}: label {label} stands twice", reason="INVALID_LABEL")
        if label >= 0:
            names[label] = name
    return names


def _parse(line: bytes, where: str) -> tuple[int, str]:
    try:
        value = json.loads(line.decode("utf-8-sig"))
    except ValueError:
        value = None
    if isinstance(value, dict) and type(value.get("label")) is int and isinstance(value.get("name"), str):
        return value["label"], value["name"]
    raise InvalidArgument(
        f'{where}: expected a line like {{"label": 2, "name": "positive"}}', reason="INVALID_LABEL"
    )


def merge(present: Sequence[str], names: Mapping[int, str]) -> list[str]:
    """`present` with `names` put over it and appended. Raises InvalidArgument when a label in between has none."""
    count = max([len(present), *(label + 1 for label in names)])
    merged = [names.get(label, present[label] if label < len(present) else None) for label in range(count)]
    missing = [label for label, name in enumerate(merged) if name is None]
    if missing:
        raise InvalidArgument(
            f"expected a name for each label from 0 to {count - 1}, received none for {missing[0]}",
            reason="INVALID_LABEL",
        )
    return [name for name in merged if name is not None]
