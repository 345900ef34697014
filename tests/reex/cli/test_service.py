"""`service`: what is said of the definition before it is written."""

from __future__ import annotations

import os

from reex.cli.main import run


def test_settings_of_the_shell_that_the_service_will_not_know_are_named(home, capsys, monkeypatch):
    for name in [name for name in os.environ if name.startswith("REEX_") and name != "REEX_HOME"]:
        monkeypatch.delenv(name)  # what the suite itself was told
    monkeypatch.setenv("REEX_MODELS", "/elsewhere")
    monkeypatch.setenv("REEX_OFFLINE", "")  # counts as not set
    assert run(["service", "install", "--print"]) == 0
    seen = capsys.readouterr()
    assert str(home) in seen.out
    (note,) = [line for line in seen.err.splitlines() if line.startswith("note: ")]
    assert "know REEX_MODELS, set" in note
    assert str(home / "config.toml") in note
    monkeypatch.delenv("REEX_MODELS")
    assert run(["service", "install", "--print"]) == 0
    assert "note: " not in capsys.readouterr().err
