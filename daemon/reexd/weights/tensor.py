"""What a weight file declares of one tensor, and the error for a file that does not keep its word."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from reexd.errors import ModelCorrupt


@dataclass(frozen=True, slots=True)
class Tensor:
    """One declared tensor; its bytes are `begin <= i < end` of the file. `shape` in elements, as it is written."""

    name: str
    dtype: str  # the format's own word: F32, BF16, Q4_1, ...
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def size(self) -> int:
        """Elements."""
        return math.prod(self.shape)


def opened(path: Path) -> BinaryIO:
    """For reading. Raises ModelCorrupt, also where it is there and closed to us."""
    try:
        return path.open("rb")
    except OSError as error:
        raise corrupt(path, error.strerror or "cannot be read") from error


def corrupt(path: Path, what: str) -> ModelCorrupt:
    """Of a file in an installed model's folder, which has the model's name."""
    name = path.parent.name
    told = f"model {name}: {path.name}: {what}. Pull it again: reexctl models pull {name}"
    return ModelCorrupt(told, model=name, file=path.name, problem=what)
