"""The README keeps its word: its links lead somewhere, its commands and flags exist, its fields are the answer's."""

from __future__ import annotations

import dataclasses
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def tour() -> list[list[str]]:
    block = README.split("## A tour")[1].split("```")[1]
    return [shlex.split(line.split(" > ")[0], comments=True) for line in block.strip().splitlines()]


@pytest.mark.parametrize("command", tour(), ids=lambda command: "-".join(command[1:3]))
def test_every_command_of_the_tour_exists_with_its_flags(command: list[str]) -> None:
    words = [word for word in command[1:3] if not word.startswith("-")]
    groups = {"project", "documents", "split", "classifiers", "discover"}
    path = words[:2] if words[0] in groups else words[:1]
    shown = subprocess.run(
        [sys.executable, "-m", "reex.cli", *path, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "", "COLUMNS": "200", "NO_COLOR": "1"},
    ).stdout
    for flag in (word for word in command if word.startswith("-")):
        assert re.search(rf"(^|\W){re.escape(flag)}\b", shown), f"{' '.join(path)} has no {flag}"


def test_the_fields_that_are_explained_are_fields_of_an_answer() -> None:
    from reex.types import Prediction

    table = README.split("## Reading an answer")[1].split("\n\n")[1]
    names = re.findall(r"^\| `(\w+)`", table, re.MULTILINE)
    assert len(names) >= 8
    assert set(names) <= {field.name for field in dataclasses.fields(Prediction)}


def test_the_two_commands_are_targets() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
