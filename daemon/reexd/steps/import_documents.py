"""Import of documents: a `.sdmdataset` into a split, with the vectors it brings.

Each row goes the way of an uploaded line, so that the same is refused for the same reason. Vectors are hidden states of
the representation that the dataset names: they are stored as such and never asked of a language model again. What was
embedded here stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from reexd.errors import InvalidInput, ModelMissing
from reexd.interchange import sdmdataset
from reexd.interchange.sdmdataset import DatasetRow, PortableDataset
from reexd.records import Project, Rejection
from reexd.steps.embed import Embed
from reexd.steps.export import EXTRA_JSON
from reexd.steps.staging import Arriving, Room
from reexd.steps.upload import Line, Upload
from reexd.store import documents, hidden_states, references, spaces
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Txn

FINGERPRINT_DEFAULT = "embedding_v1"  # what the official package calls vectors that nothing names
REJECTIONS_KEPT = 1_000
BATCH = 256


@dataclass
class Imported:
    """What became of the rows of one dataset."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    total: int = 0
    rejected: int = 0
    rejections: list[Rejection] = field(default_factory=list)  # the first ones; `line` is the row, from 1
    moved: int = 0  # of those replaced, out of another split
    kept_labels: int = 0
    vectors: int = 0  # documents whose vectors were taken over


class ImportDocuments:
    def __init__(self, catalogue: Catalogue, embed: Embed, upload: Upload, room: Room) -> None:
        self._catalogue = catalogue
        self._embed = embed
        self._upload = upload
        self._room = room

    def open(self, project: str) -> Arriving:
        """Room for the files of one dataset; the caller closes it. Raises ProjectNotFound."""
        self._catalogue.get(project)
        return Arriving(self._room, sdmdataset.SUFFIX, sdmdataset.FILES)

    def run(
        self,
        project: str,
        split: str,
        arrived: Arriving,
        *,
        validate_only: bool,
        overwrite_labels: bool = False,
    ) -> Imported:
        """Stored batch by batch; to send it again after an interruption goes on where it stopped.

        Raises InvalidName, InvalidInput for a folder that is damaged or vectors of another width than those of their
        representation, StorageFull.
        """
        dataset = sdmdataset.read_dataset(arrived.path)
        session = self._upload.open(project, split, validate_only, overwrite_labels=overwrite_labels)
        vectors = _Vectors(self._catalogue, self._embed, project, dataset)
        result = Imported(total=len(dataset.rows))
        for start, lines in _batches(dataset):
            outcome = session.store(lines)
            result.added += outcome.added
            result.replaced += outcome.replaced
            result.moved += outcome.moved
            result.kept_labels += outcome.kept_labels
            result.unchanged += outcome.unchanged
            result.rejected += len(outcome.rejections)
            result.rejections += outcome.rejections[: REJECTIONS_KEPT - len(result.rejections)]
            if not validate_only:
                refused = {each.line for each in outcome.rejections}
                places = [start + at for at, line in enumerate(lines) if line.line not in refused]
                result.vectors += vectors.store(places)
        return result


def _batches(dataset: PortableDataset) -> Iterator[tuple[int, list[Line]]]:
    attributes = _by_place(dataset.attributes, dataset.attribute_places, len(dataset.rows))
    for start in range(0, len(dataset.rows), BATCH):
        rows = dataset.rows[start : start + BATCH]
        yield (
            start,
            [
                _line(place, row, dataset.classes, attributes.get(place))
                for place, row in enumerate(rows, start)
            ],
        )


def _by_place(matrix: np.ndarray | None, places: np.ndarray | None, count: int) -> Mapping[int, np.ndarray]:
    if matrix is None:
        return {}
    return dict(zip((np.arange(count) if places is None else places).tolist(), matrix, strict=True))


def _line(place: int, row: DatasetRow, classes: Sequence[str], attributes: np.ndarray | None) -> Line:
    """A row as a line of an upload. Where the dataset names its classes, the name counts, not the index."""
    extra = dict(row.extra)
    fields = {name: extra.pop(name) for name in ("info", "group") if isinstance(extra.get(name), str)}
    whole = extra.pop(EXTRA_JSON, None)
    if extra and whole is not None:
        extra[EXTRA_JSON] = whole
    unknown = json.dumps(extra) if extra else whole if isinstance(whole, str) else ""
    return Line(
        line=place + 1,
        id=row.id,
        text=row.document or "",
        label=row.label,
        label_name=classes[row.label] if classes and row.label >= 0 else None,
        split="",
        prompt=row.prompt or "",
        info=fields.get("info", ""),
        group=fields.get("group", ""),
        attributes=() if attributes is None else tuple(attributes.tolist()),
        extra_json=unknown,
    )


class _Vectors:
    """The vectors of one dataset, on their way into the space of their representation."""

    def __init__(self, catalogue: Catalogue, embed: Embed, project: str, dataset: PortableDataset) -> None:
        self._embed = embed
        self._rows = dataset.rows
        self._matrix = dataset.embeddings
        if self._matrix is None:
            return
        places = dataset.embedding_places
        places = np.arange(len(self._rows)) if places is None else places
        self._at = dict(zip(places.tolist(), range(len(places)), strict=True))
        self._project = catalogue.get(project)
        self._environment = catalogue.open(project)
        self._fingerprint = str((dataset.representation or {}).get("fingerprint") or FINGERPRINT_DEFAULT)
        self._own = self._is_of_model(self._project)

    def _is_of_model(self, project: Project) -> bool:
        """Whether they are hidden states of the project's model, so that a text finds its own. Raises InvalidInput."""
        try:
            facts = self._embed.model(project)[1]
        except ModelMissing:
            return False  # linked to their documents all the same
        if facts.fingerprint != self._fingerprint:
            return False
        width = self._matrix.shape[1]
        if facts.hidden_size != width:
            raise InvalidInput(
                f"expected vectors of {facts.hidden_size} components, as {self._fingerprint} has; received {width};"
                " export the dataset again"
            )
        return True

    def store(self, places: Sequence[int]) -> int:
        """Give the documents of these rows their vectors, in one transaction; how many lacked one and got it."""
        if self._matrix is None:
            return 0
        chosen = [place for place in places if place in self._at]
        digests = self._digests(chosen)
        return self._environment.write(lambda txn: self._link(txn, chosen, digests)) if chosen else 0

    def _link(self, txn: Txn, places: list[int], digests: list[bytes]) -> int:
        space = spaces.find_or_create(txn, self._fingerprint, self._matrix.shape[1])
        named = [documents.find(txn, self._rows[place].id) for place in places]
        numbers = np.array([-1 if number is None else number for number in named], np.int64)
        # One that was replaced or deleted since is about another text; one that has its hidden state keeps it.
        texts = iter(documents.texts(txn, numbers[numbers >= 0]))
        same = np.array(
            [
                number >= 0 and next(texts) == self._rows[place].document
                for place, number in zip(places, numbers, strict=True)
            ]
        )
        same[same] = references.rows(txn, space, numbers[same]) < 0
        wanted = np.flatnonzero(same)
        if len(wanted):
            rows = hidden_states.append(
                txn, space, [digests[at] for at in wanted], self._vectors([places[at] for at in wanted])
            )
            references.link(txn, space, numbers[wanted], rows)
        return len(wanted)

    def _vectors(self, places: Sequence[int]) -> np.ndarray:
        return self._matrix[[self._at[place] for place in places]]

    def _digests(self, places: Sequence[int]) -> list[bytes]:
        if self._own:
            rows = [self._rows[place] for place in places]
            return self._embed.digests(
                self._project, [row.document or "" for row in rows], [row.prompt or "" for row in rows]
            )
        return [hidden_states.vector_digest(self._fingerprint, vector) for vector in self._vectors(places)]
