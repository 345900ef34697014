"""Versions of a project's classifier over the wire: what both clients ask.

`ClassifierCalls` and `AsyncClassifierCalls` are the parts of `Client` and `AsyncClient` that deal with versions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from google.protobuf.message import Message

from reex import convert, convert_figures, versions
from reex.calls import PAGE_SIZE, Call, Page, build, one_or_more
from reex.v1 import classifiers_pb2, classifiers_pb2_grpc


def _classifier(method: str, request: Message) -> Call[versions.ClassifierSummary]:
    stub = classifiers_pb2_grpc.ClassifierServiceStub
    return Call(stub, method, lambda answer: convert.classifier(answer.classifier), request)


def list_classifiers(project: str, token: str) -> Call[Page[versions.ClassifierSummary]]:
    request = build(
        classifiers_pb2.ListClassifiersRequest, project=project, page_size=PAGE_SIZE, page_token=token
    )
    return Call(
        classifiers_pb2_grpc.ClassifierServiceStub,
        "ListClassifiers",
        lambda answer: Page(tuple(map(convert.classifier, answer.classifiers)), answer.next_page_token),
        request,
    )


def get_classifier(project: str, name: str | None) -> Call[versions.ClassifierSummary]:
    request = build(classifiers_pb2.GetClassifierRequest, project=project, name=name or "")
    return _classifier("GetClassifier", request)


def compare_classifiers(project: str, first: str, second: str, split: str) -> Call[versions.Comparison]:
    request = build(
        classifiers_pb2.CompareClassifiersRequest, project=project, first=first, second=second, split=split
    )
    stub = classifiers_pb2_grpc.ClassifierServiceStub
    return Call(stub, "CompareClassifiers", convert_figures.comparison, request)


def use_classifier(project: str, name: str) -> Call[versions.ClassifierSummary]:
    return _classifier(
        "UseClassifier", build(classifiers_pb2.UseClassifierRequest, project=project, name=name)
    )


def delete_classifier(project: str, name: str) -> Call[None]:
    request = build(classifiers_pb2.DeleteClassifierRequest, project=project, name=name)
    return Call(classifiers_pb2_grpc.ClassifierServiceStub, "DeleteClassifier", lambda _: None, request)


def add_to_support(
    project: str, ids: Sequence[str], label: int | str | None
) -> Call[versions.ClassifierSummary]:
    form = {"label_name" if isinstance(label, str) else "label": label}
    request = build(classifiers_pb2.AddToSupportRequest, project=project, ids=ids, **form)
    return _classifier("AddToSupport", request)


def undo_add_to_support(project: str) -> Call[versions.Undone]:
    request = build(classifiers_pb2.UndoAddToSupportRequest, project=project)
    stub = classifiers_pb2_grpc.ClassifierServiceStub
    return Call(stub, "UndoAddToSupport", convert.undone, request)


def recalibrate(project: str) -> Call[versions.ClassifierSummary]:
    return _classifier("Recalibrate", build(classifiers_pb2.RecalibrateRequest, project=project))


class ClassifierCalls:
    """The part of `Client` that deals with versions of the classifier."""

    _call: Any
    _pages: Any

    def list_classifiers(
        self, project: str, *, timeout: float | None = None
    ) -> Iterator[versions.ClassifierSummary]:
        """Newest first, without their training records."""
        return self._pages(lambda token: list_classifiers(project, token), timeout)

    def get_classifier(
        self, project: str, name: str | None = None, *, timeout: float | None = None
    ) -> versions.ClassifierSummary:
        """A version like v3, or the live one. Raises NotFound, NotTrained."""
        return self._call(get_classifier(project, name), timeout)

    def compare_classifiers(
        self, project: str, first: str, second: str, split: str, *, timeout: float = float("inf")
    ) -> versions.Comparison:
        """On the documents of a split that neither version used. Scores what is not scored yet, like `evaluate`."""
        return self._call(compare_classifiers(project, first, second, split), timeout)

    def use_classifier(
        self, project: str, name: str, *, timeout: float | None = None
    ) -> versions.ClassifierSummary:
        """Make a version live, at once for every caller. Documents stay as they are (see `undo_add_to_support`)."""
        return self._call(use_classifier(project, name), timeout)

    def delete_classifier(self, project: str, name: str, *, timeout: float | None = None) -> None:
        """With its predictions. Raises AlreadyExists or Conflict for the live one."""
        self._call(delete_classifier(project, name), timeout)

    def add_to_support(
        self,
        project: str,
        ids: str | Sequence[str],
        *,
        label: int | str | None = None,
        timeout: float = float("inf"),
    ) -> versions.ClassifierSummary:
        """A new version with stored documents in its support, live at once; no prediction changes.

        `label`: what they are from now on (a class, its name, or -99); None keeps each one's own. Documents
        outside train and calibration move to train. Well under a second, but for texts that were never embedded.
        Raises InvalidLabel, NotFound, Conflict for one in use.
        """
        several = one_or_more(ids)
        return self._call(add_to_support(project, several, label), timeout)

    def undo_add_to_support(self, project: str, *, timeout: float | None = None) -> versions.Undone:
        """Take back the `add_to_support` that made the live version: the one before is live again, and documents that
        nobody edited since have their labels and splits again. Raises FailedPrecondition, NotTrained, NotFound.
        """
        return self._call(undo_add_to_support(project), timeout)

    def recalibrate(self, project: str, *, timeout: float = float("inf")) -> versions.ClassifierSummary:
        """A new version whose regions are fitted to the present support, live at once."""
        return self._call(recalibrate(project), timeout)


class AsyncClassifierCalls:
    """The part of `AsyncClient` that deals with versions of the classifier; see `ClassifierCalls`."""

    _call: Any
    _pages: Any

    def list_classifiers(
        self, project: str, *, timeout: float | None = None
    ) -> AsyncIterator[versions.ClassifierSummary]:
        return self._pages(lambda token: list_classifiers(project, token), timeout)

    async def get_classifier(
        self, project: str, name: str | None = None, *, timeout: float | None = None
    ) -> versions.ClassifierSummary:
        return await self._call(get_classifier(project, name), timeout)

    async def compare_classifiers(
        self, project: str, first: str, second: str, split: str, *, timeout: float = float("inf")
    ) -> versions.Comparison:
        return await self._call(compare_classifiers(project, first, second, split), timeout)

    async def use_classifier(
        self, project: str, name: str, *, timeout: float | None = None
    ) -> versions.ClassifierSummary:
        return await self._call(use_classifier(project, name), timeout)

    async def delete_classifier(self, project: str, name: str, *, timeout: float | None = None) -> None:
        await self._call(delete_classifier(project, name), timeout)

    async def add_to_support(
        self,
        project: str,
        ids: str | Sequence[str],
        *,
        label: int | str | None = None,
        timeout: float = float("inf"),
    ) -> versions.ClassifierSummary:
        several = one_or_more(ids)
        return await self._call(add_to_support(project, several, label), timeout)

    async def undo_add_to_support(self, project: str, *, timeout: float | None = None) -> versions.Undone:
        return await self._call(undo_add_to_support(project), timeout)

    async def recalibrate(self, project: str, *, timeout: float = float("inf")) -> versions.ClassifierSummary:
        return await self._call(recalibrate(project), timeout)
