"""`.sdmdataset`: what is written is read back, and what is not whole is refused with words."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from reexd.errors import Conflict, InvalidInput
from reexd.interchange.sdmdataset import DatasetRow, PortableDataset, read_dataset, write_dataset


@pytest.fixture
def written(dataset: PortableDataset, tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "a.sdmdataset", dataset)


def test_a_dataset_is_read_as_it_was_written(dataset: PortableDataset, written: Path) -> None:
    found = read_dataset(written)
    assert found.rows == dataset.rows
    for name in ("embeddings", "embedding_places", "attributes", "attribute_places"):
        np.testing.assert_array_equal(getattr(found, name), getattr(dataset, name))
    assert (found.classes, found.representation) == (dataset.classes, dataset.representation)
    assert found.metadata == dataset.metadata


def test_numpy_reads_the_matrices(dataset: PortableDataset, written: Path) -> None:
    np.testing.assert_array_equal(np.load(written / "embeddings.npy"), dataset.embeddings)


def test_a_matrix_that_numpy_wrote_is_read(dataset: PortableDataset, written: Path) -> None:
    np.save(written / "embeddings.npy", dataset.embeddings)
    set_digest(written, "embeddings.npy")
    np.testing.assert_array_equal(read_dataset(written).embeddings, dataset.embeddings)


def test_texts_without_vectors_are_a_dataset(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "a.sdmdataset", PortableDataset((DatasetRow("a", 0, "text"),)))
    found = read_dataset(path)
    assert (found.rows, found.embeddings) == ((DatasetRow("a", 0, "text"),), None)


def test_an_existing_path_is_left_alone_and_a_failure_leaves_nothing(
    dataset: PortableDataset, written: Path, tmp_path: Path
) -> None:
    with pytest.raises(Conflict):
        write_dataset(written, dataset)
    changes: list[tuple[dict, str]] = [
        ({"rows": ()}, "places|at least one row"),
        ({"rows": (DatasetRow("a"), DatasetRow("a")), "embeddings": None, "attributes": None}, "each once"),
        ({"rows": (DatasetRow("a", 2),), "embeddings": None, "attributes": None}, "label"),
        (
            {"rows": (DatasetRow("a", extra={"embeddingRow": 1}),), "embeddings": None, "attributes": None},
            "names",
        ),
        (
            {"embeddings": np.zeros((4, 3), np.float32), "embedding_places": np.array([0, 0, 1, 2])},
            "ascending",
        ),
        ({"embeddings": np.full((4, 3), np.nan, np.float32)}, "finite"),
        ({"classes": ("one ", "two")}, "blanks"),
        ({"classes": ("only",)}, "two or more"),
        ({"representation": {"fingerprint": " "}}, "fingerprint"),
        ({"metadata": {"x": float("nan")}}, "JSON"),
    ]
    for change, words in changes:
        with pytest.raises(InvalidInput, match=words):
            write_dataset(tmp_path / "b.sdmdataset", dataclasses.replace(dataset, **change))
    assert [path.name for path in tmp_path.iterdir()] == ["a.sdmdataset"]


def set_digest(folder: Path, name: str) -> None:
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    manifest = json.loads((folder / "manifest.json").read_text())
    for described in (manifest["rows"], *manifest["matrices"].values()):
        if described["path"] == name:
            described["sha256"] = digest
    (folder / "manifest.json").write_text(json.dumps(manifest))


def in_file(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Changes a file and gives it a right checksum, so that the content itself is what is judged."""

    def damage(folder: Path) -> None:
        (folder / name).write_bytes(change((folder / name).read_bytes()))
        if name != "manifest.json":
            set_digest(folder, name)

    return damage


def replaced_by_link(folder: Path) -> None:
    (folder / "rows.jsonl").rename(folder.parent / "elsewhere")
    (folder / "rows.jsonl").symlink_to(folder.parent / "elsewhere")


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "link": (replaced_by_link, "not a link"),
    "checksum": (lambda folder: (folder / "rows.jsonl").write_text("{}\n"), "SHA-256"),
    "format": (in_file("manifest.json", lambda raw: raw.replace(b"reexpress-dataset", b"other")), "format"),
    "name outside": (
        in_file("manifest.json", lambda raw: raw.replace(b'"embeddings.npy"', b'"../embeddings.npy"')),
        "nothing else is part",
    ),
    "row count": (
        in_file("manifest.json", lambda raw: raw.replace(b'"rowCount":6', b'"rowCount":7')),
        "7 rows",
    ),
    "shape": (in_file("manifest.json", lambda raw: raw.replace(b"[4,3]", b"[3,4]")), "shape"),
    "bomb": (
        in_file("manifest.json", lambda raw: raw.replace(b"[4,3]", b"[4,99999999999]")),
        "embeddings.npy",
    ),
    "other type": (in_file("embeddings.npy", lambda raw: raw.replace(b"<f4", b"<f2")), "Float32"),
    "pickle": (in_file("embeddings.npy", lambda raw: raw.replace(b"'<f4'", b"'|O' ")), "Float32"),
    "code in the header": (
        in_file("embeddings.npy", lambda raw: raw.replace(b"False", b"exit()")[:-1]),
        "Float32",
    ),
    "cut off": (in_file("embeddings.npy", lambda raw: raw[:-4]), "bytes"),
    "not finite": (in_file("embeddings.npy", lambda raw: raw[:-4] + np.float32(np.nan).tobytes()), "finite"),
    "reference twice": (
        in_file("rows.jsonl", lambda raw: raw.replace(b'"embeddingRow":1', b'"embeddingRow":0')),
        "count up",
    ),
    "reference missing": (
        in_file("rows.jsonl", lambda raw: raw.replace(b'"embeddingRow":3', b'"other":3')),
        "as many references",
    ),
    "vector in a row": (
        in_file("rows.jsonl", lambda raw: raw.replace(b'"id":"c"', b'"id":"c","embedding":[1,2,3]')),
        "matrices alone",
    ),
    "id twice": (in_file("rows.jsonl", lambda raw: raw.replace(b'"id":"c"', b'"id":"a"')), "each once"),
    "label": (in_file("rows.jsonl", lambda raw: raw.replace(b'"label":1', b'"label":2', 1)), "label"),
    "no object": (in_file("rows.jsonl", lambda raw: b"7\n" + raw), "object"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_folder_is_refused(name: str, written: Path) -> None:
    damage, words = DAMAGES[name]
    damage(written)
    with pytest.raises(InvalidInput, match=words):
        read_dataset(written)


def test_a_published_folder_is_as_open_as_the_umask_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is left alone meanwhile: it belongs to all threads."""
    before = os.umask(0o027)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "umask", lambda _: pytest.fail("the umask was set"))
            path = write_dataset(tmp_path / "d.sdmdataset", PortableDataset((DatasetRow("a", 0, "text"),)))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o750
    assert [row.id for row in read_dataset(path).rows] == ["a"]
