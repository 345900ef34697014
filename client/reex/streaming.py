"""A bidirectional Predict: its requests, made from texts as they come, and what its answers are about.

A message takes the texts that are there when the last one has left, up to `BATCH_SIZE`: a file travels in full
batches, and a producer that waits for each answer before it gives the next text never stalls.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import queue
import threading
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import BinaryIO, TypeVar

from reex import convert
from reex.checking import Checker
from reex.errors import Cancelled, Internal, InvalidDocument
from reex.reading import Entry, OpenSource
from reex.texts import Text, TextLike, several, text_message
from reex.types import OUT_OF_DISTRIBUTION, UNLABELLED, Prediction, Rejection
from reex.v1 import predictions_pb2

T = TypeVar("T")

BATCH_SIZE = 16  # larger batches are bulk work to the daemon, and wait for its interactive work
MESSAGE_SIZE_MAX_BYTES = 64 << 10  # or one larger text: the daemon refuses messages of a few of the largest
_END = object()


class PredictStream:
    """One stream of texts and answers. The requests are made in the sender's thread, the rest runs in the caller's.

    An error of the caller's own iterable ends the sending and is raised by `finish`, after the answers before it:
    raised inside gRPC's thread it would be logged there and lost. A text that cannot be answered goes to
    `on_rejection`, in its turn; without one it ends the stream as InvalidDocument.
    """

    def __init__(
        self,
        project: str,
        neighbors: int | None,
        coverage: float | None = None,
        on_rejection: Callable[[Rejection], None] | None = None,
    ) -> None:
        self._project = project
        self._neighbors = neighbors
        self._coverage = coverage
        self._on_rejection = on_rejection
        self._failure: BaseException | None = None
        self._read = 0
        # Of each message what its answer is about: the line of a text that was sent, or why one could not be.
        self._in_flight: deque[list[int | Rejection]] = deque()
        self._unsent: list[int | Rejection] = []

    def requests(self, texts: Iterable[TextLike] | TextLike) -> Iterator[predictions_pb2.PredictRequest]:
        try:
            for batch in gathered(several(texts), BATCH_SIZE):
                yield from self._messages(batch)
        except GeneratorExit:
            raise
        except BaseException as error:
            self._failure = error

    async def requests_async(
        self, texts: AsyncIterable[TextLike]
    ) -> AsyncIterator[predictions_pb2.PredictRequest]:
        try:
            async for batch in gathered_async(texts, BATCH_SIZE):
                for message in self._messages(batch):
                    yield message
        except Exception as error:
            self._failure = error

    def _messages(self, batch: Iterable[TextLike]) -> Iterator[predictions_pb2.PredictRequest]:
        message, size = self._message(), 0
        for given in batch:
            self._read += 1
            line = getattr(given, "line", 0) or self._read
            try:
                text = text_message(given)
            except InvalidDocument as error:
                if self._on_rejection is None:
                    if message.texts:
                        yield self._sent(message)
                    raise
                self._unsent.append(Rejection(line, "", error.message))
                continue
            added = text.ByteSize()
            if message.texts and size + added > MESSAGE_SIZE_MAX_BYTES:
                yield self._sent(message)
                message, size = self._message(), 0
            message.texts.append(text)
            size += added
            self._unsent.append(line)
        if message.texts:
            yield self._sent(message)

    def _message(self) -> predictions_pb2.PredictRequest:
        return predictions_pb2.PredictRequest(
            project=self._project, neighbors=self._neighbors, coverage=self._coverage
        )

    def _sent(self, message: predictions_pb2.PredictRequest) -> predictions_pb2.PredictRequest:
        self._in_flight.append(self._unsent)
        self._unsent = []
        return message

    def answered(self, response: predictions_pb2.PredictResponse) -> Iterator[Prediction]:
        """The predictions of one message, in order. Raises InvalidDocument, and Internal for one that is missing."""
        refused = {each.index: each for each in response.rejections}
        predictions = iter(response.predictions)
        index = 0
        for place in self._in_flight.popleft() if self._in_flight else ():
            if isinstance(place, Rejection):
                self._reject(place)
            elif index in refused:
                told = refused[index]
                self._reject(Rejection(place, told.field, told.reason, told.id))
                index += 1
            else:
                prediction = next(predictions, None)
                if prediction is None:
                    raise Internal(
                        "the daemon left a text unanswered; do client and daemon match in version?"
                    )
                yield convert.prediction(prediction)
                index += 1

    def _reject(self, rejection: Rejection) -> None:
        if self._on_rejection is None:
            raise InvalidDocument(
                rejection.reason, reason="INVALID_DOCUMENT", metadata={"field": rejection.field}
            )
        self._on_rejection(rejection)

    def finish(self) -> None:
        """After the last answer: what could not be sent at the end, then the error of the caller's own iterable."""
        for place in self._unsent:
            if isinstance(place, Rejection):
                self._reject(place)
        if self._failure is not None:
            raise self._failure


def gathered(items: Iterable[T], limit: int) -> Iterator[list[T]]:
    """Lists of 1 to `limit` items: all that are there, never waiting for more. `items` runs in its own thread."""
    waiting: queue.Queue[object] = queue.Queue(maxsize=2 * limit)
    abandoned = threading.Event()
    failures: list[BaseException] = []

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
        except BaseException as error:  # else it would end this thread alone, and the texts as if complete
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
    abandoned = False

    async def run() -> None:
        try:
            async for item in items:
                await waiting.put(item)
        except asyncio.CancelledError:
            if abandoned:
                raise
            # Raised on, it would pass for the cancelling of whoever reads the answers.
            failures.append(Cancelled("the texts ended early: what gives them was cancelled"))
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
        abandoned = True
        task.cancel()
    if failures:
        raise failures[0]


async def in_thread(items: Iterator[T]) -> AsyncIterator[T]:
    """`items` made in a thread of its own, so that a file or a slow producer never blocks the event loop.

    Not one of the loop's own threads: a producer that waits would keep one from everybody else, and the program from
    its end.
    """
    loop = asyncio.get_running_loop()
    asked: queue.SimpleQueue[asyncio.Future[object] | None] = queue.SimpleQueue()

    def run() -> None:
        while (answer := asked.get()) is not None:
            item: object = _END
            failure: BaseException | None = None
            try:
                item = next(items, _END)
            except BaseException as error:
                failure = error
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_settle, answer, item, failure)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="reex-requests", daemon=True).start()
    try:
        while True:
            answer = loop.create_future()
            asked.put(answer)
            item = await answer
            if item is _END:
                return
            yield item  # type: ignore[misc]
    finally:
        asked.put(None)


def _settle(answer: asyncio.Future[object], item: object, failure: BaseException | None) -> None:
    if answer.done():  # cancelled
        return
    if failure is None:
        answer.set_result(item)
    else:
        answer.set_exception(failure)


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
    return Text(
        document.text,
        id=document.id,
        label=label,
        attributes=attributes,
        prompt=document.prompt,
        line=entry.line,
    )


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
