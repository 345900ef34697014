"""ClassifierService over steps.classifiers, compare, add, undo and recalibrate."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import grpc
from reex.v1 import classifiers_pb2, classifiers_pb2_grpc

from reexd.rpc import convert, pages
from reexd.rpc.evaluation import region
from reexd.steps.add import Add
from reexd.steps.classifiers import Classifiers, ClassifierStatus
from reexd.steps.compare import Compare, Compared
from reexd.steps.recalibrate import Recalibrate
from reexd.steps.undo import Undo


@dataclass(frozen=True)
class Steps:
    classifiers: Classifiers
    compare: Compare
    add: Add
    undo: Undo
    recalibrate: Recalibrate


class ClassifierService(classifiers_pb2_grpc.ClassifierServiceServicer):
    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def ListClassifiers(
        self, request: classifiers_pb2.ListClassifiersRequest, context: grpc.aio.ServicerContext
    ) -> classifiers_pb2.ListClassifiersResponse:
        size = pages.size(request.page_size)
        listing = ("classifiers", request.project)
        before = pages.number(request.page_token, *listing, default=0)
        found = await asyncio.to_thread(self._steps.classifiers.list, request.project, before, size + 1)
        token = pages.token(str(found[size - 1].record.version), *listing) if len(found) > size else ""
        return classifiers_pb2.ListClassifiersResponse(
            classifiers=[classifier_summary(each, with_training=False) for each in found[:size]],
            next_page_token=token,
        )

    async def GetClassifier(
        self, request: classifiers_pb2.GetClassifierRequest, context: grpc.aio.ServicerContext
    ) -> classifiers_pb2.GetClassifierResponse:
        status = await asyncio.to_thread(self._steps.classifiers.get, request.project, request.name)
        return classifiers_pb2.GetClassifierResponse(classifier=classifier_summary(status))

    async def CompareClassifiers(
        self, request: classifiers_pb2.CompareClassifiersRequest, context: grpc.aio.ServicerContext
    ) -> classifiers_pb2.CompareClassifiersResponse:
        found = await asyncio.to_thread(
            self._steps.compare.split, request.project, request.first, request.second, request.split
        )
        return classifiers_pb2.CompareClassifiersResponse(
            split=found.split,
            n=found.n,
            first=_compared(found.first),
            second=_compared(found.second),
            agreed=found.agreed,
            only_first_correct=found.only_first_correct,
            only_second_correct=found.only_second_correct,
            out_of_distribution_count=found.first.out_of_distribution.count,
            left_out_count=found.left_out_count,
        )

    async def UseClassifier(
        self, request: classifiers_pb2.UseClassifierRequest, context: grpc.aio.ServicerContext
    ) -> classifiers_pb2.UseClassifierResponse:
        status = await asyncio.to_thread(self._steps.classifiers.use, request.project, request.name)
        return classifiers_pb2.UseClassifierResponse(classifier=classifier_summary(status))

    async def DeleteClassifier(
        self, request: classifiers_pb2.DeleteClassifierRequest, context: grpc.aio.ServicerContext
    ) -> classifiers_pb2.DeleteClassifierResponse:
        await asyncio.to_thread(self._steps.classifiers.delete, request.project, request.name)
        return classifiers_pb2.DeleteClassifierResponse()

    async def AddToSupport(
        self, request: classifiers_pb2.AddToSupportRequest, context: grpc.aio.ServicerContext
    ) -> classifiers_pb2.AddToSupportResponse:
        form = request.WhichOneof("label_form")
        label = getattr(request, form) if form else None
        record = await asyncio.to_thread(self._steps.add.documents, request.project, list(request.ids), label)
        status = await asyncio.to_thread(self._steps.classifiers.status, request.project, record)
        return classifiers_pb2.AddToSupportResponse(classifier=classifier_summary(status))

    async def UndoAddToSupport(
        self, request: classifiers_pb2.UndoAddToSupportRequest, context: grpc.aio.ServicerContext
    ) -> classifiers_pb2.UndoAddToSupportResponse:
        undone = await asyncio.to_thread(self._steps.undo.add, request.project)
        status = await asyncio.to_thread(self._steps.classifiers.status, request.project, undone.record)
        return classifiers_pb2.UndoAddToSupportResponse(
            classifier=classifier_summary(status),
            restored_count=undone.restored_count,
            kept_ids=undone.kept_ids,
        )

    async def Recalibrate(
        self, request: classifiers_pb2.RecalibrateRequest, context: grpc.aio.ServicerContext
    ) -> classifiers_pb2.RecalibrateResponse:
        record = await asyncio.to_thread(self._steps.recalibrate.live, request.project)
        status = await asyncio.to_thread(self._steps.classifiers.status, request.project, record)
        return classifiers_pb2.RecalibrateResponse(classifier=classifier_summary(status))


def classifier_summary(
    status: ClassifierStatus, *, with_training: bool = True
) -> classifiers_pb2.ClassifierSummary:
    record = status.record
    return classifiers_pb2.ClassifierSummary(
        name=record.name,
        create_time=convert.timestamp(record.created_at),
        model=record.model,
        support_count=status.support_count,
        calibration_count=status.calibration_count,
        regions=[
            classifiers_pb2.RegionSummary(
                alpha=each.alpha, q_prime_min=each.q_prime_min, thresholds=each.thresholds
            )
            for each in record.regions
        ],
        stale=status.stale,
        unused_count=status.unused_count,
        warnings=status.warnings,
        training_json=record.training_json if with_training else "",
        live=status.live,
        origin=status.origin.made_by,
        parent=status.origin.parent,
        added_since_calibration=status.added_since_calibration,
        ensemble_size=status.ensemble_size,
        tuned=status.tuned,
        official=status.official,
        pooling=record.pooling,
        document_prefix=record.document_prefix,
        attribute_count=record.attribute_count,
    )


def _compared(record: Compared) -> classifiers_pb2.ComparedClassifier:
    marginal = record.part.accuracy.marginal
    return classifiers_pb2.ComparedClassifier(
        name=f"v{record.version}",
        correct=marginal.correct,
        accuracy=marginal.accuracy or 0.0,
        interval=convert.interval(marginal.interval),
        balanced_accuracy=record.part.balanced_accuracy,
        regions=[region(row) for row in record.part.regions],
        out_of_distribution_admitted=record.out_of_distribution.correct,
        origin=record.origin.made_by,
        parent=record.origin.parent,
    )
