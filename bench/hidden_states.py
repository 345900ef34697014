"""Hidden states of the benches' texts: made once through the engine, kept in `.cache/bench/hidden_states`.

A file is named by a digest of the model's files, the revision of the engine's numbers, and the texts, so that it
never stands in for others. Every contender of a bench then reads the same numbers.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from reexd.engine import numerics
from reexd.engine.client import Engine, EngineSettings
from reexd.records import ModelFiles
from reexd.registry import Registry

from bench.daemon import ROOT, models_folder

FOLDER = ROOT / ".cache" / "bench" / "hidden_states"
MODEL = "minilm"


def of(sets: dict[str, Sequence[str]], say: Callable[[str], None] = print) -> dict[str, np.ndarray]:
    """Hidden states of named lists of texts, (n, D) float32 each. Workers are started only for what is not kept."""
    model = Registry(models_folder()).find(MODEL)
    paths = {name: FOLDER / f"{_digest(model, texts)}.npy" for name, texts in sets.items()}
    missing = [name for name, path in paths.items() if not path.exists()]
    if missing:
        _make(model, {paths[name]: sets[name] for name in missing}, say)
    return {name: np.load(path) for name, path in paths.items()}


def _digest(model: ModelFiles, texts: Sequence[str]) -> str:
    facts = [MODEL, sorted(model.digests.items()), model.pooling, numerics.REVISION, list(texts)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _make(model: ModelFiles, wanted: dict[Path, Sequence[str]], say: Callable[[str], None]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        engine = Engine(EngineSettings(), Path(scratch))
        engine.start()
        try:
            for path, texts in wanted.items():
                say(f"  embedding {len(texts)} texts, kept for later runs")
                partial = path.with_suffix(".partial.npy")
                np.save(partial, engine.embed(model, texts).vectors)
                partial.rename(path)
        finally:
            engine.stop()
