"""What tests of several parts share: a tiny language model, written anew for each session."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from reexd.records import ModelFiles


@pytest.fixture(scope="session")
def tiny_models() -> ModuleType:
    """The module models.py: pytest imports tests by path, so that they cannot import each other by name."""
    spec = importlib.util.spec_from_file_location("tiny_models", Path(__file__).with_name("models.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny_bert(tiny_models: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    """A BERT of two layers and 32 components with a window of 64 tokens."""
    return tiny_models.write_tiny_bert(tmp_path_factory.mktemp("models") / "tiny")
