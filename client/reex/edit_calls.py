"""Edits of stored documents and splits over the wire: what both clients ask.

`EditCalls` and `AsyncEditCalls` are the parts of `Client` and `AsyncClient` that edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reex import convert, types
from reex.calls import Call, build, one_or_more
from reex.v1 import documents_pb2, documents_pb2_grpc


def edit_documents(
    project: str,
    ids: str | Sequence[str],
    split: str | None,
    label: int | None,
    where: str,
    changes: dict[str, Any],
    validate_only: bool,
) -> Call[types.DocumentEdit]:
    given = {name: value for name, value in changes.items() if value is not None}
    fields = {
        "label_name" if name == "label" and isinstance(value, str) else name: value
        for name, value in given.items()
    }
    request = build(
        documents_pb2.EditDocumentsRequest,
        project=project,
        ids=one_or_more(ids),
        split=split or "",
        label=label,
        where=where,
        changes=build(documents_pb2.Document, **fields),
        validate_only=validate_only,
    )
    request.update_mask.paths.extend(given)
    return Call(documents_pb2_grpc.DocumentServiceStub, "EditDocuments", convert.document_edit, request)


def delete_documents(
    project: str, ids: str | Sequence[str], split: str | None, where: str, validate_only: bool
) -> Call[types.DocumentDeletion]:
    request = build(
        documents_pb2.DeleteDocumentsRequest,
        project=project,
        ids=one_or_more(ids),
        split=split or "",
        where=where,
        validate_only=validate_only,
    )
    stub = documents_pb2_grpc.DocumentServiceStub
    return Call(stub, "DeleteDocuments", convert.document_deletion, request)


def rename_split(project: str, split: str, new_name: str) -> Call[None]:
    request = build(documents_pb2.RenameSplitRequest, project=project, split=split, new_name=new_name)
    return Call(documents_pb2_grpc.DocumentServiceStub, "RenameSplit", lambda _: None, request)


class EditCalls:
    """The part of `Client` that edits documents and splits."""

    _call: Any

    def edit_documents(
        self,
        project: str,
        ids: str | Sequence[str] = (),
        *,
        split: str | None = None,
        label: int | None = None,
        where: str = "",
        set_label: int | str | None = None,
        set_split: str | None = None,
        set_info: str | None = None,
        set_group: str | None = None,
        validate_only: bool = False,
        timeout: float = float("inf"),
    ) -> types.DocumentEdit:
        """Set labels, splits, info or groups of documents by id, at most 1,000, or of those of a split that have
        `label` now, and that the filter `where` holds for (docs/filters.md); `validate_only` counts them.

        `set_label`: a class, its name, -1 or -99. Uploads keep it unless told otherwise. A version that used documents
        whose label changes, or that leave train and calibration, answers on and is stale. Ids that no document has are
        in the result, and no error. Raises NotFound, InvalidLabel, InvalidName, and InvalidArgument unless
        either `ids` or a split or filter are given and something is set.
        """
        changes = {"label": set_label, "split": set_split, "info": set_info, "group": set_group}
        return self._call(edit_documents(project, ids, split, label, where, changes, validate_only), timeout)

    def delete_documents(
        self,
        project: str,
        ids: str | Sequence[str] = (),
        *,
        split: str | None = None,
        where: str = "",
        validate_only: bool = False,
        timeout: float = float("inf"),
    ) -> types.DocumentDeletion:
        """Delete documents by id, at most 1,000, or of a split those that the filter `where` holds for
        (docs/filters.md); `validate_only` counts them.

        A version that used them answers on and is stale. Ids that no document has are in the result, and no error.
        Raises NotFound, and InvalidArgument unless either `ids` or a split or filter are given.
        """
        return self._call(delete_documents(project, ids, split, where, validate_only), timeout)

    def rename_split(self, project: str, split: str, new_name: str, *, timeout: float | None = None) -> None:
        """Raises NotFound, InvalidName, Conflict where there is a split of that name, and InvalidArgument for train,
        calibration and test."""
        self._call(rename_split(project, split, new_name), timeout)


class AsyncEditCalls:
    """The part of `AsyncClient` that edits documents and splits; see `EditCalls`."""

    _call: Any

    async def edit_documents(
        self,
        project: str,
        ids: str | Sequence[str] = (),
        *,
        split: str | None = None,
        label: int | None = None,
        where: str = "",
        set_label: int | str | None = None,
        set_split: str | None = None,
        set_info: str | None = None,
        set_group: str | None = None,
        validate_only: bool = False,
        timeout: float = float("inf"),
    ) -> types.DocumentEdit:
        changes = {"label": set_label, "split": set_split, "info": set_info, "group": set_group}
        return await self._call(
            edit_documents(project, ids, split, label, where, changes, validate_only), timeout
        )

    async def delete_documents(
        self,
        project: str,
        ids: str | Sequence[str] = (),
        *,
        split: str | None = None,
        where: str = "",
        validate_only: bool = False,
        timeout: float = float("inf"),
    ) -> types.DocumentDeletion:
        return await self._call(delete_documents(project, ids, split, where, validate_only), timeout)

    async def rename_split(
        self, project: str, split: str, new_name: str, *, timeout: float | None = None
    ) -> None:
        await self._call(rename_split(project, split, new_name), timeout)
