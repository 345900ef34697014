"""Claim: of texts that belong to no class at most 2 % are admitted at alpha >= .9.

The classifiers of `phrasebank` (same data, same seeds, same settings) are asked about texts that are not financial
news at all: out-of-scope questions of CLINC150 and the test split of 2,000 movie reviews. These are uploaded as splits
of their own with label -99 after the first training and scored by the daemon. The reviews have a sentiment but no
class of this project's: they are about films, and about 750 words long against 23.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from reex import Client
from reexd.sdm.intervals import clopper_pearson

from bench import datasets
from bench.daemon import Daemon
from bench.meter import Phases
from bench.reference_job import ALPHA, PROJECT, prepare_and_upload, train_and_evaluate
from bench.report import FOLDER, Check, Result, Table
from bench.seeds import seeds

ADMITTED_MAX = 0.02
QUICK_DOCUMENTS = 60


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--csv", type=Path, default=datasets.PHRASEBANK, help="all-data.csv, as it is downloaded"
    )
    parser.add_argument(
        "--questions", type=Path, default=datasets.OUT_OF_SCOPE, help="JSON Lines with `document`"
    )
    parser.add_argument("--reviews", type=Path, default=datasets.REVIEWS, help="JSON Lines with `document`")
    parser.add_argument("--seeds", type=int, default=3)


def run(options: argparse.Namespace) -> Result:
    csv = datasets.needed(options.csv, "--csv")
    limit = QUICK_DOCUMENTS if options.quick else None
    foreign = {
        "questions": datasets.documents(datasets.needed(options.questions, "--questions"), limit),
        "reviews": datasets.documents(datasets.needed(options.reviews, "--reviews"), limit),
    }
    found: list[dict[str, Any]] = []
    with Daemon() as daemon, tempfile.TemporaryDirectory() as folder, daemon.client() as client:
        prepare_and_upload(daemon, csv, Path(folder), Phases())
        for seed in seeds(1 if options.quick else options.seeds):
            run = train_and_evaluate(client, seed, Phases())
            if seed == 0:
                _upload(client, foreign)
            print(
                f"  seed {seed}: trained, accuracy {run.evaluation.accuracy:.3f}; scoring other texts",
                flush=True,
            )
            told = {"seed": seed, "weights_sha256": run.training["weights_sha256"]}
            told |= {"test": run.rung(ALPHA)[0] / run.evaluation.n}
            found.append(told | {name: _admitted(client, name) for name in foreign})
    return _result(found)


def _upload(client: Client, foreign: dict[str, list[str]]) -> None:
    for name, texts in foreign.items():
        lines = [{"id": f"{name}-{at}", "label": -99, "document": text} for at, text in enumerate(texts)]
        client.upload(PROJECT, lines, name)


def _admitted(client: Client, split: str) -> dict[str, Any]:
    """How many of a split are admitted to each region, and why the others are not."""
    regions: dict[str, int] = {}
    reasons: dict[str, int] = {}
    count = 0
    for answer in client.predict_split(PROJECT, split, neighbors=0):
        count += 1
        regions[f"{answer.region_alpha:g}"] = regions.get(f"{answer.region_alpha:g}", 0) + 1
        reasons[answer.reason or "admitted"] = reasons.get(answer.reason or "admitted", 0) + 1
    at_alpha = sum(many for alpha, many in regions.items() if float(alpha) >= ALPHA)
    anywhere = count - regions.get("0", 0)
    return {"n": count, "admitted": at_alpha, "any_rung": anywhere, "regions": regions, "reasons": reasons}


def _result(found: list[dict[str, Any]]) -> Result:
    result = Result(raw={"runs": found})
    rows = []
    for told in found:
        for name in ("questions", "reviews"):
            each = told[name]
            low, high = clopper_pearson(each["admitted"], each["n"])
            share = f"{100 * each['admitted'] / each['n']:.2f} % [{100 * low:.2f}, {100 * high:.2f}]"
            any_rung = f"{100 * each['any_rung'] / each['n']:.1f} %"
            rows.append(
                (
                    told["seed"],
                    name,
                    each["n"],
                    each["admitted"],
                    share,
                    any_rung,
                    f"{100 * told['test']:.1f} %",
                )
            )
    columns = (
        "seed",
        "texts",
        "n",
        f"admitted at alpha >= {ALPHA}",
        "share [95 %]",
        "at any alpha",
        "own test split",
    )
    result.tables = [Table("Admitted though they belong to no class", columns, rows)]
    for name in ("questions", "reviews"):
        shares = [told[name]["admitted"] / told[name]["n"] for told in found]
        mean = sum(shares) / len(shares)
        figure = f"mean {100 * mean:.2f} %, highest {100 * max(shares):.2f} %"
        result.checks.append(Check(f"at most 2 % of the {name} admitted", figure, mean <= ADMITTED_MAX))
    result.notes = [_same_classifiers(found)]
    return result


def _same_classifiers(found: list[dict[str, Any]]) -> str:
    """Whether the weights are bit for bit those of the last complete run of `phrasebank`."""
    digests = [told["weights_sha256"] for told in found]
    shown = f"SHA-256 of the weights by seed: {', '.join(digest[:12] for digest in digests)}"
    before = FOLDER / "phrasebank.json"
    if not before.is_file():
        return f"{shown}; run `phrasebank` first to have them compared with its own"
    runs = json.loads(before.read_text(encoding="utf-8"))["figures"]["runs"]
    theirs = [run["training"]["weights_sha256"] for run in runs]
    same = theirs[: len(digests)] == digests
    return f"{shown}; {'the very classifiers' if same else 'NOT the classifiers'} of the last run of `phrasebank`"
