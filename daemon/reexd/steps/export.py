"""Export: a version as a `.sdmkitmodel`, a split as a `.sdmdataset`. Changes nothing; embeds what a split lacks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reexd import sdm
from reexd.errors import InvalidInput, SplitNotFound
from reexd.interchange import portable_model, sdmdataset, sdmkitmodel
from reexd.interchange.portable_model import PortableModel
from reexd.interchange.sdmdataset import DatasetRow, PortableDataset
from reexd.interchange.strict_json import decode, encode
from reexd.records import Classifier, ClassifierArrays, Document, Project
from reexd.steps.classifiers import version_of
from reexd.steps.embed import Embed
from reexd.steps.live import support_vectors
from reexd.steps.staging import Room, Stage
from reexd.store import classifiers, documents, hidden_states, references, spaces
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Txn
from reexd.store.foreign import Foreign
from reexd.store.spaces import Space

IMPORTED = "import"  # the origin of a version that was
EXTRA_JSON = "reexExtraJSON"  # a row's key for unknown keys that the format has no place for


class Export:
    def __init__(self, catalogue: Catalogue, embed: Embed, room: Room, producer_version: str) -> None:
        self._catalogue = catalogue
        self._embed = embed
        self._room = room
        self._producer_version = producer_version

    def classifier(self, project: str, name: str, *, with_documents: bool) -> Stage:
        """A version, or the live one; the caller closes what is returned.

        Raises InvalidName, ClassifierNotFound, NotTrained, and InvalidInput for what the format cannot express.
        """
        with self._catalogue.open(project).read() as txn:
            record = version_of(txn, project, name)
            arrays = classifiers.arrays(txn, record.version)
            vectors = support_vectors(txn, record, arrays)
            named = _Named(txn, arrays)
            support_ids = named.ids(arrays.support_documents)
            calibration_ids = named.ids(arrays.calibration_documents)
            texts = named.texts(arrays.support_documents) if with_documents else None
        weights = sdm.AdaptorWeights(
            arrays.projection_weight, arrays.projection_bias, arrays.classifier_weight, arrays.classifier_bias
        )
        normalization = sdm.Normalization(record.mean, record.standard_deviation)
        model = portable_model.from_classifier(
            record,
            arrays,
            portable_model.exemplars(weights, normalization, vectors),
            model_id=f"{project}/{record.name}/{weights.digest()[:16]}",
            producer_version=self._producer_version,
            support_ids=support_ids,
            calibration_ids=calibration_ids,
            support_texts=texts,
        )
        stage = Stage(self._room, sdmkitmodel.SUFFIX)
        stage.fill(lambda path: sdmkitmodel.write_model(path, _as_imported(model, record)))
        return stage

    def split(self, project: str, split: str, *, with_vectors: bool) -> Stage:
        """The documents of a split, in upload order, with the hidden states that the live version reads.

        Without a version those of the project's model; the caller closes what is returned. Raises SplitNotFound,
        ModelMissing, and InvalidInput for what the format cannot express.
        """
        record = self._catalogue.get(project)
        environment = self._catalogue.open(project)
        with environment.read() as txn:
            numbers = documents.numbers(txn, split)
            version = classifiers.live(txn)
            live = None if version is None else classifiers.get(txn, version)
        if not len(numbers):
            raise SplitNotFound(
                f"split {split!r} of project {project!r} holds no documents to export",
                project=project,
                split=split,
            )
        space = self._embedded(record, live, numbers) if with_vectors else None
        with environment.read() as txn:
            found = documents.read_many(txn, numbers)
            dataset = _dataset(txn, record, split, found, space)
        stage = Stage(self._room, sdmdataset.SUFFIX)
        stage.fill(lambda path: sdmdataset.write_dataset(path, dataset))
        return stage

    def _embedded(self, project: Project, live: Classifier | None, numbers: np.ndarray) -> Space:
        """Where the documents have their hidden states, after those that lacked one were read."""
        if live is None:
            self._embed.documents(project, numbers)
            return self._embed.space(project)
        self._embed.for_version(project.name, live, numbers)
        with self._catalogue.open(project.name).read() as txn:
            return spaces.get(txn, live.space)


class _Named:
    """Ids and texts of documents that a version knows, whether the project holds them or not."""

    def __init__(self, txn: Txn, arrays: ClassifierArrays) -> None:
        self._txn = txn
        self._foreign = Foreign(arrays.foreign_text, arrays.foreign_ends)

    def ids(self, numbers: np.ndarray) -> list[str]:
        """Empty for one that was deleted since."""
        own = iter(documents.ids(self._txn, numbers[numbers >= 0]))
        return [next(own) if number >= 0 else self._foreign.id(number) for number in numbers.tolist()]

    def texts(self, numbers: np.ndarray) -> list[str | None]:
        own = iter(documents.texts(self._txn, numbers[numbers >= 0]))
        return [next(own) if number >= 0 else self._foreign.text(number) for number in numbers.tolist()]


def _as_imported(model: PortableModel, record: Classifier) -> PortableModel:
    """A version that was imported keeps the representation it came with, and as it came also its name and time.

    Unless it was assumed to read the hidden states of a model here: then it says so.
    """
    report = json.loads(record.training_json or "{}")
    imported = report.get("imported")
    if imported is None:
        return model
    representation = portable_model.Representation(**imported["representation"])
    if representation.fingerprint == record.fingerprint:
        model = replace(model, representation=representation)
    if report.get("origin") == IMPORTED:
        model = replace(model, model_id=imported["model_id"], created_at=imported["created_at"])
    return model


def _dataset(
    txn: Txn, project: Project, split: str, found: Sequence[Document], space: Space | None
) -> PortableDataset:
    rows = references.rows(txn, space, np.array([each.number for each in found], np.int64)) if space else None
    there = np.flatnonzero(rows >= 0) if rows is not None else np.empty(0, np.int64)
    attributed = np.array([place for place, each in enumerate(found) if each.attributes], np.int64)
    return PortableDataset(
        rows=tuple(_row(document) for document in found),
        embeddings=hidden_states.gather(txn, space, rows[there]) if len(there) else None,
        embedding_places=there if len(there) else None,
        attributes=np.array([found[place].attributes for place in attributed], np.float32)
        if len(attributed)
        else None,
        attribute_places=attributed if len(attributed) else None,
        classes=project.classes,
        representation={"fingerprint": space.fingerprint, "provider": "reex"} if space else None,
        metadata={portable_model.METADATA: {"project": project.name, "split": split, "model": project.model}},
    )


def _row(document: Document) -> DatasetRow:
    extra = {name: getattr(document, name) for name in ("info", "group") if getattr(document, name)}
    return DatasetRow(
        document.id,
        document.label,
        document.text,
        document.prompt or None,
        extra | _unknown_keys(document.extra_json, taken=extra),
    )


def _unknown_keys(extra_json: str, taken: dict) -> dict:
    """The unknown keys of an uploaded line as keys of the row; all as one text where the format refuses one of them."""
    if not extra_json:
        return {}
    found = json.loads(extra_json)
    try:
        sdmdataset.check_extra(found, "unknown keys")
        decode(encode(found), "unknown keys")
        free = not taken.keys() & found.keys()
    except InvalidInput:
        free = False
    return found if free else {EXTRA_JSON: extra_json}
