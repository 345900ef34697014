"""Upload: checks the meaning of lines and commits the good ones, chunk by chunk.

Acknowledged means committed and synced. A bad line is reported and never costs a good one.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import dataclass, field, replace

from reexd.config import Settings
from reexd.errors import InvalidDocument, InvalidInput, InvalidName
from reexd.records import OUT_OF_DISTRIBUTION, UNLABELLED, Document, Outcome, Project, Rejection
from reexd.steps.projects import check_name
from reexd.store import attributes, documents
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Environment, Txn

ID_SIZE_MAX_BYTES = 256
FLOAT32_MAX = 3.4028234e38


@dataclass(frozen=True)
class Line:
    """One document as it was sent. `label_name` stands for `label` when it is not None."""

    line: int
    id: str
    text: str
    label: int
    label_name: str | None
    split: str
    prompt: str
    info: str
    group: str
    attributes: tuple[float, ...]
    extra_json: str


@dataclass
class ChunkOutcome:
    added: int = 0
    replaced: int = 0
    moved: int = 0  # of those replaced, out of another split
    unchanged: int = 0
    repeated_ids: int = 0
    kept_labels: int = 0  # set by a person since, where another one was sent
    rejections: list[Rejection] = field(default_factory=list)


class _Rejected(Exception):
    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason


class _Rehearsed(Exception):
    def __init__(self, found: documents.Upserted) -> None:
        super().__init__("rolled back on purpose")
        self.found = found


class Upload:
    def __init__(self, catalogue: Catalogue, limits: Settings) -> None:
        self._catalogue = catalogue
        self._limits = limits

    def open(
        self, project: str, split: str, validate_only: bool, *, overwrite_labels: bool = False
    ) -> UploadSession:
        """A session for one stream. Raises ProjectNotFound, InvalidName."""
        record = self._catalogue.get(project)
        if split:
            check_name("split name", split)
        environment = self._catalogue.open(project)
        with environment.read() as txn:
            record = replace(record, attribute_count=attributes.count(txn))
        return UploadSession(environment, record, split, validate_only, overwrite_labels, self._limits)


class UploadSession:
    """One stream of chunks into one project; remembers the ids it has seen, to count repeats."""

    def __init__(
        self,
        environment: Environment,
        project: Project,
        split: str,
        validate_only: bool,
        overwrite_labels: bool,
        limits: Settings,
    ) -> None:
        self._environment = environment
        self._project = project
        self._class_numbers = {name: number for number, name in enumerate(project.classes)}
        self._split = split
        self._validate_only = validate_only
        self._overwrite_labels = overwrite_labels
        self._limits = limits
        self._attribute_count = project.attribute_count
        self._seen: set[bytes] = set()

    def store(self, lines: list[Line]) -> ChunkOutcome:
        """Check each line, then commit the good ones together; returns once they are on disk.

        Raises InvalidInput for a chunk of too many lines, StorageFull, ProjectNotFound when it was deleted meanwhile.
        """
        if len(lines) > self._limits.chunk_documents_max:
            raise InvalidInput(
                f"a chunk holds at most {self._limits.chunk_documents_max:,} documents; received {len(lines):,}"
            )
        try:
            return self._store(lines)
        except InvalidDocument:
            # Another stream fixed the count of attributes since this one began; once fixed it never changes.
            with self._environment.read() as txn:
                self._attribute_count = attributes.count(txn)
            return self._store(lines)

    def _store(self, lines: list[Line]) -> ChunkOutcome:
        outcome = ChunkOutcome()
        accepted: list[Document] = []
        now = time.time()
        for line in lines:
            try:
                accepted.append(self._document(line, now))
            except _Rejected as rejected:
                outcome.rejections.append(
                    Rejection(line.line, rejected.field, rejected.reason, line.id[:ID_SIZE_MAX_BYTES])
                )
        found = self._upsert(accepted)
        outcome.kept_labels = found.kept_labels
        for result in found.outcomes:
            outcome.added += result is Outcome.ADDED
            outcome.replaced += result in (Outcome.REPLACED, Outcome.MOVED)
            outcome.moved += result is Outcome.MOVED
            outcome.unchanged += result is Outcome.UNCHANGED
        for document in accepted:
            # A short digest bounds the memory of a stream of millions of long ids.
            mark = hashlib.blake2b(document.id.encode(), digest_size=12).digest()
            outcome.repeated_ids += mark in self._seen
            self._seen.add(mark)
        return outcome

    def _upsert(self, accepted: list[Document]) -> documents.Upserted:
        """What the store did with each, or under `validate_only` would have done."""
        if not accepted:
            return documents.Upserted([], 0)

        def work(txn: Txn) -> documents.Upserted:
            found = documents.upsert(txn, accepted, overwrite_labels=self._overwrite_labels)
            if self._validate_only:
                raise _Rehearsed(found)  # what a closure raises undoes the closure
            return found

        try:
            return self._environment.write(work)
        except _Rehearsed as rehearsed:
            return rehearsed.found

    def _document(self, line: Line, now: float) -> Document:
        limits = self._limits
        _check_size("document", line.text, 1, limits.document_size_max_bytes)
        _check_size("id", line.id, 0, ID_SIZE_MAX_BYTES)
        for name in ("prompt", "info", "group"):
            _check_size(name, getattr(line, name), 0, limits.field_size_max_bytes)
        if not line.text.strip():
            raise _Rejected("document", "expected text; received only white space")
        split = line.split or self._split
        try:
            check_name("split name", split)
        except InvalidName as error:
            raise _Rejected("split", error.message) from error
        self._check_extra(line.extra_json)
        return Document(
            id=line.id or hashlib.sha256(line.text.encode()).hexdigest()[:32],
            text=line.text,
            label=self._label(line),
            split=split,
            prompt=line.prompt,
            info=line.info,
            group=line.group,
            attributes=self._attributes(line.attributes),
            extra_json=line.extra_json,
            updated_at=now,
        )

    def _label(self, line: Line) -> int:
        count = len(self._project.classes)
        if line.label_name is not None:
            if line.label_name not in self._class_numbers:
                known = ", ".join(self._project.classes[:10]) + (", ..." if count > 10 else "")
                raise _Rejected("label", f"expected one of the classes {known}; received {line.label_name!r}")
            return self._class_numbers[line.label_name]
        if not 0 <= line.label < count and line.label not in (UNLABELLED, OUT_OF_DISTRIBUTION):
            raise _Rejected(
                "label",
                f"expected 0 to {count - 1}, {UNLABELLED} (no label) or {OUT_OF_DISTRIBUTION} (belongs to no class);"
                f" received {line.label}",
            )
        return line.label

    def _attributes(self, values: tuple[float, ...]) -> tuple[float, ...]:
        if len(values) > self._limits.attributes_max:
            raise _Rejected(
                "attributes", f"expected at most {self._limits.attributes_max:,}; received {len(values):,}"
            )
        if any(not math.isfinite(value) or abs(value) > FLOAT32_MAX for value in values):
            raise _Rejected("attributes", "expected finite numbers that fit 32-bit floats")
        if not values:
            return values
        if self._attribute_count < 0:
            self._attribute_count = len(values)
        elif len(values) != self._attribute_count:
            raise _Rejected(
                "attributes",
                f"expected {self._attribute_count}, as the project's other documents have, or none; "
                f"received {len(values)}",
            )
        return values

    def _check_extra(self, extra_json: str) -> None:
        _check_size("extra_json", extra_json, 0, self._limits.document_size_max_bytes)
        if not extra_json:
            return
        try:
            extra = json.loads(extra_json)
        except (ValueError, RecursionError):
            extra = None
        if not isinstance(extra, dict):
            raise _Rejected("extra_json", "expected a JSON object")


def _check_size(field: str, text: str, least: int, most: int) -> None:
    size = len(text.encode())
    if not least <= size <= most:
        raise _Rejected(field, f"expected {least} to {most:,} bytes; received {size:,}")
