"""ExplanationService over steps.explain."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from reex.v1 import explanation_pb2, explanation_pb2_grpc

from reexd.rpc import convert
from reexd.steps.explain import Explain, Part

NEIGHBORS_DEFAULT = 5


class ExplanationService(explanation_pb2_grpc.ExplanationServiceServicer):
    def __init__(self, explain: Explain) -> None:
        self._explain = explain

    async def Explain(
        self, request: explanation_pb2.ExplainRequest, context: grpc.aio.ServicerContext
    ) -> explanation_pb2.ExplainResponse:
        label = request.label if request.HasField("label") else None
        neighbors = request.neighbors if request.HasField("neighbors") else NEIGHBORS_DEFAULT
        found = await self._explain.text(request.project, convert.text_input(request.text), label, neighbors)
        answers = found.answers
        return explanation_pb2.ExplainResponse(
            prediction=convert.prediction(
                answers.predictions[0], answers.classes, stale=answers.stale, text=answers.texts[0]
            ),
            label=found.label,
            label_name=convert.label_name(found.label, answers.classes),
            baseline=found.baseline,
            other=found.other,
            tokens=_contributions(found.tokens),
            sentences=_contributions(found.sentences),
        )


def _contributions(parts: Sequence[Part]) -> list[explanation_pb2.Contribution]:
    return [
        explanation_pb2.Contribution(start=each.start, end=each.end, contribution=each.contribution)
        for each in parts
    ]
