"""Claim: whole reviews, read in overlapping windows, are classified at least as well as their first window alone.

Reviews of some 750 words, several windows each. The same training and test documents go through a real daemon twice:
whole, and cut at the end of the model's window. Accuracy with Clopper-Pearson intervals of 95 %, and since both sides
answer for the same documents, McNemar's exact test on those where only one is right. CPU seconds of all processes.

Then throughput by length: openings of the reviews, cut to lengths drawn evenly within each range, and whole reviews,
through one process per core that does forward passes alone (bench/forward_pass.py), as the engine batches them: sorted
by length. Padding is the share of the multiplied tokens that belong to no text; beside it what batches of 32 texts in
the order they came would have.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from reex.figures import Evaluation
from reexd.sdm.intervals import clopper_pearson

from bench import machine
from bench.daemon import BenchFailed, Daemon, models_folder
from bench.datasets import SHARED, needed
from bench.forward_pass import ForwardPasses
from bench.meter import Phases
from bench.reference_job import ALPHA, admitted_at, watch
from bench.report import Check, Result, Table

if TYPE_CHECKING:
    from tokenizers import Encoding

DATA = SHARED / "movie_reviews_2000"
MODEL = "minilm"
TRAINING, TEST = 1000, 600
QUICK_TRAINING, QUICK_TEST = 60, 40
RANGES = ((9, 16), (17, 32), (33, 64), (65, 128), (129, 256))  # tokens, special ones included
RANGE_TOKENS, QUICK_RANGE_TOKENS = 40_000, 4000  # of each range
SPECIAL_TOKENS = 2  # [CLS] and [SEP]
UNSORTED_BATCH = 32
PROJECT, SPLITS = "reviews", ("train", "test")
SEED = 0


@dataclass(frozen=True, slots=True)
class Run:
    """The classifier of one form of the documents."""

    form: str
    characters: float  # of a document, on average
    phases: Phases
    evaluation: Evaluation
    right: dict[str, bool]  # by test document


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, default=DATA, help="folder with train, test and labels.jsonl")
    parser.add_argument("--training", type=int, default=TRAINING, help="documents")
    parser.add_argument("--test", type=int, default=TEST, help="documents")
    parser.add_argument("--range-tokens", type=int, default=RANGE_TOKENS, help="of each range of lengths")


def run(options: argparse.Namespace) -> Result:
    counts = (QUICK_TRAINING, QUICK_TEST) if options.quick else (options.training, options.test)
    whole = {
        split: _spread(needed(options.data / f"{split}.jsonl", "--data"), count)
        for split, count in zip(SPLITS, counts, strict=True)
    }
    labels = needed(options.data / "labels.jsonl", "--data")
    window, encode = _tokenizer()
    cut = {
        split: [
            {**line, "document": _opening(line["document"], each, window)}
            for line, each in zip(lines, encode([line["document"] for line in lines]), strict=True)
        ]
        for split, lines in whole.items()
    }
    per_range = QUICK_RANGE_TOKENS if options.quick else options.range_tokens
    reviews = [line["document"] for line in whole["train"]]
    throughput = _throughput(reviews, encode(reviews), per_range)
    runs = [_run(form, labels, lines) for form, lines in (("first window", cut), ("whole", whole))]
    result = Result(raw={"runs": [_raw(each) for each in runs], "throughput": throughput})
    result.tables = [_accuracies(runs), _costs(runs), _lengths(throughput)]
    result.checks = _checks(runs)
    result.notes = [
        f"{MODEL}, windows of {window} tokens that overlap by a quarter; {counts[0]} training documents"
    ]
    return result


def _spread(path: Path, count: int) -> list[dict[str, Any]]:
    """So many lines, spread over the file, which is sorted by class."""
    with path.open(encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    places = np.linspace(0, len(lines) - 1, min(count, len(lines))).round().astype(int)
    return [{key: lines[at][key] for key in ("id", "label", "document")} for at in places]


def _tokenizer() -> tuple[int, Any]:
    """The model's window, and its tokenizer as a function of several texts, special tokens left out."""
    from reexd.engine import models
    from reexd.engine.tokens import window_tokens
    from reexd.registry import Registry
    from tokenizers import Tokenizer

    files = Registry(models_folder(), offline=True).find(MODEL)
    window = window_tokens(
        files.folder, models.positions(models.read_config(files.folder)), files.window_tokens
    )
    tokenizer = Tokenizer.from_file(str(files.folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return window, lambda texts: tokenizer.encode_batch(texts, add_special_tokens=False)


def _opening(text: str, encoding: Encoding, tokens: int) -> str:
    """As much of a text as makes at most so many tokens, special ones included."""
    kept = encoding.offsets[: tokens - SPECIAL_TOKENS]
    return text[: kept[-1][1]]


def _run(form: str, labels: Path, lines: dict[str, list[dict[str, Any]]]) -> Run:
    print(f"  {form}: {', '.join(f'{split} {len(each)}' for split, each in lines.items())}", flush=True)
    phases = Phases()
    with Daemon() as daemon, daemon.client() as client, tempfile.TemporaryDirectory() as folder:
        daemon.reexctl("project", "create", PROJECT, "--labels", str(labels), "--model", MODEL)
        with phases.phase("upload"):
            for split, documents in lines.items():
                path = Path(folder) / f"{split}.jsonl"
                path.write_text("".join(json.dumps(each) + "\n" for each in documents), encoding="utf-8")
                if client.upload(PROJECT, path, split).rejected:
                    raise BenchFailed(f"documents of {split} were refused")
        watch(client, client.train(PROJECT, seed=SEED).name, phases)
        with phases.phase("evaluate"):
            evaluation = client.evaluate(PROJECT, "test")
        right = {each.id: each.prediction == each.label for each in client.predict_split(PROJECT, "test")}
    print(f"  {form}: {evaluation.accuracy:.3f}", flush=True)
    sizes = [len(line["document"]) for documents in lines.values() for line in documents]
    return Run(form, sum(sizes) / len(sizes), phases, evaluation, right)


def _throughput(texts: Sequence[str], encodings: Sequence[Encoding], per_range: int) -> list[dict[str, Any]]:
    """What the bare forward passes make of each range of lengths, of all of them together, and of whole texts."""
    rng = np.random.default_rng(SEED)
    groups: dict[str, list[str]] = {}
    for low, high in RANGES:
        count = max(1, round(per_range / ((low + high) / 2)))
        chosen = rng.integers(len(texts), size=count)
        lengths = rng.integers(low, high + 1, size=count)
        groups[f"{low} to {high}"] = [
            _opening(texts[at], encodings[at], length) for at, length in zip(chosen, lengths, strict=True)
        ]
    mixed = [text for group in groups.values() for text in group]
    rng.shuffle(mixed)
    groups["all of these, mixed"] = mixed
    mean = sum(len(each.ids) for each in encodings) / len(encodings)
    groups["whole, in windows"] = list(texts[: max(1, round(per_range / mean))])
    with ForwardPasses(MODEL, machine.cores()) as bare:
        batch = bare.best(mixed[:: max(1, len(mixed) // 300)])
        found = []
        for name, group in groups.items():
            print(f"  {name} tokens: {len(group)} texts", flush=True)
            lengths = [len(each.ids) + SPECIAL_TOKENS for each in _encoded(group)]
            told = bare.run(group, batch)
            found.append(
                {
                    "range": name,
                    "documents": len(group),
                    "mean_tokens": sum(lengths) / len(lengths),
                    "batch_tokens": batch,
                    "unsorted_padding": _unsorted_padding(lengths),
                    **told,
                }
            )
    return found


def _encoded(texts: Sequence[str]) -> Sequence[Encoding]:
    _, encode = _tokenizer()
    return encode(list(texts))


def _unsorted_padding(lengths: Sequence[int]) -> float:
    batches = [lengths[at : at + UNSORTED_BATCH] for at in range(0, len(lengths), UNSORTED_BATCH)]
    return 1 - sum(lengths) / sum(len(batch) * max(batch) for batch in batches)


def _raw(run: Run) -> dict[str, Any]:
    return {
        "form": run.form,
        "characters": run.characters,
        "phases_wall_s": run.phases.wall_s,
        "phases_cpu_s": run.phases.cpu_s,
        "evaluation": run.evaluation.to_dict(),
    }


def _share(correct: int, count: int) -> str:
    if not count:
        return "-"
    low, high = clopper_pearson(correct, count)
    return f"{100 * correct / count:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def _accuracies(runs: list[Run]) -> Table:
    rows = []
    for run in runs:
        admitted, right = admitted_at(run.evaluation, ALPHA)
        rows.append(
            (
                run.form,
                f"{run.characters:.0f}",
                _share(run.evaluation.correct, run.evaluation.n),
                f"{100 * admitted / run.evaluation.n:.1f} %",
                _share(right, admitted),
            )
        )
    columns = ("", "characters", "right [95 %]", f"admitted at {ALPHA:g}", "of these right [95 %]")
    return Table(f"{runs[0].evaluation.n} test documents", columns, rows)


def _costs(runs: list[Run]) -> Table:
    phases = list(runs[0].phases.cpu_s)
    rows = [(phase, *(f"{run.phases.cpu_s.get(phase, 0.0):.1f}" for run in runs)) for phase in phases]
    return Table("CPU seconds, all processes", ("phase", *(run.form for run in runs)), rows)


def _lengths(throughput: list[dict[str, Any]]) -> Table:
    rows = [
        (
            each["range"],
            each["documents"],
            f"{each['mean_tokens']:.0f}",
            f"{each['documents'] / (each['forward_cpu_s'] + each['read_cpu_s']):.1f}",
            f"{each['tokens'] / (each['forward_cpu_s'] + each['read_cpu_s']):.0f}",
            f"{100 * each['read_cpu_s'] / (each['forward_cpu_s'] + each['read_cpu_s']):.1f} %",
            f"{100 * (1 - each['tokens'] / each['padded']):.1f} %",
            f"{100 * each['unsorted_padding']:.0f} %" if each["windows"] == each["documents"] else "",
        )
        for each in throughput
    ]
    columns = (
        "tokens",
        "documents",
        "mean tokens",
        "documents / CPU s",
        "tokens / CPU s",
        "of it tokenising",
        "padding",
        f"unsorted, by {UNSORTED_BATCH}",
    )
    title = f"Throughput by length, {MODEL}, at most {throughput[0]['batch_tokens']} padded tokens at once"
    return Table(title, columns, rows)


def _checks(runs: list[Run]) -> list[Check]:
    cut, whole = runs
    gained = sum(whole.right[name] and not right for name, right in cut.right.items())
    lost = sum(right and not whole.right[name] for name, right in cut.right.items())
    return [
        Check(
            "whole documents are classified at least as well as their first window",
            f"{100 * (whole.evaluation.accuracy - cut.evaluation.accuracy):+.1f} points; right only whole {gained},"
            f" only cut {lost}, McNemar's p {_mcnemar(gained, lost):.3g}",
            whole.evaluation.accuracy >= cut.evaluation.accuracy,
        )
    ]


def _mcnemar(one: int, other: int) -> float:
    """Two-sided exact p: so uneven a split of those on which the sides differ, were each side as likely."""
    count = one + other
    tail = sum(comb(count, at) for at in range(min(one, other) + 1)) / 2**count
    return min(1.0, 2 * tail)
