"""Answers: what was matched and what was scored, put together as records. Owns no calls; reads no store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reexd import sdm
from reexd.engine.client import Matches
from reexd.records import UNLABELLED, Document, Neighbor, Prediction
from reexd.steps.live import Loaded


@dataclass(frozen=True)
class TextInput:
    """A text to score that need not be stored."""

    id: str
    text: str
    attributes: tuple[float, ...] = ()
    prompt: str = ""
    label: int = UNLABELLED


@dataclass(frozen=True)
class Answers:
    """Answers of one version, in the order of the question."""

    loaded: Loaded
    stale: str
    predictions: list[Prediction]
    texts: list[str]
    duplicates: list[
        bool
    ]  # unseen, and the text is that of a document that the version used, or one before it
    passed_over: int  # asked for and not answered: deleted meanwhile, or with attributes that do not fit

    @property
    def classes(self) -> tuple[str, ...]:
        return self.loaded.record.classes


class Assembly:
    """Puts what was matched and what was scored together, one record per row."""

    def __init__(
        self,
        loaded: Loaded,
        matches: Matches,
        scores: sdm.Scores,
        agreement: sdm.Agreement | None = None,
    ) -> None:
        """`agreement` of the version's ensemble, where it has one."""
        self._loaded = loaded
        self._matches = matches
        self._scores = scores
        self._agreement = agreement
        self._words = sdm.reliability(scores, loaded.calibration)
        self._probabilities = loaded.confidence.probabilities(scores.logits, scores.q, scores.d0)

    def neighbors(self, row: int) -> tuple[Neighbor, ...]:
        """Nearest first, without id and text: the store knows those. One fewer where a document of a support that is
        asked for whole is not its own neighbour."""
        loaded = self._loaded
        return tuple(
            Neighbor(
                document=int(loaded.support_documents[index]),
                document_id="",
                label=int(loaded.support_labels[index]),
                prediction=int(loaded.support_predictions[index]),
                distance=float(distance),
            )
            for index, distance in zip(self._matches.indices[row], self._matches.distances[row], strict=True)
            if index >= 0
        )

    def prediction(
        self,
        row: int,
        source: Document | TextInput,
        *,
        role: int = 0,
        windows: int = 1,
        neighbors: tuple[Neighbor, ...] | None = None,
    ) -> Prediction:
        scores = self._scores
        return Prediction(
            version=self._loaded.record.version,
            document=source.number if isinstance(source, Document) else -1,
            document_id=source.id,
            label=source.label,
            prediction=int(scores.prediction[row]),
            logits=tuple(scores.logits[row].tolist()),
            sdm=tuple(scores.sdm[row].tolist()),
            q=int(scores.q[row]),
            d0=float(scores.d0[row]),
            d=float(scores.d[row]),
            q_prime=float(scores.q_prime[row]),
            region_alpha=float(scores.region_alpha[row]),
            lower_region_alpha=float(scores.lower_region_alpha[row]),
            lower_d=float(scores.lower_d[row]),
            lower_q_prime=float(scores.lower_q_prime[row]),
            effective_sample_sizes=tuple(scores.effective_sample_sizes[row].tolist()),
            reliability=str(self._words[row]),
            reason=sdm.Reason(int(scores.reason[row])).word,
            role=role,
            windows=windows,
            neighbors=self.neighbors(row) if neighbors is None else neighbors,
            **self._probability(row),
            **self._ensemble(row),
        )

    def _ensemble(self, row: int) -> dict[str, Any]:
        found = self._agreement
        if found is None:
            return {}
        return {
            "ensemble_size": found.size,
            "ensemble_agreed": int(found.agreed[row]),
            "ensemble_region_alpha": float(found.region_alpha[row]),
        }

    def _probability(self, row: int) -> dict[str, Any]:
        found = self._probabilities
        if found is None:
            return {}
        return {
            "probability": float(found.value[row]),
            "probability_lower": float(found.lower[row]),
            "probability_upper": float(found.upper[row]),
            "probability_documents": int(found.documents[row]),
        }
