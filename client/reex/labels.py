"""The file of class names: one JSON object a line, `{"label": 2, "name": "positive"}`, in any order."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from reex.errors import InvalidArgument

_FORM = 'a line like {"label": 2, "name": "positive"}'


def read_labels(source: str | os.PathLike[str] | BinaryIO) -> dict[int, str]:
    """Label -> name. Negative labels (no class) are passed over.

    Raises InvalidArgument naming the line that is not of the form, or gives a label twice, or when there is none.
    """
    names: dict[int, str] = {}
    named = isinstance(source, str | os.PathLike)
    path, data = (source, Path(source).read_bytes()) if named else ("stdin", source.read())
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        label, name = _parse(line, f"{path}:{number}")
        if label in names:
            raise InvalidArgument(f"{path}:{number}: label {label} stands twice", reason="INVALID_LABEL")
        if label >= 0:
            names[label] = name
    if not names:
        raise InvalidArgument(f"{path}: expected {_FORM}, received none", reason="INVALID_LABEL")
    return names


def _parse(line: bytes, where: str) -> tuple[int, str]:
    try:
        value = json.loads(line.decode("utf-8-sig"))
    except ValueError:
        value = None
    if isinstance(value, dict) and type(value.get("label")) is int and isinstance(value.get("name"), str):
        return value["label"], value["name"]
    raise InvalidArgument(f"{where}: expected {_FORM}", reason="INVALID_LABEL")


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
