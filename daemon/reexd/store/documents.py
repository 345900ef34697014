"""Documents: the metadata record, the text apart from it, attributes, and what must change with them.

A document's number is its stable place and is never given again. Its revision starts at 1 and rises when what
a classifier sees changes: text, prompt or attributes. With the content go, in the same transaction, its links
to hidden states and its predictions. A label, split, info, group or unknown key can change alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import lmdb
import numpy as np

from reexd.errors import DocumentNotFound
from reexd.records import UNLABELLED, Document, Outcome
from reexd.store import attributes, keys, meta, predictions, ranges, references, splits
from reexd.store.codecs import document as codec
from reexd.store.codecs.fields import decode_u64, encode_u64, text, utf8

PAGE_CHARACTERS_MAX = 4 << 20  # beyond them a page ends with the document that brought them


class States(NamedTuple):
    """What is asked of many documents; a deleted one has revision -1, all else 0."""

    labels: np.ndarray  # (n,) int32
    revisions: np.ndarray  # (n,) int64
    splits: np.ndarray  # (n,) int32, split numbers
    updated_at: np.ndarray  # (n,) float64, Unix time


class Upserted(NamedTuple):
    outcomes: list[Outcome]
    kept_labels: int  # documents that keep a label which a person set, though they were sent with another one


class Page(NamedTuple):
    documents: list[Document]
    more: bool  # others follow the last one


def upsert(
    txn: lmdb.Transaction,
    documents: Sequence[Document],
    *,
    overwrite_labels: bool = False,
    now: float | None = None,
) -> Upserted:
    """Stores documents by id: added, replaced, moved to another split, or left as they are when nothing differs.

    Of several with one id the last stands, at the first's place, and the others change nothing: a batch that is sent
    again must not go through what they said. A label set by `relabel` or `edit` stays unless `overwrite_labels` and the
    document brings one. `number`, `revision`, `updated_at` and `labelled_by_person` of what is passed are ignored.
    Raises InvalidDocument when the count of attributes differs from the project's, InvalidInput for text that is not
    Unicode.
    """
    written_at = time.time() if now is None else now
    split_numbers = {name: splits.find_or_create(txn, name) for name in {d.split for d in documents}}
    outcomes, kept_labels = [Outcome.UNCHANGED] * len(documents), 0
    for place in {document.id: place for place, document in enumerate(documents)}.values():
        split = split_numbers[documents[place].split]
        outcomes[place], kept = _upsert(txn, documents[place], split, overwrite_labels, written_at)
        kept_labels += kept
    if any(outcome is not Outcome.UNCHANGED for outcome in outcomes):
        meta.take(txn, keys.Meta.GENERATION)
    return Upserted(outcomes, kept_labels)


def find(txn: lmdb.Transaction, document_id: str) -> int | None:
    """The number of a document, or None."""
    value = txn.get(keys.document_id(document_id))
    return None if value is None else decode_u64(value, "document id")


def get(txn: lmdb.Transaction, document_id: str) -> Document:
    """A document with its text. Raises DocumentNotFound."""
    number = find(txn, document_id)
    if number is None:
        raise DocumentNotFound(f"there is no document with the id {document_id!r}", id=document_id)
    return read(txn, number)


def read(txn: lmdb.Transaction, number: int, *, with_text: bool = True) -> Document:
    """A document by number; `with_text=False` leaves the text empty. Raises DocumentNotFound."""
    value = txn.get(keys.document(number))
    if value is None:
        raise DocumentNotFound(f"document number {number} was deleted", number=number)
    return _document(txn, number, codec.decode_document(value), splits.names(txn), with_text)


def page(
    txn: lmdb.Transaction,
    split: str | None = None,
    *,
    label: int | None = None,
    after: int = -1,
    limit: int = 100,
    with_text: bool = False,
    keep: Callable[[int], bool] | None = None,
) -> Page:
    """Up to `limit` documents in the order of their numbers, from the one after number `after`; fewer long ones.

    Costs the page, whatever the size of the project; with a label or `keep`, told their numbers, the records passed
    over too. Raises SplitNotFound.
    """
    if split is None:
        prefix, start = keys.kind(keys.Kind.DOCUMENT), keys.document(after + 1)
    else:
        split_number = splits.find(txn, split)
        prefix, start = keys.split_members(split_number), keys.split_member(split_number, after + 1)
    split_names = splits.names(txn)
    found: list[Document] = []
    characters = 0
    for key in ranges.keys(txn, prefix, start=start):
        number = keys.number_of(key)
        value = txn.get(keys.document(number))
        if label is not None and codec.decode_document_header(value).label != label:
            continue
        if keep is not None and not keep(number):
            continue
        if len(found) >= limit or characters >= PAGE_CHARACTERS_MAX:
            return Page(found, more=True)
        found.append(_document(txn, number, codec.decode_document(value), split_names, with_text))
        characters += len(found[-1].text) + len(found[-1].extra_json)
    return Page(found, more=False)


def read_many(txn: lmdb.Transaction, numbers: Sequence[int] | np.ndarray) -> list[Document]:
    """Documents with their texts, in the order asked; deleted ones are passed over."""
    split_names = splits.names(txn)
    found = ((int(number), txn.get(keys.document(int(number)))) for number in numbers)
    return [
        _document(txn, number, codec.decode_document(value), split_names, True)
        for number, value in found
        if value is not None
    ]


def text_sizes(txn: lmdb.Transaction, numbers: Sequence[int] | np.ndarray) -> np.ndarray:
    """(n,) int64 bytes of each text; 0 for a deleted document."""
    values = (txn.get(keys.document_text(int(number))) for number in numbers)
    return np.fromiter((0 if value is None else len(value) for value in values), np.int64, len(numbers))


def generation(txn: lmdb.Transaction) -> int:
    """Rises with every commit that changes a document: what was derived at the same generation still holds."""
    return meta.get(txn, keys.Meta.GENERATION)


def texts(txn: lmdb.Transaction, numbers: Sequence[int] | np.ndarray) -> list[str | None]:
    """The texts in the order asked; None for a deleted document."""
    values = (txn.get(keys.document_text(int(number))) for number in numbers)
    return [None if value is None else text(value, "document text") for value in values]


def ids(txn: lmdb.Transaction, numbers: Sequence[int] | np.ndarray) -> list[str]:
    """The ids in the order asked; empty for a deleted document."""
    values = (txn.get(keys.document(int(number))) for number in numbers)
    return ["" if value is None else codec.decode_document_id(value) for value in values]


def numbers(txn: lmdb.Transaction, split: str | None = None) -> np.ndarray:
    """(n,) int64, ascending: the documents of a split, or all. Raises SplitNotFound."""
    if split is not None:
        return splits.members(txn, split).numbers
    found = [key[-8:] for key in ranges.keys(txn, keys.kind(keys.Kind.DOCUMENT))]
    return np.frombuffer(b"".join(found), ">u8").astype(np.int64)


def states(txn: lmdb.Transaction, numbers: np.ndarray) -> States:
    """Labels, revisions, splits and times of many documents, from the fixed front of their records."""
    found, updated_at = np.zeros((len(numbers), 3), np.int64), np.zeros(len(numbers))
    for position, number in enumerate(numbers):
        value = txn.get(keys.document(int(number)))
        if value is None:
            found[position, 1] = -1
        else:
            header = codec.decode_document_header(value)
            found[position] = header.label, header.revision, header.split
            updated_at[position] = header.updated_at
    return States(found[:, 0].astype(np.int32), found[:, 1].copy(), found[:, 2].astype(np.int32), updated_at)


def labels(txn: lmdb.Transaction, numbers: np.ndarray) -> np.ndarray:
    """(n,) int32 labels; 0 for a deleted document (see `states`)."""
    return states(txn, numbers).labels


def relabel(
    txn: lmdb.Transaction, number: int, label: int, *, by_person: bool = True, now: float | None = None
) -> None:
    """Sets a label by a person's hand; uploads keep it unless told otherwise. Raises DocumentNotFound.

    `by_person=False` gives back a label that was not.
    """
    value = txn.get(keys.document(number))
    if value is None:
        raise DocumentNotFound(f"document number {number} was deleted", number=number)
    old = codec.decode_document(value)
    at = time.time() if now is None else now
    new = replace(old, label=label, labelled_by_person=by_person, updated_at=at)
    _put_record(txn, number, old, new)
    meta.take(txn, keys.Meta.GENERATION)


def edit(txn: lmdb.Transaction, number: int, changes: Mapping[str, Any], now: float | None = None) -> bool:
    """Sets some of label (by a person's hand, see `relabel`), split (by its name), info and group; whether that changed
    anything. Raises DocumentNotFound.
    """
    value = txn.get(keys.document(number))
    if value is None:
        raise DocumentNotFound(f"document number {number} was deleted", number=number)
    old = codec.decode_document(value)
    wanted = dict(changes)
    if "split" in wanted:
        wanted["split"] = splits.find_or_create(txn, wanted["split"])
    changed = replace(old, **wanted)
    new = replace(changed, labelled_by_person=old.labelled_by_person or "label" in wanted)
    if new != old:
        _put_record(txn, number, old, replace(new, updated_at=time.time() if now is None else now))
        meta.take(txn, keys.Meta.GENERATION)
    return changed != old


def delete(txn: lmdb.Transaction, numbers: Sequence[int] | np.ndarray) -> int:
    """Deletes documents with their texts, links and predictions; how many there were.

    A hidden state that no other document and no version needs goes with its document.
    """
    deleted = 0
    for number in map(int, numbers):
        value = txn.get(keys.document(number))
        if value is None:
            continue
        record = codec.decode_document(value)
        txn.delete(keys.document_id(record.id))
        for key in (keys.document, keys.document_text, keys.document_attributes):
            txn.delete(key(number))
        splits.displace(txn, record.split, number)
        splits.count(txn, record.split, record.label, -1)
        references.unlink(txn, number, forget=True)
        predictions.delete_document(txn, number)
        deleted += 1
    if deleted:
        meta.take(txn, keys.Meta.GENERATION)
    return deleted


def _upsert(
    txn: lmdb.Transaction, document: Document, split: int, overwrite_labels: bool, now: float
) -> tuple[Outcome, bool]:
    """What became of it, and whether it keeps a label that is not the one it brought."""
    attributes.check(txn, document)
    number = find(txn, document.id)
    if number is None:
        number = meta.take(txn, keys.Meta.NEXT_DOCUMENT)
        txn.put(keys.document_id(document.id), encode_u64(number))
        _put_content(txn, number, document)
        _put_record(txn, number, None, _record(document, split, document.label, False, 1, now))
        return Outcome.ADDED, False
    old = codec.decode_document(txn.get(keys.document(number)))
    keeps_label = old.labelled_by_person and (not overwrite_labels or document.label == UNLABELLED)
    label = old.label if keeps_label else document.label
    kept = keeps_label and document.label not in (UNLABELLED, label)
    content_changed = old.prompt != document.prompt or not _same_content(txn, number, document)
    revision = old.revision + 1 if content_changed else old.revision
    new = _record(
        document, split, label, keeps_label or (old.labelled_by_person and label == old.label), revision, now
    )
    if replace(new, updated_at=old.updated_at) == old:
        return Outcome.UNCHANGED, kept
    if content_changed:
        _put_content(txn, number, document)
        references.unlink(txn, number)
        predictions.delete_document(txn, number)
    _put_record(txn, number, old, new)
    return Outcome.REPLACED if new.split == old.split else Outcome.MOVED, kept


def _same_content(txn: lmdb.Transaction, number: int, document: Document) -> bool:
    return txn.get(keys.document_text(number)) == utf8(document.text) and attributes.same(
        txn, number, document.attributes
    )


def _put_content(txn: lmdb.Transaction, number: int, document: Document) -> None:
    txn.put(keys.document_text(number), utf8(document.text))
    attributes.put(txn, number, document.attributes)


def _put_record(
    txn: lmdb.Transaction, number: int, old: codec.DocumentRecord | None, new: codec.DocumentRecord
) -> None:
    """The record, its place in its split, and the counters, in step."""
    txn.put(keys.document(number), codec.encode_document(new))
    if old is not None:
        if old.split != new.split:
            splits.displace(txn, old.split, number)
        splits.count(txn, old.split, old.label, -1)
    splits.place(txn, new.split, number, new.label, new.revision)
    splits.count(txn, new.split, new.label, 1)


def _record(
    document: Document, split: int, label: int, by_person: bool, revision: int, now: float
) -> codec.DocumentRecord:
    return codec.DocumentRecord(
        split=split,
        label=label,
        labelled_by_person=by_person,
        revision=revision,
        updated_at=now,
        id=document.id,
        prompt=document.prompt,
        info=document.info,
        group=document.group,
        extra_json=document.extra_json,
    )


def _document(
    txn: lmdb.Transaction,
    number: int,
    record: codec.DocumentRecord,
    split_names: dict[int, str],
    with_text: bool,
) -> Document:
    return Document(
        id=record.id,
        text=text(txn.get(keys.document_text(number), b""), "document text") if with_text else "",
        label=record.label,
        split=split_names[record.split],
        prompt=record.prompt,
        info=record.info,
        group=record.group,
        attributes=attributes.get(txn, number),
        extra_json=record.extra_json,
        number=number,
        revision=record.revision,
        updated_at=record.updated_at,
        labelled_by_person=record.labelled_by_person,
    )
