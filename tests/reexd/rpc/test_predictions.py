"""How a split's answers travel."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from reex.v1 import predictions_pb2
from reexd.rpc import predictions


def test_answers_about_long_documents_travel_in_several_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """256 of them, each with the texts of its neighbours, would be a message of gigabytes, which none may be."""
    texts = [400_000, 400_000, 400_000, 3_000_000, 10, 10]
    answers = [predictions_pb2.Prediction(id=str(at), text="x" * size) for at, size in enumerate(texts)]
    monkeypatch.setattr(predictions, "_messages", lambda batch: batch)
    split = SimpleNamespace(split=lambda *_, **__: iter([answers, []]))
    service = predictions.PredictionService(None, split)

    async def sent() -> list[list[str]]:
        responses = service.PredictSplit(predictions_pb2.PredictSplitRequest(project="p"), None)
        return [[each.id for each in response.predictions] async for response in responses]

    assert asyncio.run(sent()) == [["0", "1"], ["2"], ["3"], ["4", "5"]]
