"""`.sdmkitmodel`: a trained model as a folder that the official package reads, and that it writes (sdm.md 14).

Owns: the files of the folder. `model_manifest` owns the manifest, `portable_model` the way to a classifier.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reexd.errors import InvalidInput
from reexd.interchange.folders import DEFAULT_LIMITS, MANIFEST, Folder, Limits, float_bytes, published
from reexd.interchange.model_manifest import (
    CALIBRATION_ROWS,
    SUPPORT,
    SUPPORT_ROWS,
    WEIGHTS,
    Manifest,
    manifest_json,
    parse_manifest,
)
from reexd.interchange.portable_model import PortableModel
from reexd.interchange.strict_json import Fields, check_unique, decode, encode
from reexd.records import OUT_OF_DISTRIBUTION
from reexd.sdm import AdaptorWeights, Calibration, CalibrationRows

SUFFIX = ".sdmkitmodel"
FILES = (MANIFEST, WEIGHTS, SUPPORT, SUPPORT_ROWS, CALIBRATION_ROWS)  # all that a folder may hold
_COUNT_MAX = 10_000_000  # calibration rows


def write_model(path: Path, model: PortableModel) -> Path:
    """Write `path`, which must end in .sdmkitmodel and not exist; it appears whole or not at all.

    Raises Conflict, and InvalidInput for ids that are empty or canonically equivalent, or numbers that are not finite.
    """
    check_unique(model.classes, "class names")
    check_unique(model.support_ids, "ids of the support")
    check_unique(model.calibration_ids, "ids of the calibration documents")
    with published(path, SUFFIX) as folder:
        folder.write(WEIGHTS, float_bytes(np.concatenate([each.ravel() for each in model.weights.arrays()])))
        folder.write(SUPPORT, float_bytes(model.exemplars))
        folder.write(SUPPORT_ROWS, _support_lines(model))
        if model.calibration.rows is not None:
            folder.write(CALIBRATION_ROWS, _calibration_lines(model))
        manifest = encode(manifest_json(model, dict(folder.digests)))
        parse_manifest(decode(manifest, "manifest"))  # nothing is published that would not be read back
        folder.write(MANIFEST, iter([manifest, b"\n"]))
    return path


def read_model(path: Path, limits: Limits = DEFAULT_LIMITS) -> PortableModel:
    """Read and check a folder written by the official tools or by `write_model`.

    Raises InvalidInput for links, sizes and digests that are not the manifest's, rows that miss a field or repeat
    an id, and numbers that are not finite or out of range.
    """
    with Folder(path, SUFFIX) as folder:
        manifest = parse_manifest(decode(folder.read(MANIFEST, limits.manifest_bytes_max), "manifest"))
        digests = manifest.digests or {}
        has_rows = folder.has(CALIBRATION_ROWS)
        if manifest.digests is not None and has_rows != (CALIBRATION_ROWS in digests):
            raise InvalidInput(
                f"{CALIBRATION_ROWS}: expected it to be there exactly when the manifest has its checksum;"
                f" received {'a file without one' if has_rows else 'a checksum without a file'}; export the model again"
            )
        numbers = folder.floats(WEIGHTS, manifest.weight_count, limits.matrix_bytes_max, digests.get(WEIGHTS))
        count, size = manifest.support_count, manifest.exemplar_size
        support = folder.floats(SUPPORT, count * size, limits.matrix_bytes_max, digests.get(SUPPORT))
        lines = folder.lines(SUPPORT_ROWS, limits, digests.get(SUPPORT_ROWS), count)
        ids, labels, predictions, texts = _support_rows(lines, manifest)
        calibration_ids, rows = (), None
        if has_rows:
            lines = folder.lines(CALIBRATION_ROWS, limits, digests.get(CALIBRATION_ROWS), _COUNT_MAX)
            calibration_ids, rows = _calibration_rows(lines, manifest)
    fitted = manifest.calibration
    return PortableModel(
        model_id=manifest.model_id,
        created_at=manifest.created_at,
        producer=manifest.producer,
        classes=manifest.classes,
        representation=manifest.representation,
        weights=_weights(numbers, manifest),
        normalization=manifest.normalization,
        neighbors_max=manifest.neighbors_max,
        alpha_resolution=manifest.alpha_resolution,
        exemplars=support.reshape(count, size),
        support_ids=ids,
        support_labels=labels,
        support_predictions=predictions,
        support_texts=texts,
        calibration=Calibration(
            fitted.distance_cdfs,
            fitted.q_prime_cdfs,
            fitted.regions,
            alphas=fitted.alphas,
            q_offset=fitted.q_offset,
            ood_limit=fitted.ood_limit,
            rows=rows,
        ),
        calibration_ids=calibration_ids,
        metadata=manifest.metadata,
    )


def _weights(numbers: np.ndarray, manifest: Manifest) -> AdaptorWeights:
    """W (M, D), b (M,), W' (C, M), b' (C,) in this order, row by row."""
    size, features, classes = manifest.exemplar_size, manifest.feature_count, len(manifest.classes)
    bounds = np.cumsum([size * features, size, classes * size])
    inner, inner_bias, outer, outer_bias = np.split(numbers, bounds)
    return AdaptorWeights(inner.reshape(size, features), inner_bias, outer.reshape(classes, size), outer_bias)


def _support_lines(model: PortableModel) -> Iterator[bytes]:
    labels, predictions = model.support_labels.tolist(), model.support_predictions.tolist()
    for row in zip(model.support_ids, labels, predictions, model.support_texts, strict=True):
        line = dict(zip(("id", "label", "predictedLabel", "document"), row, strict=True))
        if line["document"] is None:
            del line["document"]
        yield encode(line) + b"\n"


def _support_rows(
    lines: list[bytes], manifest: Manifest
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, tuple[str | None, ...]]:
    count, class_count = manifest.support_count, len(manifest.classes)
    if len(lines) != count:
        raise InvalidInput(
            f"{SUPPORT_ROWS}: expected {count} lines, as the manifest declares; received {len(lines)}"
        )
    ids, texts = [], []
    classes = np.empty((2, count), np.int32)
    for place, line in enumerate(lines):
        what = f"{SUPPORT_ROWS}, line {place + 1}"
        row = Fields(decode(line, what), what).only(
            ("id", "label", "predictedLabel"), ("document", "metadata")
        )
        label = row.values["label"]
        if label != OUT_OF_DISTRIBUTION or isinstance(label, bool):
            row.integer("label", 0, class_count - 1)
        classes[:, place] = label, row.integer("predictedLabel", 0, class_count - 1)
        ids.append(row.text("id"))
        texts.append(None if row.values.get("document") is None else row.text("document", absent=""))
    check_unique(ids, f"{SUPPORT_ROWS}, id")
    return tuple(ids), classes[0], classes[1], tuple(texts)


def _calibration_lines(model: PortableModel) -> Iterator[bytes]:
    rows = model.calibration.rows
    assert rows is not None
    columns = {
        "id": model.calibration_ids,
        "label": rows.labels.tolist(),
        "prediction": rows.predictions.tolist(),
        "sdm": rows.sdm.tolist(),
        "qPrime": rows.q_prime.tolist(),
        "q": rows.q.tolist(),
        "d0": rows.d0.tolist(),
        "d": rows.d.tolist(),
        "zPrime": rows.logits.tolist(),
    }
    for values in zip(*columns.values(), strict=True):
        yield encode(dict(zip(columns, values, strict=True))) + b"\n"


def _calibration_rows(
    lines: list[bytes], manifest: Manifest
) -> tuple[tuple[str, ...], CalibrationRows | None]:
    """Rows are kept when every one has all diagnostics; regions can be fitted again from those alone."""
    class_count, reach = len(manifest.classes), min(manifest.neighbors_max, manifest.support_count)
    ids, found = [], np.empty((len(lines), 6 + 2 * class_count), np.float32)
    complete = bool(lines)
    for place, line in enumerate(lines):
        what = f"{CALIBRATION_ROWS}, line {place + 1}"
        row = Fields(decode(line, what), what).only(
            ("id", "label", "prediction", "sdm", "qPrime"), ("q", "d0", "d", "zPrime")
        )
        ids.append(row.text("id"))
        found[place, 0] = row.integer("label", 0, class_count - 1)
        found[place, 1] = row.integer("prediction", 0, class_count - 1)
        found[place, 5] = row.number("qPrime")
        found[place, 6 : 6 + class_count] = row.numbers("sdm", class_count)
        if complete := complete and all(name in row.values for name in ("q", "d0", "d", "zPrime")):
            found[place, 2:5] = [row.number(name) for name in ("q", "d0", "d")]
            found[place, 6 + class_count :] = row.numbers("zPrime", class_count)
    check_unique(ids, f"{CALIBRATION_ROWS}, id")
    if not complete:
        return (), None
    label, prediction, q, d0, d, q_prime = found[:, :6].T
    rows = CalibrationRows(
        labels=label.astype(np.int64),
        predictions=prediction.astype(np.int64),
        logits=found[:, 6 + class_count :],
        q=q.astype(np.int32),
        d0=d0,
        d=d,
        sdm=found[:, 6 : 6 + class_count],
        q_prime=q_prime,
    )
    _check_calibration_rows(rows, reach)
    return tuple(ids), rows


def _check_calibration_rows(rows: CalibrationRows, reach: int) -> None:
    right = {
        "sdm that sums to 1": (rows.sdm >= 0).all(axis=1) & (np.abs(rows.sdm.sum(axis=1) - 1.0) <= 1e-5),
        f"q in 0..{reach}": (rows.q >= 0) & (rows.q <= reach),
        "qPrime in 0..q": (rows.q_prime >= 0) & (rows.q_prime <= rows.q),
        "d0 of at least 0": rows.d0 >= 0,
        "d in [0, 1]": (rows.d >= 0) & (rows.d <= 1),
        "a prediction that is the first largest of zPrime": rows.logits.argmax(axis=1) == rows.predictions,
    }
    for expected, holds in right.items():
        if not holds.all():
            raise InvalidInput(
                f"{CALIBRATION_ROWS}, line {int(np.argmin(holds)) + 1}: expected {expected}; received another;"
                " the file is damaged, export the model again"
            )
