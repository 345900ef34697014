"""What the demo does around its commands; the commands themselves are tested where they are made."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from reex.running import running

from examples import demo


def play_demo(monkeypatch: pytest.MonkeyPatch, home: Path, models: Path, play: Callable[[Any], None]) -> None:
    monkeypatch.setattr(demo, "play", play)
    monkeypatch.setattr(sys, "argv", ["demo.py", "--home", str(home), "--models", str(models)])
    demo.main()


def test_a_second_demo_ends_the_daemon_of_the_first_before_it_removes_its_home(
    fresh, models_folder, monkeypatch, tmp_path
):
    """The first one's last lines say how to query its project, which starts a daemon."""
    daemon = fresh()
    (daemon.home / "of the first").touch()
    found: list[object] = []

    def play(ignored: Any) -> None:
        found.extend((running(daemon.location), daemon.home.exists()))

    play_demo(monkeypatch, daemon.home, models_folder, play)
    assert found == [None, False]
    assert daemon.process.wait(60) == 0  # by SIGTERM, with its work put away


def test_the_first_demo_needs_no_home(models_folder, monkeypatch, tmp_path):
    played: list[object] = []
    play_demo(monkeypatch, tmp_path / "home", models_folder, played.append)
    assert len(played) == 1


def test_a_home_is_kept_when_its_daemon_cannot_be_stopped(models_folder, monkeypatch, tmp_path):
    home = tmp_path / "home"
    home.mkdir()

    def refuse(*ignored: object, **also: object) -> None:
        raise SystemExit(75)

    monkeypatch.setattr(demo.Demo, "run", refuse)
    with pytest.raises(SystemExit):
        play_demo(monkeypatch, home, models_folder, lambda ignored: None)
    assert home.exists()
