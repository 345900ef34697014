"""One upload: chunks out of a source, acknowledgements into one result. The same for both clients.

The daemon acknowledges each chunk in order after it reached the disk. Sending again what was acknowledged
changes nothing, so an interrupted upload is resumed by running it again.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from reex import convert
from reex.checking import Checker
from reex.dividing import Division
from reex.errors import Internal, InvalidArgument, InvalidName, NotFound, ReexError
from reex.reading import OpenSource
from reex.status import ServerInfo
from reex.types import SPLITS, Rejection, UploadProgress, UploadResult
from reex.v1 import documents_pb2

REJECTIONS_KEPT = 1000
_LINE_OVERHEAD_BYTES = 16  # of one document within a chunk: tags, lengths, and the line number

Progress = Callable[[UploadProgress], None]


@dataclass(frozen=True, slots=True)
class Target:
    """Where an upload goes. `validate_only` checks everything and stores nothing."""

    project: str
    split: str
    validate_only: bool = False
    overwrite_labels: bool = False

    def __post_init__(self) -> None:
        """Raises InvalidName for no split: the daemon would say so of each line."""
        if not self.split:
            raise InvalidName("expected the name of a split, like train, calibration or test; received ''")


@dataclass(frozen=True, slots=True)
class _Chunk:
    documents: int
    line: int  # the last one in it
    offset: int
    nameless: dict[int, bytes]  # line -> digest of the text of each document without id
    splits: dict[int, str]  # of a divided file: line -> split


class Upload:
    """State of one upload. `requests` runs in the sender's thread, the rest in the caller's."""

    def __init__(
        self,
        target: Target,
        source: OpenSource,
        checker: Checker,
        limits: ServerInfo,
        on_progress: Progress | None,
        division: Division | None = None,
    ) -> None:
        """`division` (`dividing.divide`) says the split of each line, where the target's is a rule."""
        self.failure: BaseException | None = None  # of the source; raised in gRPC's thread it would be lost
        self.progress = UploadProgress(0, 0, 0, source.total_bytes)
        self._target = target
        self._source = source
        self._checker = checker
        self._limits = limits
        self._on_progress = on_progress
        self._division = division
        self._splits: Counter[str] = Counter()
        self._in_flight: deque[_Chunk] = deque()
        self._seen: set[bytes] = set()
        self._rejecting = threading.Lock()
        self._rejections: list[Rejection] = []
        self._rejected = self._total = self._merged = 0
        self._added = self._replaced = self._unchanged = self._repeated = self._moved = self._kept = 0

    def requests(self) -> Iterator[documents_pb2.UploadDocumentsRequest]:
        """Chunks within the daemon's limits; one larger document travels alone. At least one, be it empty."""
        try:
            yield from self._chunks()
        except GeneratorExit:
            raise
        except BaseException as error:
            self.failure = error

    def _chunks(self) -> Iterator[documents_pb2.UploadDocumentsRequest]:
        request, size, offset = self._new_request(), 0, 0
        for entry in self._source.entries():
            self._total += 1
            checked = self._checker.check(entry)
            if isinstance(checked, Rejection):
                self._reject(checked)
                continue
            if self._division is not None:
                checked.split = self._split_of(entry.line)
            added = checked.ByteSize() + _LINE_OVERHEAD_BYTES
            full = len(request.lines) >= self._limits.chunk_documents_max
            if request.lines and (full or size + added > self._limits.chunk_size_max_bytes):
                yield self._sent(request, offset)
                request, size = self._new_request(), 0
            request.lines.add(line=entry.line, document=checked)
            size, offset = size + added, entry.offset
        yield self._sent(request, self._source.total_bytes or offset)

    def _split_of(self, line: int) -> str:
        try:
            return self._division[line]
        except KeyError:
            raise InvalidArgument("the file changed while it was read; upload it again") from None

    def _new_request(self) -> documents_pb2.UploadDocumentsRequest:
        split = self._target.split if self._division is None else ""
        return documents_pb2.UploadDocumentsRequest(
            project=self._target.project,
            split=split,
            validate_only=self._target.validate_only,
            overwrite_labels=self._target.overwrite_labels,
        )

    def _sent(
        self, request: documents_pb2.UploadDocumentsRequest, offset: int
    ) -> documents_pb2.UploadDocumentsRequest:
        last = request.lines[-1].line if request.lines else 0
        nameless = {each.line: _digest(each.document.text) for each in request.lines if not each.document.id}
        splits = {each.line: each.document.split for each in request.lines if each.document.split}
        self._in_flight.append(_Chunk(len(request.lines), last, offset, nameless, splits))
        return request

    def _count_merges(self, chunk: _Chunk, rejected: set[int]) -> None:
        for line, digest in chunk.nameless.items():
            if line not in rejected:
                self._merged += digest in self._seen
                self._seen.add(digest)

    def _reject(self, rejection: Rejection) -> None:
        with self._rejecting:
            self._rejected += 1
            # Twice as many as are shown: the sender runs ahead, and the daemon's come from earlier lines.
            if len(self._rejections) < 2 * REJECTIONS_KEPT:
                self._rejections.append(rejection)

    def acknowledge(self, response: documents_pb2.UploadDocumentsResponse) -> None:
        self._added += response.added
        self._replaced += response.replaced
        self._unchanged += response.unchanged
        self._repeated += response.repeated_ids
        self._moved += response.moved
        self._kept += response.kept_labels
        for rejection in response.rejections:
            self._reject(convert.rejection(rejection))
        if not self._in_flight:
            raise Internal(
                "the daemon acknowledged a chunk that was not sent; do client and daemon match in version?"
            )
        chunk = self._in_flight.popleft()
        rejected = {rejection.line for rejection in response.rejections}
        self._count_merges(chunk, rejected)
        self._splits.update(split for line, split in chunk.splits.items() if line not in rejected)
        self.progress = UploadProgress(
            documents=self.progress.documents + chunk.documents,
            line=max(chunk.line, self.progress.line),
            read_bytes=chunk.offset,
            total_bytes=self._source.total_bytes,
        )
        if self._on_progress is not None:
            self._on_progress(self.progress)

    def result(self) -> UploadResult:
        """Raises what the source raised, or Internal when the daemon left a chunk unacknowledged."""
        if self.failure is not None:
            raise self.failure
        if self._in_flight:
            raise self.interrupted(
                Internal("the daemon ended the upload before it had acknowledged all of it")
            )
        rejections = sorted(self._rejections, key=lambda each: each.line)[:REJECTIONS_KEPT]
        return UploadResult(
            added=self._added,
            replaced=self._replaced,
            unchanged=self._unchanged,
            merged=self._merged,
            repeated=max(0, self._repeated - self._merged),
            rejected=self._rejected,
            total=self._total,
            rejections=tuple(rejections),
            moved=self._moved,
            kept_labels=self._kept,
            splits={split: self._splits[split] for split in SPLITS if split in self._splits},
        )

    @contextmanager
    def told_if_interrupted(self) -> Iterator[None]:
        """What ends the call inside, with what was acknowledged before it."""
        try:
            yield
        except ReexError as error:
            raise self.interrupted(error) from None

    def interrupted(self, error: ReexError) -> ReexError:
        """`error` with what was acknowledged before it, and how to go on."""
        if not self.progress.documents or self._target.validate_only or isinstance(error, NotFound):
            return error  # nothing was stored, or it went with its project
        return type(error)(
            f"{error.message}. {resume_hint(self.progress)}", reason=error.reason, metadata=error.metadata
        )


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def resume_hint(progress: UploadProgress) -> str:
    return (
        f"{progress.documents:,} documents, up to line {progress.line:,}, are stored; "
        "run the same upload again to go on: what is stored stays as it is"
    )
