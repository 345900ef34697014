"""JSON as both sides of the exchange agree on it: no key twice, no number that is not finite, no lone surrogate.

Owns: decoding, encoding, and typed looks into what was decoded. Must not know what any field means.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from reexd.errors import InvalidInput

INTEGER_MIN, INTEGER_MAX = (
    -(1 << 63),
    (1 << 64) - 1,
)  # what Int64 or UInt64 hold, as the official readers demand
_DEPTH_MAX = 64


def decode(source: bytes, what: str) -> dict[str, Any]:
    """One JSON object. Raises InvalidInput."""
    try:
        value = json.loads(
            source.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_not_finite,
            parse_float=_finite,
            parse_int=_integer,
        )
        _check_depth(value, 0)
        if b"\\u" in source:  # only an escape can bring a lone surrogate
            _check_scalars(value)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"{what}: expected one JSON object in UTF-8; received something else ({error});"
            " write the file again with the tool that made it"
        ) from error
    if not isinstance(value, dict):
        raise InvalidInput(f"{what}: expected a JSON object; received {type(value).__name__}")
    return value


def encode(value: object) -> bytes:
    """Compact, ASCII, one line. Raises InvalidInput for what JSON cannot carry."""
    try:
        _check_depth(value, 0)
        _check_scalars(value)
        return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"expected values that JSON can carry; received others ({error})") from error


def identity(text: str) -> str:
    """What two names must not share: Unicode canonical equivalence counts as equal, as in the official readers."""
    return unicodedata.normalize("NFC", text)


def check_unique(names: Iterable[str], what: str) -> None:
    """Raises InvalidInput for an empty name, or two that are canonically equivalent."""
    seen: dict[str, str] = {}
    for name in names:
        key = identity(name)
        if not name or key in seen:
            other = f" beside {seen[key]!r}" if key in seen else ""
            raise InvalidInput(
                f"{what}: expected non-empty names, each once; received {name!r}{other}; rename one"
            )
        seen[key] = name


class Fields:
    """Typed looks into one decoded object. `what` names it in errors; every method raises InvalidInput."""

    def __init__(self, values: Any, what: str) -> None:
        if not isinstance(values, dict):
            raise InvalidInput(f"{what}: expected an object; received {type(values).__name__}")
        self.values, self.what = values, what

    def only(self, required: Sequence[str], optional: Sequence[str] = ()) -> Fields:
        """Exactly these keys."""
        missing = [name for name in required if name not in self.values]
        unknown = [name for name in self.values if name not in required and name not in optional]
        if missing or unknown:
            raise InvalidInput(
                f"{self.what}: expected the fields {', '.join(required)}; missing {missing}, not known {unknown};"
                " the file is of another version or damaged"
            )
        return self

    def within(self, name: str) -> Fields:
        return Fields(self.values.get(name), f"{self.what}, {name}")

    def text(self, name: str, *, absent: str | None = None) -> str:
        """A non-empty string; `absent` where the field is missing or null, if given."""
        value = self.values.get(name)
        if value is None and absent is not None:
            return absent
        if not isinstance(value, str) or (not value and absent is None):
            self._refuse(name, "a non-empty string", value)
        return value

    def integer(self, name: str, least: int, most: int = (1 << 63) - 1) -> int:
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self._refuse(name, f"an integer in {least}..{most}", value)
        return value

    def number(self, name: str) -> float:
        """Finite in Float32."""
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _FLOAT32_MAX:
            self._refuse(name, "a number that is finite in Float32", value)
        return float(value)

    def numbers(self, name: str, count: int | None = None) -> np.ndarray:
        """(count,) float32, finite."""
        return floats(self.values.get(name), f"{self.what}, {name}", count)

    def items(self, name: str, count: int | None = None) -> list:
        value = self.values.get(name)
        if not isinstance(value, list) or (count is not None and len(value) != count):
            self._refuse(name, "a list" if count is None else f"a list of {count}", value)
        return value

    def _refuse(self, name: str, expected: str, received: object) -> None:
        shown = repr(received)[:80]
        raise InvalidInput(
            f"{self.what}, {name}: expected {expected}; received {shown}; correct the file or export it again",
            field=name,
        )


_FLOAT32_MAX = float(np.finfo(np.float32).max)


def floats(value: Any, what: str, count: int | None = None) -> np.ndarray:
    """A JSON list of numbers that are finite in Float32: (count,) float32. Raises InvalidInput."""
    right = isinstance(value, list) and all(type(item) in (int, float) for item in value)
    if not right or (count is not None and len(value) != count):
        size = "" if count is None else f" of {count}"
        raise InvalidInput(f"{what}: expected a list{size} of numbers; received {repr(value)[:80]}")
    if any(abs(item) > _FLOAT32_MAX for item in value):
        raise InvalidInput(f"{what}: expected numbers that are finite in Float32; received larger ones")
    return np.asarray(value, dtype=np.float32)


def _check_scalars(value: object) -> None:
    """ValueError for a lone surrogate, which UTF-8 cannot carry."""
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len({identity(key) for key, _ in pairs}) != len(pairs):
        raise ValueError(f"a key stands twice in an object with the keys {sorted(found)[:10]}")
    return found


def _not_finite(token: str) -> float:
    raise ValueError(f"{token} is no JSON number")


def _finite(token: str) -> float:
    value = float(token)
    if not math.isfinite(value):
        raise ValueError(f"{token} is too large")
    return value


def _integer(token: str) -> int:
    value = int(token)
    if not INTEGER_MIN <= value <= INTEGER_MAX:
        raise ValueError(f"the integer {token} does not fit 64 bits")
    return value


def _check_depth(value: object, depth: int) -> None:
    if depth > _DEPTH_MAX:
        raise ValueError(f"nested deeper than {_DEPTH_MAX}")
    if isinstance(value, dict):
        for item in value.values():
            _check_depth(item, depth + 1)
    elif isinstance(value, list) and value and type(value[0]) is not float:  # long runs of numbers are leaves
        for item in value:
            _check_depth(item, depth + 1)
