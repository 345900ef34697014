"""`.sdmdataset`: documents with their vectors as a folder that the official tools read and write (sdm.md 14).

Owns: the folder, its rows and its matrices. Must not know projects, or what made the vectors.
Rows that lack a vector say so by the absence of their reference; references count up from 0 through the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from reexd.errors import InvalidInput
from reexd.interchange.folders import (
    DEFAULT_LIMITS,
    MANIFEST,
    Folder,
    Limits,
    checked_digest,
    float_bytes,
    published,
)
from reexd.interchange.npy import NPY_HEADER_MAX, npy_header, npy_size
from reexd.interchange.strict_json import Fields, check_unique, decode, encode
from reexd.records import OUT_OF_DISTRIBUTION, UNLABELLED

SUFFIX = ".sdmdataset"
FORMAT, SCHEMA_VERSION = "reexpress-dataset", 1
ROWS = "rows.jsonl"
_MANIFEST_BYTES_MAX = 8 << 20  # as in the official reader
_MATRICES = {
    "embedding": ("embeddings.npy", "embeddingRow"),
    "attributes": ("attributes.npy", "attributesRow"),
}
FILES = (MANIFEST, ROWS, *(file for file, _ in _MATRICES.values()))  # all that a folder may hold
_TAKEN = frozenset(chain(_MATRICES, (reference for _, reference in _MATRICES.values())))
_OWN = ("id", "label", "document", "prompt")


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """One document. `extra` holds every other key of its line as it stood."""

    id: str
    label: int = UNLABELLED  # a class, -1 or -99
    document: str | None = None
    prompt: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class PortableDataset:
    """n rows; of a matrix, row i is the vector of `rows[places[i]]`, where places ascend."""

    rows: tuple[DatasetRow, ...]
    embeddings: np.ndarray | None = None  # (k, D) float32
    embedding_places: np.ndarray | None = None  # (k,) int64; None: all rows
    attributes: np.ndarray | None = None  # (k', A) float32
    attribute_places: np.ndarray | None = None  # (k',) int64; None: all rows
    classes: tuple[str, ...] = ()  # empty: not declared
    representation: Mapping[str, object] | None = None  # with a `fingerprint`
    metadata: Mapping[str, object] = field(default_factory=dict)


def write_dataset(path: Path, dataset: PortableDataset) -> Path:
    """Write `path`, which must end in .sdmdataset and not exist; it appears whole or not at all.

    Raises Conflict, and InvalidInput for rows, names or matrices the format has no place for.
    """
    matrices = _matrices(dataset)
    _check_classes(dataset.classes)
    _check_rows(dataset.rows, dataset.classes)
    manifest: dict[str, object] = {
        "format": FORMAT,
        "schemaVersion": SCHEMA_VERSION,
        "rowCount": len(dataset.rows),
    }
    with published(path, SUFFIX) as folder:
        folder.write(ROWS, _lines(dataset.rows, {name: places for name, (_, places) in matrices.items()}))
        manifest["rows"] = {"path": ROWS, "sha256": folder.digests[ROWS]}
        described = manifest["matrices"] = {}
        for name, (matrix, _) in matrices.items():
            file = _MATRICES[name][0]
            folder.write(file, chain([npy_header(*matrix.shape)], float_bytes(matrix)))
            shape, digest = list(matrix.shape), folder.digests[file]
            described[name] = {"path": file, "dtype": "<f4", "shape": shape, "sha256": digest}
        if dataset.classes:
            manifest["classNames"] = list(dataset.classes)
        if dataset.representation is not None:
            manifest["representation"] = _representation(dataset.representation)
        if dataset.metadata:
            manifest["metadata"] = dict(dataset.metadata)
        encoded = encode(manifest)
        if len(encoded) >= _MANIFEST_BYTES_MAX:
            raise InvalidInput(
                f"metadata: expected a manifest under {_MANIFEST_BYTES_MAX} bytes; received {len(encoded)}"
            )
        folder.write(MANIFEST, iter([encoded, b"\n"]))
    return path


def read_dataset(path: Path, limits: Limits = DEFAULT_LIMITS) -> PortableDataset:
    """Read and check a folder of the official tools or of `write_dataset`.

    Raises InvalidInput for links, sizes and digests that are not the manifest's, ids that are missing or stand
    twice, references out of order, and numbers that are not finite.
    """
    with Folder(path, SUFFIX) as folder:
        size_max = min(_MANIFEST_BYTES_MAX, limits.manifest_bytes_max)
        fields = Fields(decode(folder.read(MANIFEST, size_max), "manifest"), "manifest")
        if fields.values.get("format") != FORMAT:
            raise InvalidInput(
                f"manifest, format: expected {FORMAT!r}; received {fields.values.get('format')!r:.80}"
            )
        fields.integer("schemaVersion", SCHEMA_VERSION, SCHEMA_VERSION)
        count = fields.integer("rowCount", 1)
        classes = tuple(fields.items("classNames")) if "classNames" in fields.values else ()
        _check_classes(classes)
        described = fields.within("matrices")
        described.only((), tuple(_MATRICES))
        shapes, matrices = {}, {}
        for name in described.values:
            shapes[name], matrices[name] = _read_matrix(folder, described.within(name), name, count, limits)
        digest = _member(fields.within("rows"), ROWS)
        rows, places = _read_rows(folder.lines(ROWS, limits, digest, 2 * count), shapes)
    if len(rows) != count:
        raise InvalidInput(f"{ROWS}: expected {count} rows, as the manifest declares; received {len(rows)}")
    _check_rows(rows, classes)
    has_representation = "representation" in fields.values
    return PortableDataset(
        rows=tuple(rows),
        embeddings=matrices.get("embedding"),
        embedding_places=places.get("embedding"),
        attributes=matrices.get("attributes"),
        attribute_places=places.get("attributes"),
        classes=classes,
        representation=_representation(fields.values["representation"]) if has_representation else None,
        metadata=fields.within("metadata").values if "metadata" in fields.values else {},
    )


def _matrices(dataset: PortableDataset) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The matrices that are there, each with the places of its rows."""
    found = {}
    given = (
        ("embedding", dataset.embeddings, dataset.embedding_places),
        ("attributes", dataset.attributes, dataset.attribute_places),
    )
    for name, matrix, places in given:
        if matrix is None:
            continue
        if places is None:
            places = np.arange(len(dataset.rows))
        right = matrix.ndim == 2 and matrix.size and len(matrix) == len(places)
        if not right or (np.diff(places) <= 0).any() or places[0] < 0 or places[-1] >= len(dataset.rows):
            raise InvalidInput(
                f"{name}: expected a matrix with a row for each of the ascending places in 0..{len(dataset.rows) - 1};"
                f" received {matrix.shape} and {len(places)} places"
            )
        found[name] = matrix, places
    return found


def _lines(rows: tuple[DatasetRow, ...], places: Mapping[str, np.ndarray]) -> Iterator[bytes]:
    rank = {}
    for name, taken in places.items():
        rank[name] = np.full(len(rows), -1)
        rank[name][taken] = np.arange(len(taken))
    for place, row in enumerate(rows):
        line = {"id": row.id, "label": row.label, "document": row.document, "prompt": row.prompt, **row.extra}
        for name in ("document", "prompt"):
            if line[name] is None:
                del line[name]
        for name, ranks in rank.items():
            if ranks[place] >= 0:
                line[_MATRICES[name][1]] = int(ranks[place])
        yield encode(line) + b"\n"


def _read_rows(
    lines: list[bytes], shapes: Mapping[str, tuple[int, int]]
) -> tuple[list[DatasetRow], dict[str, np.ndarray]]:
    rows: list[DatasetRow] = []
    places: dict[str, list[int]] = {name: [] for name in shapes}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        what = f"{ROWS}, line {number}"
        values = decode(line, what)
        row = Fields(values, what)
        for name, (_, reference) in _MATRICES.items():
            if reference not in values:
                continue
            if (
                name not in shapes
                or values[reference] != len(places[name])
                or isinstance(values[reference], bool)
            ):
                raise InvalidInput(
                    f"{what}, {reference}: expected the references of a declared matrix to count up from 0;"
                    f" received {values[reference]!r:.40}; export the dataset again"
                )
            places[name].append(len(rows))
        if inline := [name for name in _MATRICES if name in values]:
            raise InvalidInput(
                f"{what}: expected vectors in the matrices alone; received {inline} in the row"
            )
        rows.append(
            DatasetRow(
                row.text("id"),
                row.integer("label", OUT_OF_DISTRIBUTION),
                _optional(row, "document"),
                _optional(row, "prompt"),
                {key: value for key, value in values.items() if key not in _OWN and key not in _TAKEN},
            )
        )
    for name, (rows_of_matrix, _) in shapes.items():
        if len(places[name]) != rows_of_matrix:
            raise InvalidInput(
                f"{name}: expected as many references as the matrix has rows, {rows_of_matrix};"
                f" received {len(places[name])}; export the dataset again"
            )
    return rows, {name: np.asarray(found, np.int64) for name, found in places.items()}


def _optional(row: Fields, name: str) -> str | None:
    return None if row.values.get(name) is None else row.text(name, absent="")


def _check_rows(rows: tuple[DatasetRow, ...] | list[DatasetRow], classes: tuple[str, ...]) -> None:
    if not rows:
        raise InvalidInput(
            "expected at least one row; received none; the format has no place for an empty dataset"
        )
    check_unique((row.id for row in rows), "ids of the rows")
    most = len(classes) - 1 if classes else (1 << 31) - 1
    for row in rows:
        if row.label not in (UNLABELLED, OUT_OF_DISTRIBUTION) and not 0 <= row.label <= most:
            raise InvalidInput(
                f"row {row.id!r}, label: expected a class in 0..{most}, {UNLABELLED} or {OUT_OF_DISTRIBUTION};"
                f" received {row.label}; correct the label"
            )
        check_extra(row.extra, f"row {row.id!r}")


def check_extra(extra: Mapping[str, object], what: str) -> None:
    """Whether the format has a place for these keys of a row. Raises InvalidInput."""
    if clash := sorted(_TAKEN.union(_OWN).intersection(extra)):
        raise InvalidInput(f"{what}: expected other names than {clash}; the format uses these itself")
    if not isinstance(extra.get("metadata", {}), dict):
        raise InvalidInput(f"{what}, metadata: expected an object; received another value; rename the key")


def _check_classes(classes: tuple[str, ...]) -> None:
    if not all(isinstance(name, str) and name.strip() == name for name in classes) or len(classes) == 1:
        raise InvalidInput(
            f"classNames: expected two or more names without blanks at their ends; received {list(classes)!r:.120}"
        )
    check_unique(classes, "classNames")


def _representation(value: object) -> dict:
    fields = Fields(dict(value) if isinstance(value, Mapping) else value, "representation")
    if not fields.text("fingerprint").strip():
        raise InvalidInput("representation, fingerprint: expected a name; received blanks")
    return fields.values


def _member(fields: Fields, file: str) -> str:
    """The digest of a described file, whose name must be the format's."""
    if fields.values.get("path") != file:
        raise InvalidInput(
            f"{fields.what}, path: expected {file!r}; received {fields.values.get('path')!r:.80};"
            " nothing else is part of this format"
        )
    return checked_digest(fields.values.get("sha256"), file)


def _read_matrix(
    folder: Folder, fields: Fields, name: str, row_count: int, limits: Limits
) -> tuple[tuple[int, int], np.ndarray]:
    file = _MATRICES[name][0]
    digest = _member(fields, file)
    shape = fields.items("shape", 2)
    right = all(type(size) is int and 0 < size < 1 << 40 for size in shape) and shape[0] <= row_count
    if not right or fields.values.get("dtype") != "<f4":
        raise InvalidInput(
            f"{fields.what}: expected dtype '<f4' and a shape of two sizes with at most {row_count} rows; received"
            f" {fields.values.get('dtype')!r} and {shape!r:.80}"
        )
    rows, columns = shape
    header = npy_size(folder.start(file, NPY_HEADER_MAX), (rows, columns), file)
    _, numbers = folder.matrix(file, header, rows * columns, limits.matrix_bytes_max, digest)
    return (rows, columns), numbers.reshape(rows, columns)
