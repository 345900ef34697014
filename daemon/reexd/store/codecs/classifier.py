"""A classifier version's record, without its arrays."""

from __future__ import annotations

import json
import struct

from reexd.errors import StoreCorrupt
from reexd.records import Classifier, Region
from reexd.store.codecs.fields import U32, Buffer, Reader, Writer

# version, space, hidden_size, attribute_count, exemplar_size, neighbors_max, mean, standard_deviation,
# created_at
_NUMBERS = struct.Struct("<IHIIIIddd")
_REGION = struct.Struct("<dd")  # alpha, q_prime_min


def encode_classifier(classifier: Classifier) -> bytes:
    writer = (
        Writer()
        .pack(
            _NUMBERS,
            classifier.version,
            classifier.space,
            classifier.hidden_size,
            classifier.attribute_count,
            classifier.exemplar_size,
            classifier.neighbors_max,
            classifier.mean,
            classifier.standard_deviation,
            classifier.created_at,
        )
        .strings(classifier.classes)
        .string(classifier.model)
        .string(classifier.fingerprint)
        .string(classifier.prompt)
        .string(classifier.training_json)
        .pack(U32, len(classifier.regions))
    )
    for region in classifier.regions:
        writer.pack(_REGION, region.alpha, region.q_prime_min).numbers(region.thresholds, "<f8")
    return writer.string(classifier.pooling).string(classifier.document_prefix).finish()


def _check_json(text: str) -> None:
    """Whoever reads the training record goes on from here, and knows nothing of stores. A member has none."""
    try:
        json.loads(text or "{}")
    except ValueError as error:
        raise StoreCorrupt(
            f"classifier: the training record is no JSON ({error}); the store is damaged"
        ) from error


def decode_classifier(buffer: Buffer) -> Classifier:
    reader = Reader(buffer, "classifier")
    numbers = reader.unpack(_NUMBERS)
    version, space, hidden_size, attribute_count, exemplar_size, neighbors_max = numbers[:6]
    mean, standard_deviation, created_at = numbers[6:]
    classes = reader.strings()
    model, fingerprint, prompt, training_json = (reader.string() for _ in range(4))
    (region_count,) = reader.unpack(U32)
    regions = []
    for _ in range(region_count):
        alpha, q_prime_min = reader.unpack(_REGION)
        regions.append(Region(alpha, q_prime_min, reader.numbers("<f8")))
    pooling = "" if reader.ended else reader.string()
    document_prefix = "" if reader.ended else reader.string()
    reader.end()
    _check_json(training_json)
    return Classifier(
        version=version,
        classes=classes,
        model=model,
        fingerprint=fingerprint,
        space=space,
        prompt=prompt,
        hidden_size=hidden_size,
        attribute_count=attribute_count,
        exemplar_size=exemplar_size,
        mean=mean,
        standard_deviation=standard_deviation,
        neighbors_max=neighbors_max,
        regions=tuple(regions),
        training_json=training_json,
        created_at=created_at,
        pooling=pooling,
        document_prefix=document_prefix,
    )
