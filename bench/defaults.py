"""Claim: product defaults, without any option, reach tuned class-balanced logistic regression on the same training rows
less one point, on every set, of 60 to 18,000 documents and 2 to 150 classes, and have a rung at alpha >= .9 where class
sizes allow one.

In process, over hidden states that the engine made once: the settings, fits, choice of the shuffle and calibration are
the functions that the daemon's training calls (`phrasebank` goes end to end). The regression's strength is
cross-validated on its own rows (`regression.py`); "same rows" are the support of the shuffle that was kept, "all rows"
the pool. Subsets are drawn by class shares, at least four of each class, and more often than there are seeds: which 150
documents were drawn moves the difference by points. 500 test documents do not tell one point from chance: a second
figure is over all that were not drawn as well, and whole sets with few test documents are cut into fifths besides, each
tested on what the others trained. "Sizes allow": some class has the calibration documents, over all
shuffles, that a certificate at .9 takes (`certified_rows_min`). Test documents choose nothing.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from reexd.sdm.intervals import clopper_pearson

from bench import defaults_sets, estimator_data, regression
from bench.datasets import SHARED
from bench.defaults_sets import Case, joined
from bench.estimator_data import Rows
from bench.report import Check, Result, Table
from bench.seeds import STRIDE
from bench.stored import Rows as Stored

ALPHA, BEHIND_MAX = 0.9, 0.01
SEEDS, DRAWS = 3, 10  # of a whole set, of a small one
REGRESSION_CLASSES_MAX = 20  # above it the regression on all rows is left out: an hour


@dataclass(frozen=True, slots=True)
class Trial:
    set: str
    seed: int
    documents: int
    classes: int
    accuracy: float
    same_rows: float  # accuracy of the regression
    unseen: int  # test documents, and of a drawn set those that were not drawn
    unseen_accuracy: float
    unseen_same_rows: float
    all_rows: float | None
    admitted: int  # test documents at ALPHA or higher
    right: int
    tested: int
    certified: int  # classes at ALPHA or higher
    could: bool  # class sizes allow a rung at ALPHA
    highest: float
    beyond: float  # share of test documents with d = 0
    cpu_s: float
    why: list[str]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, default=SHARED, help="folder of the data sets, one folder each")
    parser.add_argument("--sets", nargs="+", choices=estimator_data.EVERY, default=[*estimator_data.EVERY])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument(
        "--draws", type=int, default=DRAWS, help="of each set that is drawn from a larger one"
    )


def run(options: argparse.Namespace) -> Result:
    from reexd.engine import blas

    blas.load()  # as an engine process does, before MLX
    blas.keep_freed_memory()
    names = ["phrasebank", "trec6"] if options.quick else options.sets
    seeds, draws = (0, 1) if options.quick else (options.seeds, options.draws)
    trials = [
        _trial(case, seed)
        for whole in estimator_data.tasks(options.data, names)
        for seed in range(max(seeds, draws, defaults_sets.FIFTHS))
        for case in [
            *(defaults_sets.drawn_sets(whole, seed) if seed < draws else ()),
            *(defaults_sets.whole_sets(whole) if seed < seeds else ()),
            *(defaults_sets.fifths(whole, seed) if seeds else ()),
        ]
    ]
    return Result(
        raw={"trials": [asdict(trial) for trial in trials]},
        tables=[_table(trials), _reasons(trials)],
        checks=_checks(trials),
        notes=[
            "in process on hidden states of the engine; figures are means over the trials, ± a standard error; CPU"
            " time is that of all J fits; highest alpha: each that a trial had"
        ],
    )


def _trial(case: Case, seed: int) -> Trial:
    from reexd import sdm
    from reexd.engine.adaptor.settings import choose
    from reexd.engine.adaptor.shuffles import fit_shuffles
    from reexd.engine.matching import Matcher
    from reexd.engine.tasks import State
    from reexd.steps.calibrate import calibrations
    from reexd.steps.fit import Fitted, chosen

    pool, test, rest = case.pool, case.test, case.rest
    print(f"  {case.name}, seed {seed}: {len(pool.labels)} documents", flush=True)
    sizes = np.bincount(pool.labels)
    settings = choose(sizes.tolist(), seed=seed * STRIDE)
    begun = time.process_time()
    outcomes = tuple(
        State(arrays, facts) for facts, arrays in fit_shuffles(pool.vectors, pool.labels, settings)
    )
    fitted = Fitted(outcomes, chosen(outcomes, settings))
    everyone = np.arange(len(pool.labels))
    calibration = calibrations(fitted, everyone, sizes.size, settings)[fitted.number]
    cpu_s = time.process_time() - begun
    facts, arrays = fitted.outcome.facts, fitted.outcome.arrays
    matcher = Matcher(
        sdm.AdaptorWeights.among(arrays),
        sdm.Normalization(facts["mean"], facts["standard_deviation"]),
        pool.vectors[fitted.training],
        arrays["support_labels"],
        neighbors_max=settings.neighbors_max,
    )
    unseen, tested = test if rest is None else joined(test, rest), len(test.labels)  # the test comes first
    matched = matcher.match(unseen.vectors, neighbors=0)
    named = matched.logits.argmax(axis=1) == unseen.labels
    scores = sdm.score(*(each[:tested] for each in (matched.logits, matched.q, matched.d0)), calibration)
    right, admitted = named[:tested], scores.region_alpha >= ALPHA
    high = [region for region in calibration.regions if region.alpha >= ALPHA]
    certified = {label for region in high for label in range(sizes.size) if label not in sdm.left_out(region)}
    rows = calibration.witnesses
    most = np.bincount(rows.labels, rows.weights).max()  # calibration documents of a class, all shuffles
    support = Rows(pool.vectors[fitted.training], pool.labels[fitted.training])
    same_rows = _regression(support, test, seed)
    return Trial(
        set=case.name,
        seed=seed,
        documents=len(pool.labels),
        classes=sizes.size,
        accuracy=float(right.mean()),
        same_rows=same_rows,
        unseen=len(unseen.labels),
        unseen_accuracy=float(named.mean()),
        unseen_same_rows=same_rows if rest is None else _regression(support, unseen, seed),
        all_rows=_regression(pool, test, seed) if sizes.size <= REGRESSION_CLASSES_MAX else None,
        admitted=int(admitted.sum()),
        right=int((admitted & right).sum()),
        tested=tested,
        certified=len(certified),
        could=bool(most >= sdm.certified_rows_min(ALPHA, rows.reserve)),
        highest=max((region.alpha for region in calibration.regions), default=0.0),
        beyond=float((scores.d == 0.0).mean()),
        cpu_s=cpu_s,
        why=sdm.explain_regions(calibration),
    )


def _regression(training: Rows, test: Rows, seed: int) -> float:
    rows = [Stored(each.vectors, each.labels, np.ones(len(each.labels), bool)) for each in (training, test)]
    return float(regression.fit_and_score(*rows, seed)["accuracy"])


def _grouped(trials: list[Trial]) -> dict[str, list[Trial]]:
    return {
        name: [each for each in trials if each.set == name] for name in dict.fromkeys(t.set for t in trials)
    }


def _mean(trials: list[Trial], name: str) -> float:
    return statistics.fmean(getattr(each, name) for each in trials)


def _table(trials: list[Trial]) -> Table:
    rows: list[tuple[Any, ...]] = []
    for name, own in _grouped(trials).items():
        admitted, right = sum(each.admitted for each in own), sum(each.right for each in own)
        everything = [each.all_rows for each in own if each.all_rows is not None]
        rows.append(
            (
                name,
                own[0].classes,
                own[0].documents,
                len(own),
                f"{_mean(own, 'accuracy'):.1%}",
                f"{_mean(own, 'same_rows'):.1%}",
                _gap(own),
                _gap(own, "unseen_"),
                own[0].unseen,
                f"{statistics.fmean(everything):.1%}" if everything else "-",
                f"{admitted / sum(each.tested for each in own):.1%}",
                f"{right / admitted:.1%}" if admitted else "-",
                f"{_mean(own, 'certified'):.1f}",
                ", ".join(f"{alpha:g}" for alpha in sorted({each.highest for each in own}, reverse=True)),
                f"{_mean(own, 'beyond'):.1%}",
                f"{_mean(own, 'cpu_s'):.0f}",
            )
        )
    columns = ("set", "classes", "documents", "trials", "accuracy")
    columns += (
        "regression, same rows",
        "points above it",
        "the same, all unseen",
        "unseen",
        "regression, all rows",
        f"admitted at >= {ALPHA}",
        "of these right",
        "classes certified",
        "highest alpha",
        "d = 0",
        "CPU s",
    )
    return Table("Defaults beside tuned regression", columns, rows)


def _gap(trials: list[Trial], tested: str = "") -> str:
    """Points above the regression on the same rows; with its standard error over the trials."""
    gaps = [
        100 * (getattr(each, f"{tested}accuracy") - getattr(each, f"{tested}same_rows")) for each in trials
    ]
    shown = f"{statistics.fmean(gaps):+.1f}"
    return shown + (f" ± {statistics.stdev(gaps) / len(gaps) ** 0.5:.1f}" if len(gaps) > 1 else "")


def _reason(trial: Trial) -> str:
    return next((said for said in trial.why if f"alpha {ALPHA}," in said), trial.why[0])


def _reasons(trials: list[Trial]) -> Table:
    rows = []
    for name, own in _grouped(trials).items():
        without = [each for each in own if each.highest < ALPHA and each.why]
        if without:
            rows.append((name, f"{len(without)} of {len(own)}", _reason(without[0])))
    title = f"Why there is no rung at {ALPHA}: what the first such report says of it"
    return Table(title, ("set", "trials without", "reason"), rows)


def _checks(trials: list[Trial]) -> list[Check]:
    groups = _grouped(trials)
    behind = {name: _mean(own, "same_rows") - _mean(own, "accuracy") for name, own in groups.items()}
    worst = max(behind, key=lambda name: behind[name])
    wide = {
        name: _mean(own, "unseen_same_rows") - _mean(own, "unseen_accuracy")
        for name, own in groups.items()
        if defaults_sets.in_fifths(name) not in groups  # which test the same documents and more
    }
    widest = max(wide, key=lambda name: wide[name])
    able = [each for each in trials if each.could]
    without = sorted({each.set for each in able if each.highest < ALPHA})
    admitted, right = sum(each.admitted for each in trials), sum(each.right for each in trials)
    share = right / admitted if admitted else 0.0
    below = _below_promise(groups)
    silent = max(trials, key=lambda each: each.beyond)
    return [
        Check(
            "on each set at most one point under the regression on the same rows",
            f"worst {_gap(groups[worst])} points ({worst})",
            behind[worst] <= BEHIND_MAX,
        ),
        Check(
            "the same on more documents: of drawn sets also those not drawn, of whole ones with under"
            f" {defaults_sets.TEST_FEW:,} test documents each in its fifth",
            f"worst {_gap(groups[widest], 'unseen_')} points ({widest})",
            wide[widest] <= BEHIND_MAX,
        ),
        Check(
            f"a rung at alpha >= {ALPHA} where class sizes allow it",
            f"{len(able) - sum(each.highest < ALPHA for each in able)} of {len(able)}"
            + (f"; not {', '.join(without)}" if without else ""),
            not without,
        ),
        Check(
            f"accuracy among the admitted of all sets together at least {ALPHA:.0%}",
            f"{share:.1%} of {admitted}",
            share >= ALPHA,
        ),
        Check(
            f"of no set is the accuracy among the admitted below {ALPHA:.0%} beyond chance: its 95 % interval, trials"
            " pooled, does not end below",
            "; ".join(below) or f"none of {len(groups)}",
            not below,
        ),
        Check("no silent d = 0", f"at most {silent.beyond:.1%} ({silent.set})", silent.beyond <= 0.1),
    ]


def _below_promise(groups: dict[str, list[Trial]]) -> list[str]:
    """The sets whose admitted are right less often than promised, by the interval over all their trials.

    Trials of a set share test documents, so that the interval is narrower than it should be.
    """
    below = []
    for name, own in groups.items():
        admitted, right = sum(each.admitted for each in own), sum(each.right for each in own)
        if admitted and clopper_pearson(right, admitted)[1] < ALPHA:
            below.append(f"{name}: {right / admitted:.1%} of {admitted}")
    return below
