"""One stem per concept through proto, rpc, client, command and test; and words the field uses."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN_FILES = re.compile(r"(^|_)(utils?|common|helpers?|manager|misc|base)(_|\.py$)")
SOURCES = [
    path
    for folder in ("client/reex", "daemon/reexd", "tools", "bench", "examples", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "/v1/" not in str(path)
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_what_it_owns_and_hides_nothing(path: Path) -> None:
    text = path.read_text()
    assert not FORBIDDEN_FILES.search(path.name), "a name that says nothing: name the file after what it owns"
    assert ast.get_docstring(ast.parse(text)), f"{path} has no docstring"
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", text.replace("(TODO|FIXME|XXX)", "")), (
        f"{path} defers something"
    )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_are_of_readable_length(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 80, f"{path}:{node.lineno} {node.name} has {length} lines"


def test_files_are_of_readable_length() -> None:
    # All kinds of the official package's cases are checked in one file, so that it can be run alone on others.
    whole = {"tests/reexd/sdm/test_golden.py"}
    long = {
        str(path.relative_to(ROOT)): lines
        for path in SOURCES
        if (lines := path.read_text().count("\n")) > 350
    }
    long = {path: lines for path, lines in long.items() if path not in whole}
    assert not long, f"split these by what they own: {long}"


def test_the_layout_is_the_one_architecture_promises() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    for folder in ("rpc", "steps", "engine", "sdm", "store", "registry"):
        assert f"{folder}/" in text, f"ARCHITECTURE.md does not name {folder}/"
