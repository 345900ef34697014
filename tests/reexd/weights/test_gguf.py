"""GGUF headers: what a sound one says, those that lie about their file, types that MLX does not read."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reexd.errors import InvalidInput, ModelCorrupt, ReexError
from reexd.weights import gguf

F32, Q4_1, Q5_0, Q8_0 = 0, 3, 6, 8
TEXT, ARRAY, U32 = 8, 9, 4


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def entry(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def tensor(name, shape, kind, offset):
    extents = struct.pack(f"<{len(shape)}Q", *shape)
    return text(name) + struct.pack("<I", len(shape)) + extents + struct.pack("<IQ", kind, offset)


METADATA = (
    entry("general.architecture", TEXT, text("llama")),
    entry("llama.context_length", U32, struct.pack("<I", 8192)),
    entry("tokenizer.tokens", ARRAY, struct.pack("<IQ", TEXT, 2) + text("a") + text("b")),
    entry("tokenizer.scores", ARRAY, struct.pack("<IQ3f", 6, 3, 0.5, 1, 2)),
)
TENSORS = (tensor("norm", (8,), F32, 0), tensor("blk", (64, 2), Q4_1, 32), tensor("out", (32,), Q8_0, 128))
DATA_BYTES = 32 + 4 * 20 + 16 + 34  # the second tensor is padded to the alignment


def write(
    folder, *, metadata=METADATA, tensors=TENSORS, data=DATA_BYTES, version=3, magic=b"GGUF", counts=None
):
    path = folder / "model.gguf"
    head = magic + struct.pack("<IQQ", version, *(counts or (len(tensors), len(metadata))))
    head += b"".join(metadata) + b"".join(tensors)
    path.write_bytes(head + bytes(-len(head) % 32) + bytes(data))
    return path


def test_what_a_sound_file_declares(tmp_path):
    header = gguf.read(write(tmp_path))
    assert header.metadata["general.architecture"] == "llama"
    assert header.metadata["llama.context_length"] == 8192
    assert header.metadata["tokenizer.tokens"] == ["a", "b"]
    assert header.metadata["tokenizer.scores"] == [0.5, 1.0, 2.0]
    assert [(found.name, found.dtype, found.size) for found in header.tensors] == [
        ("norm", "F32", 8),
        ("blk", "Q4_1", 128),
        ("out", "Q8_0", 32),
    ]
    assert header.tensors[1].end - header.tensors[1].begin == 4 * 20


def test_mlx_agrees_with_the_header(tmp_path):
    mx = pytest.importorskip("mlx.core")
    loaded = mx.load(str(write(tmp_path, tensors=TENSORS[:1], data=32)), format="gguf")
    assert {name: value.shape for name, value in loaded.items()} == {"norm": (8,)}


@pytest.mark.parametrize(
    "change",
    [
        {"magic": b"GGML"},
        {"version": 1},
        {"version": 3 << 24},  # big-endian
        {"counts": (2**60, 1)},
        {"counts": (1, 2**60)},
        {"data": DATA_BYTES - 1},
        {"metadata": (*METADATA, METADATA[0])},
        {"metadata": (entry("general.alignment", U32, struct.pack("<I", 0)),)},
        {"metadata": (entry("general.alignment", U32, struct.pack("<I", 24)),)},
        {"metadata": (entry("x", 99, b""),)},
        {"metadata": (entry("x", ARRAY, struct.pack("<IQ", U32, 2**61)),)},
        {"metadata": (entry("x", ARRAY, struct.pack("<IQ", ARRAY, 1) * 6),)},
        {"metadata": (struct.pack("<Q", 2**62),)},
        {"tensors": (TENSORS[0], tensor("norm", (8,), F32, 32))},
        {"tensors": (tensor("a", (8,), F32, 0), tensor("b", (8,), F32, 0))},
        {"tensors": (tensor("far", (8,), F32, 2**40),)},
        {"tensors": (tensor("odd", (8,), F32, 4),)},
        {"tensors": (tensor("half", (48,), Q8_0, 0),)},
        {"tensors": (tensor("none", (0,), F32, 0),)},
        {"tensors": (tensor("huge", (2**62, 2**62), F32, 0),)},
        {"tensors": (tensor("flat", (), F32, 0),)},
        {"tensors": (tensor("deep", (1,) * 5, F32, 0),)},
    ],
)
def test_lying_files_are_refused(tmp_path, change):
    with pytest.raises(ModelCorrupt, match=rf"model\.gguf.*reexctl models pull {tmp_path.name}"):
        gguf.read(write(tmp_path, **change))


def test_a_type_that_mlx_does_not_read_is_refused_by_name(tmp_path):
    with pytest.raises(InvalidInput, match=r"'blk\.7'.*Q5_0.*F32, F16, Q4_0, Q4_1, Q8_0"):
        gguf.read(write(tmp_path, tensors=(*TENSORS, tensor("blk.7", (32,), Q5_0, 192))))


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 400), at=st.integers(0, 399), byte=st.integers(0, 255))
def test_no_damage_is_more_than_a_refusal(tmp_path_factory, cut, at, byte):
    path = write(tmp_path_factory.mktemp("damaged"))
    raw = bytearray(path.read_bytes())
    raw[min(at, len(raw) - 1)] = byte
    path.write_bytes(raw[: len(raw) - cut])
    try:
        found = gguf.read(path)
    except ReexError:
        return
    assert all(tensor.end <= path.stat().st_size for tensor in found.tensors)
