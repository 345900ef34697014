"""Texts to score: what a caller may pass, and the message made from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from reex.errors import InvalidDocument
from reex.types import UNLABELLED
from reex.v1 import predictions_pb2


@dataclass(frozen=True, slots=True)
class Text:
    """A text that need not be stored. `id` and `label` are echoed in the answer."""

    text: str
    id: str = ""
    label: int = UNLABELLED
    attributes: Sequence[float] = ()
    prompt: str = ""


# A mapping has the keys of an uploaded line: `document`, and optionally id, label (an index), attributes,
# prompt.
TextLike: TypeAlias = str | Text | Mapping[str, Any]


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
    try:
        return predictions_pb2.Text(
            id=value.id, text=value.text, attributes=value.attributes, prompt=value.prompt, label=value.label
        )
    except (ValueError, TypeError) as error:
        raise InvalidDocument(f"a text cannot be sent: {error}", reason="INVALID_DOCUMENT") from None
