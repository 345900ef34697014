"""What the accuracy depends on: the model, the documents it learns from, the layers that are tuned, the prompt.

On the Financial PhraseBank, through a real daemon, beside `models`, which has all documents. Documents are drawn by
class shares from the published train and calibration splits; larger draws hold the smaller ones. Layers are counted
from the top, at one number of documents. Of decoders, which read a prompt, the model is left as it was pulled: with the
prompt and without. The 900 test documents are evaluated once per training and choose nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

import numpy as np
from reex import Client, phrasebank

from bench import datasets, machine, tuning
from bench.daemon import Daemon, installed
from bench.meter import Phases, spread
from bench.reference_job import ALPHA, Run, train_and_evaluate
from bench.report import Check, Result, Table
from bench.seeds import seeds

SEEDS = 2
DOCUMENTS, LAYERS, LAYERS_AT = (300, 900, 2400), (1, 2, 4, 6), 900
FIGURES = (
    "accuracy %",
    f"admitted at {ALPHA:g} %",
    "of these right %",
    f"wall s on {machine.cores()} cores",
    "CPU s",
)
FROZEN, TUNED = -2, -1  # the model as it was pulled; as many layers as nobody asks for
QUICK_DOCUMENTS, QUICK_TEST = (60,), 60
DECODERS = "smollm2-135m-q4"


@dataclass(frozen=True, slots=True)
class Point:
    """One training; `layers` tuned, 0 for the model as it was pulled."""

    model: str
    documents: int
    seed: int
    layers: int
    default: bool  # as many layers as nobody asked for
    accuracy: float
    tested: int
    admitted: int
    right: int
    wall_s: float
    cpu_s: float  # of all processes
    prompt: str = ""


def add_options(parser: argparse.ArgumentParser) -> None:
    tuning.add_options(parser)
    parser.set_defaults(seeds=SEEDS)
    parser.add_argument(
        "--decoders", default=DECODERS, help="models that read a prompt, separated by commas; empty: none"
    )


def run(options: argparse.Namespace) -> Result:
    csv = datasets.needed(options.csv, "--csv")
    names = installed(options.models.split(","))
    points = [point for name in names for point in _points(csv, name, options)]
    default = [point for point in points if point.default]
    decoders = installed(options.decoders.split(",")) if options.decoders else []
    prompted = [point for name in decoders for point in _prompted(csv, name, options)]
    tables = [_by_documents(default), _by_layers([each for each in points if each.documents == LAYERS_AT])]
    return Result(
        raw={"points": [asdict(point) for point in [*points, *prompted]]},
        tables=[*tables, *([_by_prompt(prompted)] if prompted else [])],
        checks=[_gain(default)],
        notes=[
            f"mean and range over seeds {', '.join(map(str, seeds(options.seeds)))}, each with documents of its own"
        ],
    )


def _points(csv: Path, model: str, options: argparse.Namespace) -> Iterator[Point]:
    with Daemon() as daemon, daemon.client() as client:
        for seed in seeds(1 if options.quick else options.seeds):
            for count in QUICK_DOCUMENTS if options.quick else DOCUMENTS:
                project = f"{model}-{count}-{seed}"
                _create(client, project, _drawn(csv, count, seed, quick=options.quick), model=model)
                known: set[int] = set()
                for asked in (FROZEN, TUNED, *(LAYERS if count == LAYERS_AT else ())):
                    if asked in known:
                        continue
                    settings = (
                        {}
                        if asked == FROZEN
                        else {"tune": True}
                        if asked == TUNED
                        else {"tune": True, "tune_layers": asked}
                    )
                    found = train_and_evaluate(client, seed, Phases(), project=project, **settings)
                    yield (point := _point(model, count, found, default=asked in (FROZEN, TUNED)))
                    known.add(point.layers)


def _prompted(csv: Path, model: str, options: argparse.Namespace) -> Iterator[Point]:
    count = QUICK_DOCUMENTS[0] if options.quick else LAYERS_AT
    with Daemon() as daemon, daemon.client() as client:
        for seed in seeds(1 if options.quick else options.seeds):
            drawn = _drawn(csv, count, seed, quick=options.quick)
            # The published documents bring the prompt themselves, which goes before the project's.
            lines = {split: [{**line, "prompt": ""} for line in own] for split, own in drawn.items()}
            for name, prompt in (("bare", ""), ("asked", phrasebank.PROMPT)):
                project = f"{model}-{name}-{seed}"
                _create(client, project, lines, model=model, prompt=prompt)
                found = train_and_evaluate(client, seed, Phases(), project=project)
                yield _point(model, count, found, default=True, prompt=prompt)


def _drawn(csv: Path, count: int, seed: int, *, quick: bool) -> dict[str, list[dict]]:
    """The documents of each split: `count` of the pool by class shares, and those of the published test."""
    published = phrasebank.split(csv)
    pool, test = [*published.train, *published.calibration], published.test
    order = _by_shares(np.array([line["label"] for line in pool]), seed)
    return {
        "train": [pool[at] for at in order[:count]],
        "test": test[:: len(test) // QUICK_TEST] if quick else test,
    }


def _create(client: Client, project: str, lines: dict[str, list[dict]], **settings: str) -> None:
    client.create_project(project, phrasebank.CLASSES, **settings)
    for split, own in lines.items():
        client.upload(project, own, split)


def _by_shares(labels: np.ndarray, seed: int) -> np.ndarray:
    """An order of which every beginning has the classes in their shares, as near as it can."""
    rng = np.random.default_rng(seed)
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.argsort(place, kind="stable")


def _point(model: str, documents: int, found: Run, *, default: bool, prompt: str = "") -> Point:
    tuned = found.training.get("tuning")
    layers = tuned["settings"]["layers"] if tuned else 0
    evaluation = found.evaluation
    print(f"  {model}, {documents} documents, {layers} layers: {evaluation.accuracy:.3f}", flush=True)
    admitted, right = found.rung(ALPHA)
    return Point(
        model,
        documents,
        found.seed,
        layers,
        default,
        evaluation.accuracy,
        evaluation.n,
        admitted,
        right,
        found.wall_s,
        sum(found.phases.cpu_s.values()),
        prompt,
    )


def _grouped(points: list[Point], *names: str) -> dict[tuple, list[Point]]:
    """By the values of some fields, in the order they came."""
    found: dict[tuple, list[Point]] = {}
    for point in points:
        found.setdefault(tuple(getattr(point, name) for name in names), []).append(point)
    return found


def _by_documents(points: list[Point]) -> Table:
    rows = [
        (model, documents, layers or "", *_figures(group))
        for (model, documents, layers), group in _grouped(points, "model", "documents", "layers").items()
    ]
    title = f"{points[0].tested} test documents, by what it learned from"
    return Table(title, ("model", "documents", "tuned layers", *FIGURES), rows)


def _by_layers(points: list[Point]) -> Table:
    groups = _grouped(points, "model", "layers")
    rows = [(model, layers or "", *_figures(groups[model, layers])) for model, layers in sorted(groups)]
    return Table(f"By tuned layers, of {LAYERS_AT} documents", ("model", "tuned layers", *FIGURES), rows)


def _by_prompt(points: list[Point]) -> Table:
    groups = _grouped(points, "model", "prompt")
    rows = [(model, prompt or "none", *_figures(group)) for (model, prompt), group in groups.items()]
    return Table(
        f"By prompt, of {points[0].documents} documents, as it was pulled",
        ("model", "prompt", *FIGURES),
        rows,
    )


def _figures(group: list[Point]) -> tuple[str, ...]:
    admitted, right = sum(each.admitted for each in group), sum(each.right for each in group)
    return (
        spread([100 * each.accuracy for each in group], ".1f"),
        f"{100 * admitted / sum(each.tested for each in group):.1f}",
        f"{100 * right / admitted:.1f}" if admitted else "",
        spread([each.wall_s for each in group], ".0f"),
        spread([each.cpu_s for each in group], ".0f"),
    )


def _gain(points: list[Point]) -> Check:
    gains = {}
    for (model, documents), group in _grouped(points, "model", "documents").items():
        tuned = mean(each.accuracy for each in group if each.layers)
        frozen = mean(each.accuracy for each in group if not each.layers)
        gains[model, documents] = 100 * (tuned - frozen)
    return Check(
        f"tuning gains from {LAYERS_AT} documents on",
        ", ".join(f"{model} of {documents} {gain:+.1f} points" for (model, documents), gain in gains.items()),
        all(gain > 0 for (_, documents), gain in gains.items() if documents >= LAYERS_AT),
    )
