"""Why a text is answered as it is, over the wire: what both clients ask.

`ExplanationCalls` and `AsyncExplanationCalls` are the parts of `Client` and `AsyncClient` that explain.
"""

from __future__ import annotations

from typing import Any

from reex import convert, types
from reex.calls import Call, build
from reex.texts import TextLike, text_message
from reex.v1 import explanation_pb2, explanation_pb2_grpc


def _explanation(answer: explanation_pb2.ExplainResponse) -> types.Explanation:
    text = answer.prediction.text

    def parts(given: Any) -> tuple[types.Contribution, ...]:
        return tuple(
            types.Contribution(each.start, each.end, text[each.start : each.end], each.contribution)
            for each in given
        )

    return types.Explanation(
        prediction=convert.prediction(answer.prediction),
        label=answer.label,
        label_name=answer.label_name,
        baseline=answer.baseline,
        other=answer.other,
        tokens=parts(answer.tokens),
        sentences=parts(answer.sentences),
    )


def explain(
    project: str, text: TextLike, label: int | None, neighbors: int | None
) -> Call[types.Explanation]:
    request = build(
        explanation_pb2.ExplainRequest,
        project=project,
        text=text_message(text),
        label=label,
        neighbors=neighbors,
    )
    return Call(explanation_pb2_grpc.ExplanationServiceStub, "Explain", _explanation, request)


class ExplanationCalls:
    """The part of `Client` that explains."""

    _call: Any

    def explain(
        self,
        project: str,
        text: TextLike,
        *,
        label: int | None = None,
        neighbors: int | None = None,
        timeout: float | None = None,
    ) -> types.Explanation:
        """What each token and each sentence adds to the logit of the predicted class, or of `label`.

        Raises NotTrained, and InvalidDocument for a text of more than 4,096 tokens or 32,768 characters.
        """
        return self._call(explain(project, text, label, neighbors), timeout)


class AsyncExplanationCalls:
    """The part of `AsyncClient` that explains; see `ExplanationCalls`."""

    _call: Any

    async def explain(
        self,
        project: str,
        text: TextLike,
        *,
        label: int | None = None,
        neighbors: int | None = None,
        timeout: float | None = None,
    ) -> types.Explanation:
        return await self._call(explain(project, text, label, neighbors), timeout)
