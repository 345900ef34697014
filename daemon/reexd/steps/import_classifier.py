"""Import: a `.sdmkitmodel` as the next version of a project. It scores from then on like any version trained here.

Owns: whose hidden states its vectors are, and how it is stored. Rows that are documents of the project (see `links`)
are recognised in evaluations, and their vectors stored once. The others bring theirs (interchange.portable_model), and
are foreign.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace

import numpy as np

from reexd.errors import InvalidInput
from reexd.interchange import sdmkitmodel
from reexd.interchange.portable_model import (
    METADATA,
    ImportedClassifier,
    PortableModel,
    to_classifier,
)
from reexd.interchange.portable_regions import RESOLUTION
from reexd.records import Classifier, ClassifierArrays, Project, Role
from reexd.steps.calibrate import calibration_report
from reexd.steps.confidence import with_confidence
from reexd.steps.derive import LASTING, Derive, Outdated
from reexd.steps.embed import Embed
from reexd.steps.export import IMPORTED
from reexd.steps.links import Links, find_links
from reexd.steps.staging import Arriving, Room
from reexd.store import attributes, classifiers, documents, foreign, hidden_states, spaces
from reexd.store.catalogue import Catalogue
from reexd.store.environment import Txn
from reexd.store.spaces import Space


@dataclass(frozen=True)
class Source:
    """Whose hidden states a model reads. `model` is empty when no language model here gives them."""

    fingerprint: str
    hidden_size: int
    attribute_count: int
    model: str
    pooling: str
    document_prefix: str
    prompt: str


class ImportClassifier:
    def __init__(
        self, catalogue: Catalogue, embed: Embed, derive: Derive, room: Room, document_size_max_bytes: int
    ) -> None:
        self._catalogue = catalogue
        self._embed = embed
        self._derive = derive
        self._room = room
        self._document_size_max_bytes = document_size_max_bytes

    def open(self, project: str) -> Arriving:
        """Room for the files of one model; the caller closes it. Raises ProjectNotFound."""
        self._catalogue.get(project)
        return Arriving(self._room, sdmkitmodel.SUFFIX, sdmkitmodel.FILES)

    def run(self, project: str, arrived: Arriving, *, assume_model: bool) -> Classifier:
        """The new version; live where the project had none.

        Raises ModelMissing, and InvalidInput for a folder that is damaged, of other classes than the project's, or that
        says what is scored differently here.
        """
        model = sdmkitmodel.read_model(arrived.path)
        record = self._catalogue.get(project)
        _check_classes(record, model)
        self._check_texts(model)
        source = self._source(record, model, assume_model)
        imported = to_classifier(
            replace(model, representation=replace(model.representation, fingerprint=source.fingerprint)),
            version=0,  # the transaction that writes it gives both
            space=0,
            model_name=source.model,
            prompt=source.prompt,
            attribute_count=source.attribute_count,
        )
        return self._derive.run(project, lambda: self._attempt(project, model, imported, source))

    def _check_texts(self, model: PortableModel) -> None:
        """They come with answers, many at a time: as long as a document may be, and no longer. Raises InvalidInput."""
        most = self._document_size_max_bytes
        for id, text in zip(model.support_ids, model.support_texts, strict=True):
            if max(len(id.encode()), len((text or "").encode())) > most:
                raise InvalidInput(
                    f"expected support documents of at most {most:,} bytes; received {id!r:.80} with more; raise the"
                    " daemon's setting document_size_max_bytes, or export the model without texts"
                )

    def _source(self, project: Project, model: PortableModel, assume_model: bool) -> Source:
        """Raises InvalidInput when the widths cannot be, ModelMissing."""
        facts = self._embed.model(project)[1]
        named, width = model.representation.fingerprint, model.weights.projection_weight.shape[1]
        described = model.metadata.get(METADATA)
        described = described if isinstance(described, dict) else {}
        with self._catalogue.open(project.name).read() as txn:
            space, held = spaces.find(txn, named), attributes.count(txn)
        if assume_model or named == facts.fingerprint:
            fingerprint, hidden_size, name = facts.fingerprint, facts.hidden_size, project.model
        else:
            fingerprint, name = named, ""
            hidden_size = space.dimension if space else width - _count(described, width)
        attribute_count = width - hidden_size
        if attribute_count < 0 or (attribute_count and held not in (-1, attribute_count)):
            raise InvalidInput(
                f"expected a model of {hidden_size} hidden-state components"
                f" and {max(held, 0)} attributes, as the project's documents have; received one of {width} features;"
                " it was trained on other vectors"
            )
        prompt = described.get("prompt")
        own = named == facts.fingerprint and isinstance(prompt, str)
        read = self._embed.with_defaults(project)
        return Source(
            fingerprint,
            hidden_size,
            attribute_count,
            name,
            read.pooling if name else "",
            read.document_prefix if name else "",
            prompt if own else project.prompt,
        )

    def _attempt(
        self, project: str, model: PortableModel, imported: ImportedClassifier, source: Source
    ) -> Classifier:
        environment = self._catalogue.open(project)
        with environment.read() as txn:
            links = find_links(txn, spaces.find(txn, source.fingerprint), model, source.attribute_count)
        report = json.dumps(_report(model, imported, links, source))

        def work(txn: Txn) -> Classifier:
            if documents.generation(txn) != links.generation:
                raise Outdated
            space = spaces.find_or_create(txn, source.fingerprint, source.hidden_size)
            arrays = with_confidence(_arrays(imported, links, _stored(txn, space, imported, links)))
            record = replace(
                imported.record,
                version=classifiers.next_version(txn),
                space=space.number,
                pooling=source.pooling,
                document_prefix=source.document_prefix,
                training_json=report,
                created_at=time.time(),
            )
            classifiers.put(txn, record, arrays)
            if classifiers.live(txn) is None:
                classifiers.set_live(txn, record.version)
            return record

        return environment.write(work)


def _check_classes(project: Project, model: PortableModel) -> None:
    """Classes may have been appended to the project since; a version that was trained here would stay, too."""
    if model.classes != project.classes[: len(model.classes)]:
        raise InvalidInput(
            f"expected a model of the project's classes {', '.join(project.classes[:10])}, in this order; received"
            f" {', '.join(model.classes[:10])}; make a project with the model's: `reexctl project create NAME --classes"
            f" {','.join(model.classes[:10])}`",
            project=project.name,
        )


def _count(described: dict, width: int) -> int:
    """How many of the features are attributes, as far as the model says so."""
    count = described.get("attributeCount")
    return count if type(count) is int and 0 <= count < width else 0


def _told(model: PortableModel) -> tuple[dict, tuple[int, ...]]:
    """How a model that went out from here was calibrated, and its classes of the pooled F_c, as far as it says so.

    It is what warnings are worded by and a recalibration goes on with; nothing is scored by it.
    """
    described = model.metadata.get(METADATA)
    training = described.get("training") if isinstance(described, dict) else None
    if not isinstance(training, dict):
        return {}, ()
    told, named = training.get("settings"), training.get("pooled_classes")
    wanted = {"certified": bool, "pooled_classes_min": int} if isinstance(told, dict) else {}
    settings = {name: told[name] for name, kind in wanted.items() if type(told.get(name)) is kind}
    pooled = (
        [model.classes.index(name) for name in named if name in model.classes]
        if isinstance(named, list)
        else []
    )
    return settings, tuple(pooled)


def _stored(txn: Txn, space: Space, imported: ImportedClassifier, links: Links) -> np.ndarray:
    """(N,) int64: the row of each support vector; those of foreign documents are stored now."""
    rows = links.rows[: len(imported.vectors)].copy()
    own = rows < 0
    vectors = imported.vectors[own, : space.dimension]
    digests = [hidden_states.vector_digest(space.fingerprint, vector) for vector in vectors]
    rows[own] = hidden_states.append(txn, space, digests, vectors)
    return rows


def _arrays(imported: ImportedClassifier, links: Links, rows: np.ndarray) -> ClassifierArrays:
    arrays = imported.arrays
    count = len(rows)
    own = links.numbers < 0
    ids = [id if mine else "" for id, mine in zip(_ids(imported), own, strict=True)]
    texts = (*imported.support_texts, *[None] * len(imported.calibration_ids))
    texts = [text if mine else None for text, mine in zip(texts, own, strict=True)]
    foreign_text, foreign_ends = foreign.arrays(ids, texts)
    labels = np.concatenate([arrays.support_labels, arrays.calibration_labels])
    roles = np.full(len(labels), Role.CALIBRATION, np.uint8)
    roles[:count] = Role.SUPPORT
    linked = np.flatnonzero(~own)
    linked = linked[np.argsort(links.numbers[linked])]  # ascending, so that a role is found by bisection
    return replace(
        arrays,
        support_rows=rows,
        support_documents=links.numbers[:count],
        support_attributes=np.where(
            own[:count, None], arrays.support_attributes, links.attributes[:count]
        ).astype(np.float32),
        calibration_documents=links.numbers[count:],
        pool_documents=links.numbers[linked],
        pool_revisions=links.revisions[linked],
        pool_labels=labels[linked].astype(np.int32),
        pool_roles=roles[linked],
        foreign_text=foreign_text,
        foreign_ends=foreign_ends,
    )


def _ids(imported: ImportedClassifier) -> tuple[str, ...]:
    return (*imported.support_ids, *imported.calibration_ids)


def _report(model: PortableModel, imported: ImportedClassifier, links: Links, source: Source) -> dict:
    """The training record of an imported version: what is known of it."""
    total, here = len(links.numbers), int((links.numbers >= 0).sum())
    known = model.support_labels[model.support_labels >= 0]
    settings, pooled = _told(model)
    calibration = replace(model.calibration, regions=imported.record.regions, pooled_classes=pooled)
    if calibration.rows is not None:
        if settings.get("certified", False):
            calibration = replace(calibration, witnesses=calibration.rows.alone())
        report = calibration_report(calibration, model.classes)
        rows = np.bincount(calibration.rows.labels, minlength=len(model.classes)).tolist()
    else:
        report, rows = {"regions": [], "pooled_classes": [], "warnings": []}, [0] * len(model.classes)
    lasting = []
    if here < total:
        lasting.append(
            f"of the {total:,} documents that support or calibrate this model, {here:,} are in this project: an"
            " evaluation cannot leave the others out, evaluate it on documents that its maker did not have"
        )
    if not source.model:
        lasting.append(
            f"it reads vectors of {source.fingerprint!r}, which the project's language model does not give: it"
            " answers for documents that brought such vectors (a .sdmdataset), not for texts; if they are the same"
            " under another name, import it with --assume-model"
        )
    return {
        "origin": IMPORTED,
        "imported": {
            "model_id": model.model_id,
            "producer": " ".join(model.producer),
            "created_at": model.created_at,
            "representation": asdict(model.representation),
        },
        "settings": settings,
        RESOLUTION: model.alpha_resolution,
        "documents": total,
        "documents_here": here,
        "support_rows": np.bincount(known, minlength=len(model.classes)).tolist(),
        "support_rows_of_no_class": len(model.support_labels) - len(known),
        "calibration_rows": rows,
        **report,
        "warnings": report["warnings"] + lasting,
        LASTING: lasting,
        "weights_sha256": model.weights.digest(),
    }
