"""One line of an upload to the message that carries it, or the field and reason why it cannot be carried.

Owns syntax and size limits. Meaning is the daemon's: whether the label is a class of the project, whether the
count of attributes is that of the project's other documents, what a repeated id does. A line that is asked about and
not stored has nobody to be rejected by but us: `attribute_count` says what the version that answers reads.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from reex.columns import KNOWN, check_names
from reex.reading import Entry
from reex.status import ServerInfo
from reex.types import Rejection
from reex.v1 import documents_pb2

ID_SIZE_MAX_BYTES = 256
_INT32_MAX = 2**31 - 1
_FLOAT32_MAX = 3.4028234e38
# Data frames make a column of integers one of floats as soon as a value is missing: 1 is written as 1.0.
_INTEGER = re.compile(r"([+-]?\d+)(?:\.0+)?", re.ASCII)

_STRINGS = ("prompt", "info", "group")
# What `documents list --json` adds to an uploaded line: dropped, so that its output can be uploaded again
# unchanged.
_OUTPUT_ONLY = ("split", "revision", "update_time")


class _Problem(Exception):
    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason


class Checker:
    """Checks lines against the daemon's limits. `classes` tells names from indices in the cells of a CSV;
    `attribute_count` is what each line must bring, None any number."""

    def __init__(
        self,
        limits: ServerInfo,
        *,
        cells: bool = False,
        classes: Sequence[str] = (),
        attribute_count: int | None = None,
    ) -> None:
        self._limits = limits
        self._cells = cells
        self._classes = frozenset(classes)
        self._attribute_count = attribute_count

    def check(self, entry: Entry) -> documents_pb2.Document | Rejection:
        if entry.problem:
            return Rejection(entry.line, "", entry.problem)
        if not isinstance(entry.value, Mapping):
            return Rejection(
                entry.line, "", f"expected a JSON object on each line, received {_kind(entry.value)}"
            )
        line = self._from_cells(entry.value) if self._cells else entry.value
        try:
            if slip := check_names(entry.value):
                raise _Problem(*slip)
            return self._document(line)
        except _Problem as problem:
            given = line.get("id")
            known = given if isinstance(given, str) and problem.field != "id" else ""
            return Rejection(entry.line, problem.field, problem.reason, known)

    def _from_cells(self, cells: Mapping[str, str]) -> dict[str, Any]:
        """Cells as JSON would have said it: an empty one is absent, and numbers are numbers."""
        line: dict[str, Any] = {key: cell for key, cell in cells.items() if cell or key == "document"}
        label = line.get("label")
        if label is not None and label not in self._classes and (whole := _INTEGER.fullmatch(label.strip())):
            # Digits beyond any label stay text, which the daemon then reports as a name that it does not
            # know.
            line["label"] = int(whole[1]) if len(whole[1]) < 19 else label
        if "attributes" in line:
            line["attributes"] = _numbers(line["attributes"])
        return line

    def _document(self, line: Mapping[str, Any]) -> documents_pb2.Document:
        document = documents_pb2.Document(text=self._text(line))
        if line.get("id") is not None:
            document.id = self._string("id", line["id"], ID_SIZE_MAX_BYTES)
            if not document.id:
                raise _Problem(
                    "id", "expected 1 to 256 bytes, received an empty string; leave the key out for a digest"
                )
        _set_label(document, line.get("label"))
        for field in _STRINGS:
            if line.get(field) is not None:
                setattr(document, field, self._string(field, line[field], self._limits.field_size_max_bytes))
        if line.get("attributes") is not None:
            document.attributes.extend(self._attributes(line["attributes"]))
        self._check_count(len(document.attributes))
        document.extra_json = self._extra(line)
        return document

    def _text(self, line: Mapping[str, Any]) -> str:
        if line.get("document") is None:
            raise _Problem("document", "missing; the text goes under the key document")
        text = self._string("document", line["document"], self._limits.document_size_max_bytes)
        if not text.strip():
            raise _Problem("document", "empty")
        return text

    def _string(self, field: str, value: Any, size_max_bytes: int) -> str:
        if not isinstance(value, str):
            raise _Problem(field, f"expected a string, received {_kind(value)}")
        size = len(_utf8(field, value))
        if size > size_max_bytes:
            raise _Problem(field, f"expected at most {size_max_bytes:,} bytes, received {size:,}")
        return value

    def _attributes(self, values: Any) -> list[float]:
        if not isinstance(values, list | tuple):
            raise _Problem("attributes", f"expected a list of numbers, received {_kind(values)}")
        if len(values) > self._limits.attributes_max:
            raise _Problem(
                "attributes",
                f"expected at most {self._limits.attributes_max:,} numbers, received {len(values):,}",
            )
        return [self._attribute(place, value) for place, value in enumerate(values)]

    def _check_count(self, received: int) -> None:
        count = self._attribute_count
        if count is None or received == count:
            return
        if not count:
            reason = f"the live version was trained without any; received {received:,}, leave them out"
        else:
            reason = f"expected {count:,}, as the live version was trained with, received {received:,}"
            if not received:
                reason += '; send them with the text: {"document": "...", "attributes": [...]}'
        raise _Problem("attributes", reason)

    def _attribute(self, place: int, value: Any) -> float:
        try:
            number = float(value) if self._cells or not isinstance(value, str | bool) else None
        except (TypeError, ValueError, OverflowError):
            number = None
        if number is None or not math.isfinite(number) or abs(number) > _FLOAT32_MAX:
            raise _Problem(
                "attributes",
                f"expected a finite number that fits a 32-bit float at position {place + 1}, "
                f"received {_kind(value)}",
            )
        return number

    def _extra(self, line: Mapping[str, Any]) -> str:
        extra = {key: value for key, value in line.items() if key not in KNOWN and key not in _OUTPUT_ONLY}
        if not extra:
            return ""
        for key, value in extra.items():
            try:
                _utf8(key, json.dumps({key: value}, ensure_ascii=False, allow_nan=False))
            except (ValueError, TypeError, RecursionError):
                raise _Problem(str(key), "holds a value that JSON cannot carry") from None
        text = json.dumps(extra, ensure_ascii=False)
        if len(text.encode()) > self._limits.document_size_max_bytes:
            raise _Problem(
                next(iter(extra)),
                f"expected unknown keys of at most {self._limits.document_size_max_bytes:,} bytes together",
            )
        return text


def _numbers(cell: str) -> Any:
    """A JSON list, or numbers separated by blanks; a single one is a list too."""
    try:
        value = json.loads(cell)
    except ValueError:
        value = None
    return value if isinstance(value, list | dict) else cell.split()


def _set_label(document: documents_pb2.Document, label: Any) -> None:
    """A JSON number is an index, a JSON string is a name, digits included; without a label, -1."""
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    if label is None:
        document.label = -1
    elif isinstance(label, str):
        _utf8("label", label)
        document.label_name = label
    elif isinstance(label, int) and not isinstance(label, bool) and -_INT32_MAX <= label <= _INT32_MAX:
        document.label = label
    else:
        raise _Problem("label", f"expected a class index or a class name, received {_kind(label)}")


def _utf8(field: str, value: str) -> bytes:
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError as error:
        half = ord(value[error.start])
        raise _Problem(
            field if field.isprintable() else "",
            f"half of a surrogate pair (U+{half:04X}) at character {error.start + 1}",
        ) from None


def _kind(value: Any) -> str:
    """What was received, short enough for one line of a report."""
    names = {dict: "an object", list: "a list", type(None): "null"}
    if type(value) in names:
        return names[type(value)]
    shown = json.dumps(value) if isinstance(value, str | int | float) else type(value).__name__
    return shown if len(shown) <= 40 else shown[:37] + "..."
