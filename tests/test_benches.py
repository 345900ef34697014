"""What the benches take from the program exists: they run for minutes, so nothing runs all of them on each change."""

from __future__ import annotations

import argparse
import ast
import importlib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

from bench import defaults, estimator_claims, peers, report, scripts, training_vs_official

BENCH = Path(__file__).parents[1] / "bench"
OURS = {"reex", "reexd"}


def test_there_are_benches() -> None:
    assert len(list(BENCH.glob("*.py"))) > 10


@pytest.mark.parametrize("path", sorted(BENCH.glob("*.py")), ids=lambda path: path.stem)
def test_every_name_of_the_program_exists(path: Path) -> None:
    tree = ast.parse(path.read_text())
    missing, modules = [], {}
    for line, owner, name in _imported(tree):
        value = _taken(owner, name)
        if value is None:
            missing.append(f"{path.name}:{line} {owner}.{name}")
        elif isinstance(value, ModuleType):
            modules[name] = value
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            owner = modules[node.value.id].__name__
            if _taken(owner, node.attr) is None:
                missing.append(f"{path.name}:{node.lineno} {owner}.{node.attr}")
    assert not missing


def _imported(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """(line, module, name) of every `from MODULE import NAME` of the program, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OURS:
            for alias in node.names:
                assert alias.asname is None, f"line {node.lineno}: this test follows no renamed import"
                yield node.lineno, str(node.module), alias.name


def _taken(owner: str, name: str) -> object | None:
    """What `from owner import name` gives; None when it fails."""
    module = importlib.import_module(owner)
    if hasattr(module, name):
        return getattr(module, name)
    try:
        return importlib.import_module(f"{owner}.{name}")
    except ModuleNotFoundError:
        return None


@pytest.mark.parametrize(
    ("quick", "own", "sizes"),
    [(False, [], [4_000, 20_000]), (True, [], [4_000]), (False, ["--rows", "4000"], [4_000])],
)
def test_training_is_claimed_of_each_size_by_itself(monkeypatch, quick, own, sizes) -> None:
    """Twelve times our time is enough at 4,000 documents and too little at 20,000."""

    def run(python: str, role: str, arguments: list[str]) -> dict[str, object]:
        cpu_s = 1.0 if role == "ours" else 12.0
        return {"cpu_s": cpu_s, "wall_s": cpu_s, "resident_peak_mib": 1.0, "loss": 0.5, "alphas": []}

    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    monkeypatch.setattr(training_vs_official, "run", run)
    monkeypatch.setattr(peers, "python", lambda asked: Path(asked))
    options = argparse.Namespace(quick=quick, peer_python="peer")
    result = scripts.run("training", "bench.training_vs_official", options, own)
    assert list(result.raw) == [str(size) for size in sizes]
    assert len(result.tables) == len(sizes)
    assert [check.holds for check in result.checks] == [True, True, False, True][: 2 * len(sizes)]


@pytest.mark.parametrize(("speed", "holds"), [(0.44, False), (0.87, True)])
def test_a_slow_scan_is_told(monkeypatch, speed, holds) -> None:
    monkeypatch.setattr(scripts, "_script", lambda *a, **k: {"store_to_numpy_speed": speed})
    result = scripts.run("store-scan", "bench.store_scan", argparse.Namespace(quick=True), [])
    assert [check.holds for check in result.checks] == [holds]


def test_a_set_that_breaks_its_promise_is_named_however_good_the_others_are() -> None:
    def trial(name: str, seed: int, admitted: int, right: int) -> defaults.Trial:
        given = {"set": name, "seed": seed, "admitted": admitted, "right": right, "tested": 900}
        others = dict.fromkeys((field.name for field in fields(defaults.Trial)), 0) | {"why": []}
        return defaults.Trial(**others | given)

    trials = [trial("large", 0, 9_000, 8_950), trial("none", 0, 0, 0), trial("few", 0, 5, 4)]
    trials += [trial("phrasebank, 600 documents", seed, 20, 16) for seed in range(10)]
    held = {check.claim: check for check in defaults._checks(trials)}
    (pooled,) = (check for claim, check in held.items() if "together" in claim)
    (single,) = (check for claim, check in held.items() if "of no set" in claim)
    assert pooled.holds
    assert not single.holds
    assert single.found == "phrasebank, 600 documents: 80.0% of 200"


@pytest.mark.parametrize(
    ("counts", "holds"),
    [
        ({"a": (3, 3), "b": (0, 0)}, True),
        ({"a": (200, 160), "b": (9_000, 9_000)}, False),
        ({"a": (0, 0)}, False),
    ],
)
def test_a_promise_holds_where_some_task_keeps_it_and_none_breaks_it(counts, holds) -> None:
    """Each task as (admitted, right)."""
    figures = {
        (task, estimator_claims.OURS, "test"): argparse.Namespace(
            admitted={0.9: float(admitted)}, admitted_right={0.9: float(right)}
        )
        for task, (admitted, right) in counts.items()
    }
    assert estimator_claims._worst_promise(argparse.Namespace(figures=figures), counts, 0.9)[1] is holds


def test_a_bench_that_is_run_leaves_the_sections_of_the_others(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(report, "BENCH", tmp_path)
    monkeypatch.setattr(report, "RESULTS", tmp_path / "RESULTS.md")
    monkeypatch.setattr(report, "FOLDER", tmp_path / "results")
    pages = {"one": "", "two": "", "three": "own"}
    for name in pages:
        report.save(name, "Claim.", f"python -m bench {name}", report.Result(notes=["before"]), quick=False)
    report.write_results(pages)
    for file in (tmp_path / "results").iterdir():
        file.unlink()  # as on a fresh clone
    report.save("two", "Claim.", "python -m bench two", report.Result(notes=["after"]), quick=False)
    report.write_results(pages)
    page = (tmp_path / "RESULTS.md").read_text()
    assert "before" in page.partition("## two")[0]
    assert "after" in page.partition("## two")[2]
    assert "before" in (tmp_path / "own.md").read_text()
    monkeypatch.setattr(report.machine, "describe", lambda: {"processor": "another"})
    report.write_results(pages)
    assert "##" not in (tmp_path / "RESULTS.md").read_text(), "of another machine"
