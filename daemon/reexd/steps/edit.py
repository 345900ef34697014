"""Edit: labels, splits, info and groups of documents that are stored and selected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reexd.config import Settings
from reexd.errors import DocumentNotFound, InvalidDocument, InvalidInput, InvalidLabel
from reexd.records import CALIBRATION, OUT_OF_DISTRIBUTION, TRAIN, UNLABELLED
from reexd.steps import select
from reexd.steps.documents import BATCH, used_by_live
from reexd.steps.filtered import holding
from reexd.steps.projects import check_name
from reexd.steps.select import Select, Selection
from reexd.store import documents, splits
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Txn

FIELDS = ("label", "split", "info", "group")


@dataclass
class Edited:
    """What was changed, or would be."""

    classifier: str  # the live version; empty: none
    missing: tuple[str, ...]  # ids that no document has
    changed_count: int = 0
    unchanged_count: int = 0
    stale_count: int = 0  # of those changed, those for which the live version is stale


_Found = tuple[list[int], int, list[int]]  # see `_edit`


class _Rehearsed(Exception):
    def __init__(self, found: _Found) -> None:
        super().__init__("rolled back on purpose")
        self.found = found


class Edit:
    def __init__(self, catalogue: Catalogue, select: Select, limits: Settings) -> None:
        self._catalogue = catalogue
        self._select = select
        self._limits = limits

    def documents(
        self, project: str, selection: Selection, changes: Mapping[str, Any], *, validate_only: bool
    ) -> Edited:
        """Set some of FIELDS, `label` by index or class name; batch by batch, others write in between.

        Raises ProjectNotFound, SplitNotFound, InvalidInput, InvalidLabel, InvalidName, InvalidDocument, and NotTrained
        for a filter on predictions.
        """
        changes = self._checked(project, changes)
        select.check(selection)
        filter = self._select.filter(project, selection.where, selection.splits)
        environment = self._catalogue.open(project)
        with environment.read() as txn:
            missing, numbers = select.numbers(txn, selection, filter)
            classifier, used = used_by_live(txn)
        edited = Edited(classifier, missing)
        for start in range(0, len(numbers), BATCH):

            def work(txn: Txn, batch: np.ndarray = numbers[start : start + BATCH]) -> _Found:
                found = _edit(txn, holding(txn, filter, batch), selection, changes)
                if validate_only:
                    raise _Rehearsed(found)  # what a closure raises undoes the closure
                return found

            try:
                found = environment.write(work)
            except _Rehearsed as rehearsed:
                found = rehearsed.found
            changed, same, aged = found
            edited.changed_count += len(changed)
            edited.unchanged_count += same
            edited.stale_count += int(np.isin(aged, used).sum())
        return edited

    def rename_split(self, project: str, split: str, new: str) -> None:
        """Raises ProjectNotFound, SplitNotFound, InvalidName, Conflict, InvalidInput for a split every project has."""
        check_name("split name", new)
        self._catalogue.open(project).write(lambda txn: splits.rename(txn, split, new))

    def _checked(self, project: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        classes = self._catalogue.get(project).classes
        unknown = [name for name in changes if name not in FIELDS]
        if unknown or not changes:
            raise InvalidInput(
                f"the update mask names what to set, of {', '.join(FIELDS)};"
                f" received {', '.join(unknown) or 'none'}"
            )
        checked = dict(changes)
        if "label" in checked:
            checked["label"] = _label(checked["label"], classes)
        if "split" in checked:
            check_name("split name", checked["split"])
        for name in ("info", "group"):
            size, most = len(checked.get(name, "").encode()), self._limits.field_size_max_bytes
            if size > most:
                raise InvalidDocument(f"{name}: expected 0 to {most:,} bytes; received {size:,}", field=name)
        return checked


def _label(given: int | str, classes: Sequence[str]) -> int:
    """Raises InvalidLabel."""
    if isinstance(given, str) and given in classes:
        return classes.index(given)
    if isinstance(given, int) and (0 <= given < len(classes) or given in (UNLABELLED, OUT_OF_DISTRIBUTION)):
        return given
    known = ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")
    raise InvalidLabel(
        f"expected one of the classes {known}, an index from 0 to {len(classes) - 1}, {UNLABELLED} (no label) or"
        f" {OUT_OF_DISTRIBUTION} (belongs to no class); received {given!r}"
    )


def _edit(txn: Txn, numbers: np.ndarray, selection: Selection, changes: Mapping[str, Any]) -> _Found:
    """Which were changed, how many were so already, and which of them a version that used them is stale for.

    Documents deleted meanwhile are passed over, and those that have left the selection.
    """
    changed, same, aged = [], 0, []
    for number in numbers.tolist():
        try:
            before = documents.read(txn, number, with_text=False)
        except DocumentNotFound:
            continue
        if selection.split and before.split != selection.split:
            continue
        if selection.label is not None and before.label != selection.label:
            continue
        if not documents.edit(txn, number, changes):
            same += 1
            continue
        changed.append(number)
        inside = [
            split in (TRAIN, CALIBRATION) for split in (before.split, changes.get("split", before.split))
        ]
        if inside == [True, False] or changes.get("label", before.label) != before.label:
            aged.append(number)
    return changed, same, aged
