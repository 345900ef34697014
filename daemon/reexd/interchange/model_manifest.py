"""The manifest of a `.sdmkitmodel`: everything but the matrices and the rows (sdm.md 14).

Owns: field names, and what each may hold. Must not know files.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from reexd.errors import InvalidInput
from reexd.interchange.folders import checked_digest
from reexd.interchange.portable_model import PortableModel, Representation
from reexd.interchange.strict_json import Fields, check_unique, floats
from reexd.sdm import Calibration, Normalization, Region, ladder_alphas

WEIGHTS, SUPPORT, SUPPORT_ROWS, CALIBRATION_ROWS = (
    "weights.f32",
    "support.f32",
    "support.jsonl",
    "calibration.jsonl",
)
ELEMENTS_MAX = 2_000_000_000  # of one matrix, as in the official reader
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class Manifest:
    """What a manifest says, checked."""

    model_id: str
    created_at: float
    producer: tuple[str, str]
    classes: tuple[str, ...]
    feature_count: int  # D
    exemplar_size: int  # M
    neighbors_max: int
    alpha_resolution: float
    normalization: Normalization
    representation: Representation
    support_count: int  # N
    calibration: Calibration
    digests: dict[str, str] | None  # None: the writer left them out
    metadata: dict

    @property
    def weight_count(self) -> int:
        classes, size = len(self.classes), self.exemplar_size
        return size * self.feature_count + size + classes * size + classes


def manifest_json(model: PortableModel, digests: dict[str, str]) -> dict:
    """The manifest of a model whose other files have these digests."""
    exemplar_size, feature_count = model.weights.projection_weight.shape
    representation = model.representation
    return {
        "schemaVersion": SCHEMA_VERSION,
        "modelID": model.model_id,
        "createdAt": datetime.fromtimestamp(model.created_at, UTC).isoformat().replace("+00:00", "Z"),
        "producer": {"name": model.producer[0], "version": model.producer[1]},
        "configuration": {
            "numberOfClasses": len(model.classes),
            "classNames": list(model.classes),
            "embeddingDimension": feature_count,
            "exemplarDimension": exemplar_size,
            "maxNeighbors": model.neighbors_max,
            "qOffset": model.calibration.q_offset,
            "oodLimit": model.calibration.ood_limit,
            "alphaResolution": model.alpha_resolution,
            "distanceMetric": "squaredL2",
            "neighborTieBreak": "supportIndexAscending",
        },
        "normalization": {
            "mean": model.normalization.mean,
            "standardDeviation": model.normalization.standard_deviation,
        },
        "representation": {
            "provider": representation.provider,
            "model": representation.model or None,
            "revision": representation.revision or None,
            "inputTemplate": representation.input_template or None,
            "fingerprint": representation.fingerprint,
        },
        "weights": {"file": WEIGHTS, "elementCount": sum(array.size for array in model.weights.arrays())},
        "support": {"vectorsFile": SUPPORT, "recordsFile": SUPPORT_ROWS, "count": len(model.exemplars)},
        "distanceCDFs": [cdf.tolist() for cdf in model.calibration.distance_cdfs],
        "rescaledSimilarityCDFs": [cdf.tolist() for cdf in model.calibration.q_prime_cdfs],
        "regions": [
            {
                "alpha": region.alpha,
                "minimumRescaledSimilarity": region.q_prime_min,
                "outputThresholds": list(region.thresholds),
            }
            for region in model.calibration.regions
        ],
        "metadata": dict(model.metadata),
        "checksums": digests,
    }


def parse_manifest(value: dict) -> Manifest:
    """A decoded manifest, every field checked. Raises InvalidInput."""
    fields = Fields(value, "manifest").only(
        [
            "schemaVersion",
            "modelID",
            "createdAt",
            "producer",
            "configuration",
            "normalization",
            "representation",
            "weights",
            "support",
            "distanceCDFs",
            "rescaledSimilarityCDFs",
            "regions",
        ],
        ("checksums", "metadata"),
    )
    fields.integer("schemaVersion", SCHEMA_VERSION, SCHEMA_VERSION)
    configuration = _configuration(fields)
    support = fields.within("support").only(("vectorsFile", "recordsFile", "count"))
    _same(support, "vectorsFile", SUPPORT)
    _same(support, "recordsFile", SUPPORT_ROWS)
    producer = fields.within("producer").only(("name", "version"))
    manifest = Manifest(
        model_id=fields.text("modelID"),
        created_at=_time(fields),
        producer=(producer.text("name"), producer.text("version")),
        classes=_classes(configuration),
        feature_count=configuration.integer("embeddingDimension", 1),
        exemplar_size=configuration.integer("exemplarDimension", 1),
        neighbors_max=configuration.integer("maxNeighbors", 1),
        alpha_resolution=configuration.number("alphaResolution"),
        normalization=_normalization(fields),
        representation=_representation(fields),
        support_count=support.integer("count", 1),
        calibration=_calibration(fields, configuration, support.integer("count", 1)),
        digests=_digests(fields),
        metadata=fields.within("metadata").values if "metadata" in value else {},
    )
    _check_sizes(fields, manifest)
    return manifest


def _configuration(fields: Fields) -> Fields:
    configuration = fields.within("configuration").only(
        [
            "numberOfClasses",
            "classNames",
            "embeddingDimension",
            "exemplarDimension",
            "maxNeighbors",
            "qOffset",
            "oodLimit",
            "alphaResolution",
            "distanceMetric",
            "neighborTieBreak",
        ]
    )
    _same(configuration, "distanceMetric", "squaredL2")
    _same(configuration, "neighborTieBreak", "supportIndexAscending")
    return configuration


def _same(fields: Fields, name: str, expected: str) -> None:
    """Files are opened by the names of the format alone; a manifest that names others is refused."""
    if fields.values.get(name) != expected:
        raise InvalidInput(
            f"{fields.what}, {name}: expected {expected!r}; received {fields.values.get(name)!r};"
            " nothing else is part of this format"
        )


def _classes(configuration: Fields) -> tuple[str, ...]:
    names = configuration.items("classNames", configuration.integer("numberOfClasses", 2))
    if not all(isinstance(name, str) for name in names):
        raise InvalidInput(f"classNames: expected strings; received {names!r:.80}")
    check_unique(names, "classNames")
    return tuple(names)


def _normalization(fields: Fields) -> Normalization:
    normalization = fields.within("normalization").only(("mean", "standardDeviation"))
    deviation = normalization.number("standardDeviation")
    if not np.float32(deviation) > 0.0:
        raise InvalidInput(f"normalization, standardDeviation: expected more than 0; received {deviation}")
    return Normalization(normalization.number("mean"), deviation)


def _representation(fields: Fields) -> Representation:
    found = fields.within("representation").only(
        ("provider", "model", "revision", "inputTemplate", "fingerprint")
    )
    return Representation(
        fingerprint=found.text("fingerprint"),
        provider=found.text("provider"),
        model=found.text("model", absent=""),
        revision=found.text("revision", absent=""),
        input_template=found.text("inputTemplate", absent=""),
    )


def _time(fields: Fields) -> float:
    text = fields.text("createdAt")
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or "T" not in text:
        raise InvalidInput(f"createdAt: expected an RFC 3339 time with its offset; received {text!r}")
    return found.timestamp()


def _calibration(fields: Fields, configuration: Fields, support_count: int) -> Calibration:
    class_count = len(configuration.items("classNames"))
    resolution = configuration.number("alphaResolution")
    try:
        rungs = ladder_alphas(resolution)
    except ValueError as error:
        raise InvalidInput(f"alphaResolution: {error}; correct the file or export it again") from error
    q_offset = configuration.number("qOffset")
    if not np.float32(q_offset) > 1.0:
        raise InvalidInput(f"qOffset: expected more than 1; received {q_offset}")
    reach = min(configuration.integer("maxNeighbors", 1), support_count)
    return Calibration(
        distance_cdfs=_cdfs(fields, "distanceCDFs", class_count, np.inf),
        q_prime_cdfs=_cdfs(fields, "rescaledSimilarityCDFs", class_count, reach),
        regions=_regions(fields, class_count, rungs, reach),
        alphas=rungs,
        q_offset=q_offset,
        ood_limit=configuration.integer("oodLimit", 0),
    )


def _cdfs(fields: Fields, name: str, class_count: int, most: float) -> tuple[np.ndarray, ...]:
    found = []
    for label, values in enumerate(fields.items(name, class_count)):
        cdf = floats(values, f"{name} of class {label}")
        if (np.diff(cdf) < 0).any() or (cdf < 0).any() or (cdf > most).any():
            raise InvalidInput(
                f"{name} of class {label}: expected ascending numbers in [0, {most}]; received others;"
                " the file is damaged, export the model again"
            )
        found.append(cdf)
    return tuple(found)


def _regions(fields: Fields, class_count: int, rungs: tuple[float, ...], reach: int) -> tuple[Region, ...]:
    regions = []
    for value in fields.items("regions"):
        found = Fields(value, f"region {len(regions) + 1}").only(
            ("alpha", "minimumRescaledSimilarity", "outputThresholds")
        )
        alpha = next((rung for rung in rungs if abs(rung - found.number("alpha")) <= 1e-9), None)
        smallest = found.number("minimumRescaledSimilarity")
        thresholds = found.numbers("outputThresholds", class_count)
        right = alpha is not None and 0.0 <= np.float32(smallest) <= reach
        if not right or (thresholds < np.float32(alpha)).any() or (thresholds > 1.0).any():
            raise InvalidInput(
                f"{found.what}: expected alpha on the ladder, a minimum in 0..{reach} and thresholds in [alpha, 1];"
                f" received {value!r:.120}; the file is damaged, export the model again"
            )
        regions.append(Region(found.number("alpha"), smallest, tuple(thresholds.tolist())))
    if any(higher.alpha <= lower.alpha for higher, lower in itertools.pairwise(regions)):
        raise InvalidInput("regions: expected descending alphas, each once; received another order")
    return tuple(regions)


def _digests(fields: Fields) -> dict[str, str] | None:
    if "checksums" not in fields.values:
        return None
    found = fields.within("checksums").only((WEIGHTS, SUPPORT, SUPPORT_ROWS), (CALIBRATION_ROWS,)).values
    return {name: checked_digest(digest, name) for name, digest in found.items()}


def _check_sizes(fields: Fields, manifest: Manifest) -> None:
    weights = fields.within("weights").only(("file", "elementCount"))
    _same(weights, "file", WEIGHTS)
    weights.integer("elementCount", manifest.weight_count, manifest.weight_count)
    largest = max(manifest.weight_count, manifest.support_count * manifest.exemplar_size)
    if largest > ELEMENTS_MAX:
        raise InvalidInput(
            f"manifest: expected matrices of at most {ELEMENTS_MAX:,} numbers; received one of {largest:,};"
            " a model of this size is not read"
        )
