"""`.sdmkitmodel`: what is written is read back, and what is not whole is refused with words."""

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
from reexd.interchange.folders import Limits
from reexd.interchange.portable_model import PortableModel, from_classifier, hidden_states, to_classifier
from reexd.interchange.sdmkitmodel import read_model, write_model
from reexd.sdm import Region


@pytest.fixture
def written(model: PortableModel, tmp_path: Path) -> Path:
    return write_model(tmp_path / "a.sdmkitmodel", model)


def assert_same(one: object, other: object) -> None:
    """Field by field; arrays bit by bit."""
    if dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, tuple):
        assert len(one) == len(other)
        for mine, yours in zip(one, other, strict=True):
            assert_same(mine, yours)
    else:
        assert one == other


def test_a_model_is_read_as_it_was_written(model: PortableModel, written: Path) -> None:
    assert_same(read_model(written), model)
    assert sorted(path.name for path in written.iterdir()) == [
        "calibration.jsonl",
        "manifest.json",
        "support.f32",
        "support.jsonl",
        "weights.f32",
    ]


def test_weights_lie_in_the_documented_order(model: PortableModel, written: Path) -> None:
    flat = np.fromfile(written / "weights.f32", "<f4")
    np.testing.assert_array_equal(flat[:5], model.weights.projection_weight[0])
    np.testing.assert_array_equal(flat[35:42], model.weights.projection_bias)
    np.testing.assert_array_equal(flat[42:49], model.weights.classifier_weight[0])
    np.testing.assert_array_equal(flat[-2:], model.weights.classifier_bias)


def test_an_existing_path_is_left_alone_and_a_failure_leaves_nothing(
    model: PortableModel, written: Path, tmp_path: Path
) -> None:
    with pytest.raises(Conflict):
        write_model(written, model)
    with pytest.raises(InvalidInput, match="sdmkitmodel"):
        write_model(tmp_path / "b.zip", model)
    broken = dataclasses.replace(model, exemplars=np.full_like(model.exemplars, np.nan))
    with pytest.raises(InvalidInput, match="finite"):
        write_model(tmp_path / "b.sdmkitmodel", broken)
    equal = dataclasses.replace(model, support_ids=("é", "e\u0301", *model.support_ids[2:]))
    with pytest.raises(InvalidInput, match="ids of the support"):
        write_model(tmp_path / "b.sdmkitmodel", equal)
    assert [path.name for path in tmp_path.iterdir()] == ["a.sdmkitmodel"]


def test_hidden_states_give_the_exemplars_they_were_found_from(model: PortableModel) -> None:
    imported = to_classifier(model, version=3, space=1, model_name="minilm", attribute_count=2)
    record, arrays = imported.record, imported.arrays
    assert (record.name, record.hidden_size, record.attribute_count, record.exemplar_size) == ("v3", 3, 2, 7)
    x = (imported.vectors - record.mean) / record.standard_deviation
    np.testing.assert_allclose(
        x @ arrays.projection_weight.T + arrays.projection_bias, model.exemplars, atol=1e-5
    )
    np.testing.assert_array_equal(arrays.support_attributes, imported.vectors[:, 3:])
    back = from_classifier(
        record,
        arrays,
        model.exemplars,
        model_id=model.model_id,
        producer_version="0.1.0",
        support_ids=model.support_ids,
        support_texts=model.support_texts,
        calibration_ids=["", *model.calibration_ids[1:]],
    )
    assert back.calibration_ids[0] == "(deleted) -1"
    for name in ("weights", "exemplars", "support_labels", "support_predictions", "support_ids", "classes"):
        assert_same(getattr(back, name), getattr(model, name))
    assert_same(back.calibration.rows, model.calibration.rows)


def test_exemplars_of_another_network_are_refused(model: PortableModel) -> None:
    foreign = np.random.default_rng(2).normal(size=model.exemplars.shape).astype(np.float32)
    with pytest.raises(InvalidInput, match="different trainings"):
        hidden_states(dataclasses.replace(model, exemplars=foreign))


def test_what_would_score_differently_here_is_refused(model: PortableModel) -> None:
    other = dataclasses.replace(model, calibration=dataclasses.replace(model.calibration, ood_limit=2))
    with pytest.raises(InvalidInput, match="oodLimit"):
        to_classifier(other, version=1, space=1, model_name="minilm")


Damage = Callable[[Path], object]


def in_manifest(change: Callable[[dict], object]) -> Damage:
    def damage(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        change(manifest)
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return damage


def in_file(name: str, change: Callable[[bytes], bytes]) -> Damage:
    """Changes a file and gives it a right checksum, so that the content itself is what is judged."""

    def damage(folder: Path) -> None:
        raw = change((folder / name).read_bytes())
        (folder / name).write_bytes(raw)
        in_manifest(lambda manifest: manifest["checksums"].update({name: hashlib.sha256(raw).hexdigest()}))(
            folder
        )

    return damage


def replaced_by_link(folder: Path) -> None:
    (folder / "support.f32").rename(folder.parent / "elsewhere")
    (folder / "support.f32").symlink_to(folder.parent / "elsewhere")


def replaced_by_pipe(folder: Path) -> None:
    (folder / "support.jsonl").unlink()
    os.mkfifo(folder / "support.jsonl")


DAMAGES: dict[str, tuple[Damage, str]] = {
    "link": (replaced_by_link, "not a link"),
    "pipe": (replaced_by_pipe, "regular file"),
    "missing": (lambda folder: (folder / "weights.f32").unlink(), "weights.f32"),
    "checksum": (lambda folder: (folder / "weights.f32").write_bytes(bytes(4 * 58)), "SHA-256"),
    "longer": (in_file("support.f32", lambda raw: raw + bytes(4)), "bytes, as its manifest declares"),
    "not finite": (
        in_file("support.f32", lambda raw: np.float32(np.inf).tobytes() + raw[4:]),
        "finite",
    ),
    "name outside": (
        in_manifest(lambda manifest: manifest["support"].update(vectorsFile="../support.f32")),
        "nothing else is part",
    ),
    "absolute name": (
        in_manifest(lambda manifest: manifest["weights"].update(file="/etc/passwd")),
        "nothing else is part",
    ),
    "bomb": (
        in_manifest(lambda manifest: manifest["support"].update(count=10**12)),
        "at most",
    ),
    "other size": (in_manifest(lambda manifest: manifest["support"].update(count=29)), "bytes"),
    "no checksum of rows": (
        in_manifest(lambda manifest: manifest["checksums"].pop("calibration.jsonl")),
        "checksum",
    ),
    "unknown field": (in_manifest(lambda manifest: manifest.update(extra=1)), "extra"),
    "true for a number": (
        in_manifest(lambda manifest: manifest["configuration"].update(oodLimit=True)),
        "oodLimit",
    ),
    "unsorted": (
        in_manifest(lambda manifest: manifest["distanceCDFs"][0].reverse()),
        "ascending",
    ),
    "region off the ladder": (
        in_manifest(
            lambda manifest: manifest["regions"].append(
                {"alpha": 0.512, "minimumRescaledSimilarity": 1.0, "outputThresholds": [0.9, 0.9]}
            )
        ),
        "ladder",
    ),
    "no time": (in_manifest(lambda manifest: manifest.update(createdAt="yesterday")), "createdAt"),
    "duplicate id": (in_file("support.jsonl", lambda raw: raw.replace(b'"s1"', b'"s0"')), "each once"),
    "key twice": (
        in_file("support.jsonl", lambda raw: raw.replace(b'"id":"s1"', b'"id":"s1","id":"s9"')),
        "twice",
    ),
    "too few rows": (
        in_file("support.jsonl", lambda raw: raw[: raw.rindex(b"{")]),
        "30 lines",
    ),
    "too many rows": (in_file("support.jsonl", lambda raw: raw + b"{}\n"), "at most 30 lines"),
    "label out of range": (
        in_file("support.jsonl", lambda raw: raw.replace(b'"label":1', b'"label":2', 1)),
        "label",
    ),
    "number too large": (
        in_file("calibration.jsonl", lambda raw: raw.replace(b'"d0":', b'"d0":1e999,"d":', 1)),
        "too large",
    ),
    "nan": (in_file("calibration.jsonl", lambda raw: raw.replace(b'"d0":', b'"d0":NaN,"x":', 1)), "NaN"),
    "lone surrogate": (
        in_file("support.jsonl", lambda raw: raw.replace(b'"s1"', b'"\\ud800"')),
        "UTF-8",
    ),
    "deep": (in_file("support.jsonl", lambda raw: b"[" * 100_000 + raw), "JSON object"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_folder_is_refused(name: str, written: Path) -> None:
    damage, words = DAMAGES[name]
    damage(written)
    with pytest.raises(InvalidInput, match=words):
        read_model(written)


def test_a_link_to_a_folder_and_a_file_are_refused(written: Path, tmp_path: Path) -> None:
    (tmp_path / "link.sdmkitmodel").symlink_to(written)
    for path in (tmp_path / "link.sdmkitmodel", written / "manifest.json", tmp_path / "absent.sdmkitmodel"):
        with pytest.raises(InvalidInput, match="folder"):
            read_model(path)


def test_limits_hold_before_anything_is_read(written: Path) -> None:
    for limits in (
        Limits(manifest_bytes_max=100),
        Limits(records_bytes_max=100),
        Limits(line_bytes_max=20),
        Limits(matrix_bytes_max=100),
    ):
        with pytest.raises(InvalidInput, match="at most"):
            read_model(written, limits)


def test_a_manifest_without_checksums_is_read(model: PortableModel, written: Path) -> None:
    in_manifest(lambda manifest: manifest.pop("checksums"))(written)
    assert_same(read_model(written), model)


@pytest.mark.parametrize(
    ("alphas", "expected"),
    [
        ((), 0.05),
        ((0.9, 0.8), 0.05),
        ((0.95, 0.93), 0.01),
        ((0.9975, 0.9925), 0.0025),
        ((0.9996, 0.9), 0.0004),
    ],
)
def test_a_version_that_names_no_spacing_has_the_coarsest_of_its_rungs(
    model: PortableModel, alphas: tuple[float, ...], expected: float
) -> None:
    """Versions that were imported before their spacing was kept."""
    imported = to_classifier(model, version=1, space=1, model_name="minilm")
    regions = tuple(Region(alpha, 1.0, (alpha, alpha)) for alpha in alphas)
    record = dataclasses.replace(imported.record, training_json="{}", regions=regions)
    out = from_classifier(
        record,
        imported.arrays,
        model.exemplars,
        model_id="a model",
        producer_version="0.1.0",
        support_ids=model.support_ids,
        calibration_ids=model.calibration_ids,
    )
    assert out.alpha_resolution == expected
