"""How much a model's weights are, by the headers of its files."""

import json
import struct

import pytest
from reexd.errors import ModelCorrupt
from reexd.weights.measure import Measure, measure

BYTES = {"F32": 4, "BF16": 2, "U32": 4, "I64": 8}


def write(folder, tensors, name="model.safetensors", **config):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    header, end = {}, 0
    for tensor, (dtype, *shape) in tensors.items():
        begin, end = end, end + BYTES[dtype] * shape[0] * shape[1]
        header[tensor] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    raw = json.dumps(header).encode()
    (folder / name).write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(end))


def test_parameters_are_counted_over_all_files_and_integers_are_none(tmp_path):
    write(tmp_path / "m", {"a": ("BF16", 10, 20), "position_ids": ("I64", 1, 512)}, "model-1.safetensors")
    write(tmp_path / "m", {"b": ("BF16", 5, 20), "norm": ("F32", 1, 20)}, "model-2.safetensors")
    found = measure(tmp_path / "m")
    assert (found.parameters, found.dtype) == (320, "BF16")
    assert found.stored_bytes == sum(file.stat().st_size for file in (tmp_path / "m").glob("*.safetensors"))


def test_packed_parameters_are_counted_as_what_they_stand_for(tmp_path):
    tensors = {"w.weight": ("U32", 4, 8), "w.scales": ("BF16", 4, 1), "w.biases": ("BF16", 4, 1)}
    write(tmp_path / "m", tensors, quantization={"bits": 4, "group_size": 64})
    assert (measure(tmp_path / "m").parameters, measure(tmp_path / "m").dtype) == (4 * 64, "4-bit")


def test_the_unembedding_is_not_read(tmp_path):
    write(tmp_path / "m", {"embed.weight": ("F32", 10, 4), "lm_head.weight": ("F32", 10, 4)})
    assert measure(tmp_path / "m").parameters == 40


def test_gguf(tmp_path):
    name = b"token_embd.weight"
    tensor = struct.pack("<Q", len(name)) + name + struct.pack("<IQQIQ", 2, 32, 2, 8, 0)
    raw = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + tensor
    raw += bytes(-len(raw) % 32) + bytes(2 * 34)
    (tmp_path / "m.gguf").write_bytes(raw)
    assert measure(tmp_path) == Measure(parameters=64, stored_bytes=len(raw), dtype="Q8_0")


def test_a_folder_without_weights(tmp_path):
    with pytest.raises(ModelCorrupt, match=f"found none.*reexctl models pull {tmp_path.name}"):
        measure(tmp_path)
