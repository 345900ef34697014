"""The results of what looks through the stored documents, as frozen records. Knows no protos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reex.types import Prediction, Record


@dataclass(frozen=True, slots=True)
class Suspect(Record):
    """A document as the live version sees it."""

    split: str
    prediction: Prediction
    alike: int  # of the 25 nearest training documents, those with its label

    def to_dict(self) -> dict[str, Any]:
        """The prediction, and the other fields beside its own."""
        return self.prediction.to_dict() | {"split": self.split, "alike": self.alike}


@dataclass(frozen=True, slots=True)
class LabelErrors(Record):
    suspects: tuple[Suspect, ...]  # those first whose nearest training documents contradict them most
    examined: int  # labelled documents
    contradicted: int  # of them, those that are predicted as another class; shown or not


@dataclass(frozen=True, slots=True)
class Suggestions(Record):
    suggestions: tuple[Suspect, ...]  # in the order in which to label them
    unlabelled: int  # documents among which was chosen


@dataclass(frozen=True, slots=True)
class Duplicate(Record):
    id: str
    split: str
    label: int
    text: str  # its beginning, up to 1,000 characters
    similarity: float  # cosine with the group's first document


@dataclass(frozen=True, slots=True)
class DuplicateGroup(Record):
    documents: tuple[Duplicate, ...]  # the one that was uploaded first, then the others by similarity
    labels_differ: bool
    splits_differ: bool


@dataclass(frozen=True, slots=True)
class Duplicates(Record):
    groups: tuple[
        DuplicateGroup, ...
    ]  # labels that differ first, then those over several splits, then by similarity
    compared: int
    group_count: int  # shown or not
    duplicate_count: int  # documents in groups, but for the first of each
