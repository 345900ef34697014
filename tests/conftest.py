"""What tests of several parts share: a tiny language model, written anew for each session, and daemons that use it.

`served` is one daemon for the whole session and `trained` a project in it that tests read and never change; a test
that kills, stops or fills a daemon starts its own with `fresh`.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings
from reexd.records import ModelFiles
from reexd.registry import Registry

# What a person's shell may say changes what the programs under test print and whom they ask. Stand-ins for hubs are on
# the loopback interface, which no proxy reaches.
for name in [name for name in os.environ if name.startswith("HF_") or name.endswith("_COLOR")]:
    del os.environ[name]
for name in ("no_proxy", "NO_PROXY"):
    os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1", "localhost"]))

# A machine that is busy elsewhere fails nothing: hypothesis' deadline of 200 ms for one example is left out, as it is
# by hypothesis itself where CI is set.
settings.register_profile("reex", settings(), deadline=None)
settings.load_profile("reex")

# Settings under which a fit of the tiny corpus takes a tenth of a second, gets nearly everything right and has regions.
FAST = {"epochs": 12, "shuffles": 1, "exemplar_size": 32, "learning_rate": 0.01}


@pytest.fixture(scope="session")
def tiny_models() -> ModuleType:
    """The module models.py: pytest imports tests by path, so that they cannot import each other by name."""
    return _beside("tiny_models", "models.py")


@pytest.fixture(scope="session")
def tiny_bert(tiny_models: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    """A BERT of two layers and 32 components with a window of 64 tokens."""
    return tiny_models.write_tiny_bert(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def daemons() -> ModuleType:
    """The module daemon.py."""
    return _beside("daemons", "daemon.py")


@pytest.fixture(scope="session")
def models_folder(
    tiny_models: ModuleType, tiny_bert: ModelFiles, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A models folder with `tiny` installed from the folder it was written to, and a wider `tiny-wide`."""
    folder = tmp_path_factory.mktemp("installed")
    Registry(folder).pull(str(tiny_bert.folder))
    wide = tiny_models.write_tiny_bert(tmp_path_factory.mktemp("models") / "tiny-wide", hidden=40, seed=1)
    Registry(folder).pull(str(wide.folder))
    return folder


@pytest.fixture(scope="session")
def served(daemons: ModuleType, models_folder: Path) -> Iterator[Any]:
    """The session's daemon. Tests make projects of their own in it (`project`)."""
    with daemons.Daemon(models_folder) as daemon:
        yield daemon


@pytest.fixture
def fresh(daemons: ModuleType, models_folder: Path) -> Iterator[Callable[..., Any]]:
    """Starts a daemon with a home of its own; gone with the test."""
    started: list[Any] = []

    def start(folder: Path = models_folder, **variables: str) -> Any:
        started.append(daemons.Daemon(folder, **variables))
        return started[-1].start()

    yield start
    for daemon in started:
        daemon.__exit__()


@pytest.fixture
def without_openblas(tmp_path: Path) -> str:
    """A PYTHONPATH with which a process finds no OpenBLAS to load, as where it is not installed."""
    folder = tmp_path / "without-openblas"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import ctypes\n"
        "real = ctypes.CDLL.__init__\n"
        "def refuse(self, name=None, *a, **k):\n"
        "    if name and 'openblas' in str(name):\n"
        "        raise OSError(name)\n"
        "    real(self, name, *a, **k)\n"
        "ctypes.CDLL.__init__ = refuse\n"
    )
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.fixture(scope="session")
def corpus(tiny_models: ModuleType) -> Callable[..., list[dict[str, Any]]]:
    """Lines of an upload: `count` short texts of each class, all different, the classes by turns."""

    def lines(count: int, *, seed: int = 0, words: int = 8) -> list[dict[str, Any]]:
        by_class = [tiny_models.texts(name, count, seed=seed, words=words) for name in tiny_models.CLASSES]
        return [
            {"id": f"{tiny_models.CLASSES[label]}-{seed}-{number}", "label": label, "document": text}
            for number, texts in enumerate(zip(*by_class, strict=True))
            for label, text in enumerate(texts)
        ]

    return lines


@pytest.fixture(scope="session")
def fast() -> dict[str, Any]:
    return dict(FAST)


@pytest.fixture(scope="session")
def new_project(tiny_models: ModuleType) -> Callable[[Any], str]:
    """Makes a project of the three classes of the tiny corpus in a daemon; its name."""
    numbers = itertools.count(1)

    def make(daemon: Any) -> str:
        name = f"project-{next(numbers)}"
        daemon.client.create_project(name, tiny_models.CLASSES, model="tiny")
        return name

    return make


@pytest.fixture
def project(served: Any, new_project: Callable[[Any], str]) -> str:
    """An empty project in `served`."""
    return new_project(served)


@dataclass(frozen=True)
class Trained:
    """`lines` by split, as they were uploaded; `stages` are the job's reports while it ran."""

    daemon: Any
    project: str
    lines: dict[str, list[dict[str, Any]]]
    stages: list[Any]

    @property
    def client(self) -> Any:
        return self.daemon.client

    @property
    def job(self) -> Any:
        return self.stages[-1]


@pytest.fixture(scope="session")
def trained(
    served: Any,
    tiny_models: ModuleType,
    corpus: Callable[..., list[dict[str, Any]]],
    new_project: Callable[[Any], str],
) -> Trained:
    """A project with a live classifier. Tests read it; one that changes documents makes a project of its own."""
    project = new_project(served)
    outside = [
        {"id": f"outside-{number}", "label": -99, "document": text}
        for number, text in enumerate(tiny_models.texts("other", 8))
    ]
    lines = {
        "train": [
            *corpus(60),
            {"id": "blank", "label": -1, "document": "a report of the year"},
            *outside[:2],
        ],
        "calibration": corpus(20, seed=1),
        # The first of them repeats the text of a document that trains, under another id.
        "test": [{**corpus(1)[0], "id": "repeated"}, *corpus(30, seed=2), *outside[2:]],
        "other": [{"id": "unlabelled", "document": "profit rose in the quarter"}],
    }
    for split, documents in lines.items():
        assert served.upload(project, documents, split).rejected == 0
    stages = list(served.client.watch_job(served.client.train(project, **FAST).name))
    assert stages[-1].state == "succeeded", stages[-1].error
    return Trained(served, project, lines, stages)


def _beside(name: str, file: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(file))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
