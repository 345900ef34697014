"""safetensors headers that lie about their file, and files that are none."""

import json

import pytest
from reexd.errors import ModelCorrupt
from reexd.weights import safetensors


def test_what_a_sound_file_declares(tiny_bert):
    found = safetensors.tensors(tiny_bert.folder / "model.safetensors")
    assert {tensor.dtype for tensor in found} == {"F32"}
    (bias,) = [tensor for tensor in found if tensor.name == "pooler.dense.bias"]
    assert (bias.shape, bias.size, bias.end - bias.begin) == ((32,), 32, 128)
    assert found[-1].end == (tiny_bert.folder / "model.safetensors").stat().st_size


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "model.safetensors").mkdir()  # root may read everything else
    with pytest.raises(ModelCorrupt, match=r"model.safetensors: Is a directory"):
        safetensors.tensors(tmp_path / "model.safetensors")


def broken(tiny_models, tmp_path, change):
    """A tiny model with `change(header, data)` applied to its safetensors file."""
    files = tiny_models.write_tiny_bert(tmp_path / "broken")
    path = files.folder / "model.safetensors"
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header, data = change(json.loads(raw[8 : 8 + length]), raw[8 + length :])
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def moved(name, begin, end):
    def change(header, data):
        header[name]["data_offsets"] = [begin, end]
        return header, data

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda header, data: (header, data[:-4]),
        lambda header, data: (header, data + b"1234"),
        moved("pooler.dense.bias", 0, 128),
        moved("pooler.dense.bias", -128, 0),
        moved("pooler.dense.bias", 2**62, 2**62 + 128),
        moved("pooler.dense.bias", 0, 2**70),
        lambda header, data: (header | {"x": {"dtype": "F32", "shape": [], "data_offsets": [0]}}, data),
        lambda header, data: (header | {"x": {"dtype": "PICKLE", "shape": [], "data_offsets": [0, 0]}}, data),
        lambda header, data: (header | {"x": 3}, data),
    ],
)
def test_lying_safetensors_are_refused(tiny_models, tmp_path, change):
    with pytest.raises(ModelCorrupt, match=r"model broken: model\.safetensors.*reexctl models pull broken"):
        safetensors.tensors(broken(tiny_models, tmp_path, change))


@pytest.mark.parametrize(
    "content", [b"", b"short", (2**63).to_bytes(8, "little"), b"\x02" + b"\0" * 7 + b"[]"]
)
def test_files_that_are_no_safetensors(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelCorrupt):
        safetensors.tensors(path)
