"""Requests of a bidirectional Predict, made from texts as they come.

A message takes the texts that are there when the last one has left, up to `BATCH_SIZE`: a file travels in full
batches, and a producer that waits for each answer before it gives the next text never stalls.
"""

from __future__ import annotations

import asyncio
import json
import queue
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO, TypeVar

from reex.checking import Checker
from reex.reading import Entry, OpenSource
from reex.texts import Text, TextLike, several, text_message
from reex.types import OUT_OF_DISTRIBUTION, UNLABELLED, Rejection
from reex.v1 import predictions_pb2

T = TypeVar("T")

BATCH_SIZE = 16  # larger batches are bulk work to the daemon, and wait for its interactive work
_END = object()


class PredictRequests:
    """The requests of one stream. An error of the caller's own iterable ends the sending and stays in `failure`:
    raised inside gRPC's thread it would be logged there and lost."""

    def __init__(self, project: str, neighbors: int | None, coverage: float | None = None) -> None:
        self.failure: Exception | None = None
        self._project = project
        self._neighbors = neighbors
        self._coverage = coverage

    def _message(self, texts: Iterable[TextLike]) -> predictions_pb2.PredictRequest:
        return predictions_pb2.PredictRequest(
            project=self._project,
            neighbors=self._neighbors,
            coverage=self._coverage,
            texts=[text_message(each) for each in texts],
        )

    def stream(self, texts: Iterable[TextLike]) -> Iterator[predictions_pb2.PredictRequest]:
        try:
            for batch in gathered(several(texts), BATCH_SIZE):
                yield self._message(batch)
        except Exception as error:
            self.failure = error

    async def astream(self, texts: AsyncIterable[TextLike]) -> AsyncIterator[predictions_pb2.PredictRequest]:
        try:
            async for batch in gathered_async(texts, BATCH_SIZE):
                yield self._message(batch)
        except Exception as error:
            self.failure = error


def gathered(items: Iterable[T], limit: int) -> Iterator[list[T]]:
    """Lists of 1 to `limit` items: all that are there, never waiting for more. `items` runs in its own thread."""
    waiting: queue.Queue[object] = queue.Queue(maxsize=2 * limit)
    abandoned = threading.Event()
    failures: list[Exception] = []

    def put(item: object) -> None:
        while not abandoned.is_set():
            try:
                waiting.put(item, timeout=0.5)
                return
            except queue.Full:
                continue

    def run() -> None:
        try:
            for item in items:
                put(item)
                if abandoned.is_set():
                    return
        except Exception as error:
            failures.append(error)
        finally:
            put(_END)

    threading.Thread(target=run, name="reex-texts", daemon=True).start()
    try:
        ended = False
        while not ended:
            batch = [waiting.get()]
            while len(batch) < limit and not waiting.empty():
                batch.append(waiting.get_nowait())
            ended = batch[-1] is _END
            if ended:
                batch.pop()
            if batch:
                yield batch  # type: ignore[misc]
    finally:
        abandoned.set()
    if failures:
        raise failures[0]


async def gathered_async(items: AsyncIterable[T], limit: int) -> AsyncIterator[list[T]]:
    """`gathered` for an event loop: `items` runs in its own task."""
    waiting: asyncio.Queue[object] = asyncio.Queue(maxsize=2 * limit)
    failures: list[Exception] = []

    async def run() -> None:
        try:
            async for item in items:
                await waiting.put(item)
        except Exception as error:
            failures.append(error)
        await waiting.put(_END)

    task = asyncio.create_task(run())
    try:
        ended = False
        while not ended:
            batch = [await waiting.get()]
            while len(batch) < limit and not waiting.empty():
                batch.append(waiting.get_nowait())
            ended = batch[-1] is _END
            if ended:
                batch.pop()
            if batch:
                yield batch  # type: ignore[misc]
    finally:
        task.cancel()
    if failures:
        raise failures[0]


async def in_thread(items: Iterator[T]) -> AsyncIterator[T]:
    """`items` made in a thread, so that reading a file or a slow producer never blocks the event loop."""
    end = object()
    while (item := await asyncio.to_thread(next, items, end)) is not end:
        yield item  # type: ignore[misc]


def file_texts(
    source: OpenSource, checker: Checker, classes: Sequence[str], reject: Callable[[Rejection], None]
) -> Iterator[Text]:
    """The texts of lines like those of an upload. A line without id gets its number as id.

    What cannot be read, or is labelled with a name that is no class, goes to `reject`.
    """
    for entry in source.entries():
        text = _text(entry, checker, classes)
        if isinstance(text, Rejection):
            reject(text)
        else:
            yield text if text.id else replace(text, id=str(entry.line))


def _text(entry: Entry, checker: Checker, classes: Sequence[str]) -> Text | Rejection:
    document = checker.check(entry)
    if isinstance(document, Rejection):
        return document
    label = document.label
    if document.WhichOneof("label_form") == "label_name":
        if document.label_name not in classes:
            return Rejection(entry.line, "label", f"no class is named {document.label_name!r}", document.id)
        label = classes.index(document.label_name)
    elif not (label < len(classes) and (label >= 0 or label in (UNLABELLED, OUT_OF_DISTRIBUTION))):
        return Rejection(entry.line, "label", f"no class has the label {label}", document.id)
    attributes = tuple(document.attributes)
    return Text(document.text, id=document.id, label=label, attributes=attributes, prompt=document.prompt)


def text_lines(
    file: BinaryIO, checker: Checker, classes: Sequence[str], reject: Callable[[Rejection], None]
) -> Iterator[Text]:
    """The texts of a file: one a line, or JSON Lines when the first line that holds something is a JSON object.

    A plain line gets its number as id. A line that cannot be read, or sent as it is, goes to `reject`.
    """
    objects: bool | None = None
    for number, raw in enumerate(iter(file.readline, b""), start=1):
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError:
            reject(Rejection(number, "", "not UTF-8"))
            continue
        if not line:
            continue
        if objects is None:
            objects = _object(line) is not None
        value = _object(line) if objects else {"document": line, "id": str(number)}
        if value is None:
            reject(Rejection(number, "document", "expected a JSON object with the text under this key"))
            continue
        text = _text(Entry(number, value), checker, classes)
        if isinstance(text, Rejection):
            reject(text)
        else:
            yield text


def _object(line: str) -> dict | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
