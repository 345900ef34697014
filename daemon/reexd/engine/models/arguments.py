"""How a model file reads its `config.json`: the known keys become fields, the rest is left alone."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class BaseModelArgs:
    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> Self:
        """Fields of this class found in `config`; TypeError when one without a default is missing."""
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in config.items() if name in names})
