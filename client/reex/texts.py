"""Texts to score: what a caller may pass, and the streams of requests made from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from reex.errors import InvalidDocument
from reex.types import UNLABELLED
from reex.v1 import predictions_pb2

BATCH_SIZE = 32


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


class PredictRequests:
    """The requests of one bidirectional Predict, made while they are sent.

    An exception of the caller's own iterable ends the sending and is kept in `failure`: raised inside gRPC's
    thread it would be logged there and lost.
    """

    def __init__(self, project: str, neighbors: int | None, batch_size: int) -> None:
        self.failure: Exception | None = None
        self.batch_size = batch_size
        self._project = project
        self._neighbors = neighbors

    def message(self, texts: Iterable[TextLike]) -> predictions_pb2.PredictRequest:
        return predictions_pb2.PredictRequest(
            project=self._project, neighbors=self._neighbors, texts=[text_message(each) for each in texts]
        )

    def stream(self, texts: Iterable[TextLike]) -> Iterator[predictions_pb2.PredictRequest]:
        batch: list[TextLike] = []
        try:
            for text in texts:
                batch.append(text)
                if len(batch) >= self.batch_size:
                    yield self.message(batch)
                    batch = []
            if batch:
                yield self.message(batch)
        except Exception as error:
            self.failure = error


def batch_size_for(texts: object, batch_size: int | None) -> int:
    """32 for what is all there already, else 1: a producer that waits for each answer must never stall."""
    if batch_size is not None:
        return max(1, batch_size)
    return BATCH_SIZE if isinstance(texts, Sequence) else 1
