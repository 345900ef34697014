"""The direction of imports (ARCHITECTURE.md, "Direction") as an assertion over every module's syntax tree."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {"reex": ROOT / "client" / "reex", "reexd": ROOT / "daemon" / "reexd"}

BASE = {"reexd.errors", "reexd.pooling", "reexd.records"}

# Longest prefix wins. Whatever is not listed (and is not the standard library) may not be imported.
ALLOWED: dict[str, set[str]] = {
    "reex.v1": {"google.protobuf", "grpc", "reex.v1"},
    "reex.cli": {"reex", "typer", "rich"},
    "reex.tables": {"reex", "pyarrow"},  # of an extra, in the function that reads
    "reex": {"reex", "reex.v1", "grpc", "grpc_health", "google.protobuf", "google.rpc"},
    "reexd.errors": set(),
    "reexd.pooling": {"reexd.errors"},
    "reexd.records": {"reexd.sdm", "numpy"},
    "reexd.sdm": {"reexd.sdm", "numpy"},
    "reexd.weights": {"reexd.errors", "reexd.weights"},
    "reexd.store": {*BASE, "reexd.store", "lmdb", "numpy"},
    "reexd.engine": {
        *BASE,
        "reexd.engine",
        "reexd.weights",
        "reexd.sdm",
        "mlx",
        "mlx_lm",
        "jinja2",
        "tokenizers",
        "numpy",
    },
    "reexd.registry": {*BASE, "reexd.registry", "reexd.weights", "huggingface_hub", "tqdm"},
    "reexd.interchange": {*BASE, "reexd.interchange", "reexd.sdm", "numpy"},
    "reexd.config": {"reexd.errors"},
    "reexd.paths": {"reexd.errors", "reex.location", "reex.folders"},
    "reexd.claim": {"reexd.errors", "reexd.paths", "reex.location", "reex.folders"},
    "reexd.listening": {
        "reexd.claim",
        "reexd.errors",
        "reexd.rpc.status",
        "grpc",
        "grpc_health",
        "grpc_reflection",
    },
    "reexd.logs": set(),
    "reexd.jobs": {*BASE, "reexd.store"},
    "reexd.steps": {
        *BASE,
        "reexd.steps",
        "reexd.engine.client",
        "reexd.engine.tasks",
        "reexd.engine.adaptor.settings",
        "reexd.engine.tuning.settings",
        "reexd.sdm",
        "reexd.store",
        "reexd.interchange",
        "reexd.registry",
        "reexd.jobs",
        "reexd.config",
        "numpy",
    },
    "reexd.rpc": {
        *BASE,
        "reexd.rpc",
        "reexd.steps",
        "reexd.store",
        "reexd.jobs",
        "reex.v1",
        "google.protobuf",
        "google.rpc",
        "grpc",
        "grpc_status",
    },
    "reexd.server": {"reexd", "reex", "grpc", "grpc_health", "grpc_reflection"},
    "reexd.main": {"reexd", "reex"},
    "reexd.__main__": {"reexd.main"},
}

# `reex.cli` sees the library, not the wire below it.
FORBIDDEN: dict[str, set[str]] = {"reex.cli": {"reex.v1"}}


def modules() -> Iterator[tuple[str, Path]]:
    for package, folder in SOURCES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = (package, *path.relative_to(folder).with_suffix("").parts)
            yield ".".join(part for part in parts if part != "__init__"), path


def imported(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively; write the full name"
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def longest(name: str, prefixes: set[str]) -> str | None:
    found = [prefix for prefix in prefixes if name == prefix or name.startswith(prefix + ".")]
    return max(found, key=len, default=None)


def is_standard(name: str) -> bool:
    return name.split(".")[0] in sys.stdlib_module_names


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=[name for name, _ in modules()])
def test_module_imports_only_what_its_layer_may(module: str, path: Path) -> None:
    layer = longest(module, set(ALLOWED))
    if module == "reexd":
        layer = "reexd.errors"
    assert layer is not None, (
        f"{module} belongs to no layer of this table; place it, and say so in ARCHITECTURE.md"
    )
    for line, name in imported(path):
        if is_standard(name):
            continue
        assert longest(name, ALLOWED[layer]), f"{path}:{line} {layer} may not import {name}"
        assert not longest(name, FORBIDDEN.get(layer, set())), f"{path}:{line} {layer} may not import {name}"


# Loaded by name on purpose, within their own layer: names of the public package, and architectures.
BY_NAME = {"reex", "reexd.engine.models", "reexd.engine.models.decoder"}


def test_no_source_hides_an_import_from_the_table() -> None:
    for module, path in modules():
        if module not in BY_NAME:
            text = path.read_text()
            assert "import_module(" not in text, f"{path} imports by name; the table cannot see it"
            assert "__import__(" not in text, f"{path} imports by name; the table cannot see it"


def test_the_table_has_no_dead_rows() -> None:
    names = [name for name, _ in modules()]
    for layer in ALLOWED:
        assert any(longest(name, {layer}) for name in names), f"nothing lives in {layer}"
