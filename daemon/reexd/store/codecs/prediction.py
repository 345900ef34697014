"""A prediction's record. Neighbours are numbers and distances; ids, texts and the current label are joined on
reading, because documents change and predictions do not.

What only some versions say follows the neighbours, each part behind the byte that names it: records that were written
before a part existed read as without it.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import numpy as np

from reexd.errors import InvalidInput, StoreCorrupt
from reexd.records import Neighbor, Prediction
from reexd.store.codecs.fields import Buffer, Reader, Writer

# The place in this tuple is the stored number and the order of the index: append only.
RELIABILITIES = ("out-of-distribution", "lowest", "low", "high", "highest")

# prediction, q, role, reliability, windows, d0, d, q_prime, region_alpha, lower_region_alpha, lower_d,
# lower_q_prime
_NUMBERS = struct.Struct("<iiBBI7d")
_NEIGHBOR = np.dtype([("document", "<i8"), ("label", "<i4"), ("prediction", "<i4"), ("distance", "<f8")])
_PART = struct.Struct("<B")
_PROBABILITY, _PROBABILITY_NUMBERS = 1, struct.Struct("<3dI")  # value, lower, upper, documents
_ENSEMBLE, _ENSEMBLE_NUMBERS = 2, struct.Struct("<HHd")  # size, agreed, region_alpha


def reliability_rank(word: str) -> int:
    """0 (out-of-distribution) to 4 (highest)."""
    try:
        return RELIABILITIES.index(word)
    except ValueError:
        raise InvalidInput(f"reliability must be one of {', '.join(RELIABILITIES)}, got {word!r}") from None


def encode_prediction(prediction: Prediction) -> bytes:
    neighbors = np.array(
        [(n.document, n.label, n.prediction, n.distance) for n in prediction.neighbors], _NEIGHBOR
    )
    writer = (
        Writer()
        .pack(
            _NUMBERS,
            prediction.prediction,
            prediction.q,
            prediction.role,
            reliability_rank(prediction.reliability),
            prediction.windows,
            prediction.d0,
            prediction.d,
            prediction.q_prime,
            prediction.region_alpha,
            prediction.lower_region_alpha,
            prediction.lower_d,
            prediction.lower_q_prime,
        )
        .numbers(prediction.logits, "<f8")
        .numbers(prediction.sdm, "<f8")
        .numbers(prediction.effective_sample_sizes, "<u4")
        .string(prediction.reason)
        .numbers(neighbors, _NEIGHBOR)
    )
    if prediction.probability is not None:
        writer.pack(_PART, _PROBABILITY).pack(
            _PROBABILITY_NUMBERS,
            prediction.probability,
            prediction.probability_lower,
            prediction.probability_upper,
            prediction.probability_documents,
        )
    if prediction.ensemble_size:
        writer.pack(_PART, _ENSEMBLE).pack(
            _ENSEMBLE_NUMBERS,
            prediction.ensemble_size,
            prediction.ensemble_agreed,
            prediction.ensemble_region_alpha,
        )
    return writer.finish()


def decode_prediction(
    buffer: Buffer, version: int, document: int, document_id: str, label: int, *, neighbors: bool = True
) -> Prediction:
    """The key gives `version` and `document`, the document's record its id and label. `neighbors=False` skips
    them, for readers of many predictions."""
    reader = Reader(buffer, "prediction")
    numbers = reader.unpack(_NUMBERS)
    chosen, q, role, reliability, windows = numbers[:5]
    d0, d, q_prime, region_alpha, lower_region_alpha, lower_d, lower_q_prime = numbers[5:]
    if reliability >= len(RELIABILITIES):
        raise StoreCorrupt(f"prediction: reliability {reliability} is unknown; the store is damaged")
    logits, sdm, sizes = reader.numbers("<f8"), reader.numbers("<f8"), reader.numbers("<u4")
    prediction = Prediction(
        version=version,
        document=document,
        document_id=document_id,
        label=label,
        prediction=chosen,
        logits=logits,
        sdm=sdm,
        q=q,
        d0=d0,
        d=d,
        q_prime=q_prime,
        region_alpha=region_alpha,
        lower_region_alpha=lower_region_alpha,
        lower_d=lower_d,
        lower_q_prime=lower_q_prime,
        effective_sample_sizes=sizes,
        reliability=RELIABILITIES[reliability],
        reason=reader.string(),
        role=role,
        windows=windows,
    )
    changes: dict[str, Any] = {}
    if neighbors:
        found = reader.array(_NEIGHBOR).tolist()
        changes["neighbors"] = tuple(_neighbor(*entry) for entry in found)
    else:
        reader.skip(_NEIGHBOR)
    while not reader.ended:
        changes |= _part(reader)
    return replace(prediction, **changes) if changes else prediction


def _part(reader: Reader) -> dict[str, Any]:
    """The fields of one optional part."""
    (name,) = reader.unpack(_PART)
    if name == _PROBABILITY:
        fields = "probability", "probability_lower", "probability_upper", "probability_documents"
        return dict(zip(fields, reader.unpack(_PROBABILITY_NUMBERS), strict=True))
    if name == _ENSEMBLE:
        fields = "ensemble_size", "ensemble_agreed", "ensemble_region_alpha"
        return dict(zip(fields, reader.unpack(_ENSEMBLE_NUMBERS), strict=True))
    raise StoreCorrupt(f"prediction: part {name} is unknown; the store is damaged or of a newer version")


def _neighbor(document: int, label: int, prediction: int, distance: float) -> Neighbor:
    return Neighbor(document=document, document_id="", label=label, prediction=prediction, distance=distance)
