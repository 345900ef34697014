"""Language models from outside: what is shown of them, files checked, in and out of memory, off the disk."""

import json
import shutil
import struct

import pytest
from reex.errors import Conflict, InvalidSetting, ModelMissing, ModelTooLarge, NotFound
from reexd.registry import Registry


@pytest.fixture
def own(fresh, tiny_bert, tiny_models, tmp_path):
    """A daemon with a models folder of its own: `tiny` and `tiny-wide`."""
    folder = tmp_path / "models"
    wide = tiny_models.write_tiny_bert(tmp_path / "source" / "tiny-wide", hidden=40, seed=1)
    for source in (tiny_bert.folder, wide.folder):
        Registry(folder).pull(str(source))
    return fresh(folder)


def by_name(client):
    return {model.name: model for model in client.list_models()}


def test_what_is_shown_of_a_model(trained):
    found = trained.client.get_model("tiny")
    model = found.model
    assert (model.installed, model.loaded, model.problem) == (True, True, "")
    assert (model.architecture, model.dtype, model.hidden_size) == ("bert", "F32", 32)
    assert (model.pooling, model.window_tokens) == ("mean", 64)
    assert {file.name for file in found.files} == {"config.json", "model.safetensors", "tokenizer.json"}
    assert model.size_bytes == sum(file.size_bytes for file in found.files)
    assert not found.pinned
    assert model.memory_bytes == found.workers * found.worker_memory_bytes
    assert found.worker_memory_bytes > 4 * model.parameters
    (use,) = [use for use in found.uses if use.project == trained.project]
    assert (use.chosen, use.versions) == (True, ("v1",))
    assert by_name(trained.client)["tiny"] == model
    with pytest.raises(NotFound, match="nobody"):
        trained.client.get_model("nobody")


def test_a_built_in_model_says_what_it_needs_before_it_is_there(served):
    found = served.client.get_model("qwen3-0.6b")
    assert (found.model.installed, found.model.licence, found.files) == (False, "Apache-2.0", ())
    assert found.model.memory_bytes > 4 * found.model.parameters > 2e9
    encoder, decoder = (served.client.get_model(name).model for name in ("e5-small", "smollm2-135m"))
    assert encoder.readable
    assert (encoder.reads_prompts, decoder.reads_prompts) == (False, True)
    for use in (served.client.load_model, served.client.verify_model):
        with pytest.raises(ModelMissing, match="reexctl models pull"):
            use("qwen3-0.6b")
    assert not served.client.unload_model("qwen3-0.6b")


def test_load_and_unload(own):
    def loaded():
        return [model.name for model in own.client.status().engine.models]

    assert own.client.load_model("tiny-wide").loaded
    assert loaded() == ["tiny-wide"]
    assert [name for name, model in by_name(own.client).items() if model.loaded] == ["tiny-wide"]
    assert own.client.unload_model("tiny-wide")
    assert loaded() == []
    assert not own.client.unload_model("tiny-wide")


def test_a_model_of_a_type_that_is_not_read_says_so(own):
    config = own.models / "tiny-wide" / "config.json"
    config.write_text(config.read_text().replace('"bert"', '"perceptron"'))
    (own.models / "tiny-wide" / "reex.json").unlink()
    found = own.client.get_model("tiny-wide").model
    assert (found.architecture, found.installed, found.readable) == ("perceptron", True, False)
    with pytest.raises(InvalidSetting, match="'perceptron'"):
        own.client.load_model("tiny-wide")


def test_a_gguf_file_of_another_type_is_described_and_not_opened(own):
    folder = own.models / "small-gguf"
    folder.mkdir()
    key, value = b"general.architecture", b"gpt2"
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + struct.pack("<Q", len(key)) + key
    head += struct.pack("<IQ", 8, len(value)) + value
    head += struct.pack("<Q1sIQIQ", 1, b"w", 1, 32, 8, 0)
    (folder / "small.gguf").write_bytes(head + bytes(-len(head) % 32) + bytes(34))
    found = own.client.get_model("small-gguf").model
    assert (found.architecture, found.parameters, found.dtype) == ("gpt2", 32, "Q8_0")
    assert (found.pooling, found.installed) == ("mean+last", True)
    with pytest.raises(InvalidSetting, match="GGUF"):
        own.client.load_model("small-gguf")


def test_verify_names_each_file_that_differs(own):
    assert not any(check.problem for check in own.client.verify_model("tiny"))
    weights = own.models / "tiny" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    problems = {check.file.name: check.problem for check in own.client.verify_model("tiny")}
    assert problems.pop("model.safetensors").startswith("expected SHA-256")
    assert set(problems.values()) == {""}


def test_a_model_in_use_is_deleted_only_by_force(own, new_project):
    project = new_project(own)
    own.client.load_model("tiny")
    with pytest.raises(Conflict, match=f"used by project {project}.*--force"):
        own.client.delete_model("tiny")
    assert by_name(own.client)["tiny"].installed
    own.client.delete_model("tiny-wide")
    own.client.delete_model("tiny", force=True)
    assert own.client.status().engine.models == ()
    assert not (own.models / "tiny").exists()
    with pytest.raises(NotFound):
        own.client.delete_model("tiny", force=True)


def test_a_model_that_does_not_fit_is_refused_before_it_is_read(own):
    """A header may declare far more than it costs to write: the file has a hole."""
    vast = own.models / "vast"
    shutil.copytree(own.models / "tiny", vast)
    size = 1 << 40
    header = b'{"x":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}' % (size // 4, size)
    with (vast / "model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + size)
    manifest = json.loads((vast / "reex.json").read_text())
    manifest["sizes"]["model.safetensors"] = 8 + len(header) + size
    (vast / "reex.json").write_text(json.dumps(manifest | {"name": "vast"}))
    with pytest.raises(ModelTooLarge, match=r"takes 1374\.\d GB in each of 2 workers.*GB are available"):
        own.client.load_model("vast")
