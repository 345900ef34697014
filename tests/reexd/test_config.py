"""Settings, their order of precedence, their bounds, and where each came from."""

import subprocess
import sys
from pathlib import Path

import pytest
from reexd.config import Settings, load
from reexd.errors import InvalidSetting


@pytest.fixture
def file(tmp_path):
    return tmp_path / "config.toml"


def test_defaults_when_nothing_is_given(file):
    loaded = load(file, environ={})
    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"default"}
    assert loaded.settings.document_size_max_bytes == 1024 * 1024
    assert loaded.settings.attributes_max == 4096


def test_flag_over_variable_over_file_over_default(file):
    file.write_text('workers = 2\nlog_level = "debug"\nattributes_max = 7\n')
    loaded = load(file, environ={"REEX_WORKERS": "3", "REEX_ATTRIBUTES_MAX": "8"}, flags={"workers": 4})
    assert (loaded.settings.workers, loaded.origins["workers"]) == (4, "flag")
    assert (loaded.settings.attributes_max, loaded.origins["attributes_max"]) == (8, "REEX_ATTRIBUTES_MAX")
    assert (loaded.settings.log_level, loaded.origins["log_level"]) == ("debug", str(file))
    assert loaded.origins["offline"] == "default"


def test_absent_flags_and_empty_variables_are_not_given(file):
    loaded = load(file, environ={"REEX_WORKERS": "", "REEX_MODELS": ""}, flags={"workers": None})
    assert loaded.origins["workers"] == "default"
    assert loaded.settings.models == ""


@pytest.mark.parametrize(("text", "value"), [("1", True), ("yes", True), ("FALSE", False), ("off", False)])
def test_booleans_from_variables(file, text, value):
    assert load(file, environ={"REEX_OFFLINE": text}).settings.offline is value


def test_a_whole_number_serves_as_seconds(file):
    file.write_text("drain_s = 3\n")
    assert load(file, environ={}).settings.drain_s == 3.0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("workers", "-1"),
        ("workers", "2.5"),
        ("workers", "many"),
        ("offline", "perhaps"),
        ("drain_s", "nan"),
        ("log_level", "loud"),
        ("document_size_max_bytes", "99999999999"),
    ],
)
def test_a_bad_variable_names_setting_value_and_origin(file, name, text):
    variable = f"REEX_{name.upper()}"
    with pytest.raises(InvalidSetting) as caught:
        load(file, environ={variable: text})
    assert name in caught.value.message
    assert text.split(".")[0] in caught.value.message
    assert caught.value.metadata["origin"] == variable


def test_a_number_in_quotes_and_a_number_for_a_word(file):
    file.write_text("log_level = 3\n")
    with pytest.raises(InvalidSetting, match=r"debug \| info"):
        load(file, environ={})
    file.write_text("workers = true\n")
    with pytest.raises(InvalidSetting, match="workers"):
        load(file, environ={})


def test_a_misspelt_key_is_refused_with_the_likely_one(file):
    file.write_text("worker = 2\n")
    with pytest.raises(InvalidSetting, match="Did you mean workers"):
        load(file, environ={})


@pytest.mark.parametrize("content", [b"workers = ", b"\xff\xfe"])
def test_broken_toml_is_refused_with_its_path(file, content):
    file.write_bytes(content)
    with pytest.raises(InvalidSetting, match=r"config\.toml"):
        load(file, environ={})


def test_a_relative_models_folder_is_beside_the_file_that_names_it(file, tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    file.write_text('models = "kept"\n')
    assert load(file, environ={}).settings.models == str(tmp_path / "kept")
    assert load(file, environ={"REEX_MODELS": "kept"}).settings.models == str(tmp_path / "work" / "kept")


def test_the_page_of_settings_is_fresh():
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, root / "tools" / "write_settings_docs.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "docs/settings.md" in (root / "README.md").read_text()
