"""Texts to score: what a caller may pass, and the message made from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from reex.errors import InvalidDocument
from reex.tables import DataFrame, rows_of_frame
from reex.types import UNLABELLED
from reex.v1 import predictions_pb2


@dataclass(frozen=True, slots=True)
class Text:
    """A text that need not be stored. `id` and `label` are echoed in the answer, `line` in a rejection."""

    text: str
    id: str = ""
    label: int = UNLABELLED
    attributes: Sequence[float] = ()
    prompt: str = ""
    line: int = 0  # 1-based, in the sender's file; 0: its place among the texts


# A mapping has the keys of an uploaded line: `document`, and optionally id, label (an index), attributes,
# prompt.
TextLike: TypeAlias = str | Text | Mapping[str, Any]

_FORMS = {
    "id": "a string",
    "text": "a string",
    "label": "the index of a class",
    "attributes": "a list of numbers",
    "prompt": "a string",
}


def several(texts: Iterable[TextLike] | TextLike) -> Iterable[TextLike]:
    """One text is one, not as many as it has characters or keys, and so is what is none. A data frame is its rows."""
    if isinstance(texts, str | bytes | Text | Mapping) or not isinstance(texts, Iterable | DataFrame):
        return [texts]  # type: ignore[list-item]
    if isinstance(texts, DataFrame):
        return (row.value for row in rows_of_frame(texts) if row.value is not None)
    return texts


def text_message(value: TextLike) -> predictions_pb2.Text:
    """Raises InvalidDocument for what cannot be sent: no text, a wrong type, half of a surrogate pair."""
    if isinstance(value, str):
        value = Text(value)
    elif isinstance(value, Mapping):
        if "document" not in value:
            raise InvalidDocument(
                f"expected a text under the key 'document', received the keys {', '.join(map(str, value))}",
                reason="INVALID_DOCUMENT",
            )
        known = {
            key: value[key] for key in ("id", "label", "attributes", "prompt") if value.get(key) is not None
        }
        value = Text(value["document"], **known)
    if not isinstance(value, Text):
        raise InvalidDocument(
            "a text cannot be sent: expected a string, a reex.Text, or a mapping with the key 'document', "
            f"received {type(value).__name__}",
            reason="INVALID_DOCUMENT",
        )
    try:
        return predictions_pb2.Text(
            id=value.id, text=value.text, attributes=value.attributes, prompt=value.prompt, label=value.label
        )
    except (ValueError, TypeError) as error:
        reason = f"a text cannot be sent: {_misfit(value) or error}"
        raise InvalidDocument(reason, reason="INVALID_DOCUMENT") from None


def _misfit(value: Text) -> str:
    """The first field of another type than its own, in words; protobuf's do not name it."""
    for field, form in _FORMS.items():
        given = getattr(value, field)
        try:
            predictions_pb2.Text(**{field: given})
        except UnicodeEncodeError as error:
            return f"{field}: {error}"
        except (ValueError, TypeError):
            return f"expected {form} as {field}, received {given!r:.60}"
    return ""
