"""What the answers of the contenders come to: figures, tables and claims of `estimator`. Measures nothing itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from reexd.sdm.intervals import clopper_pearson

from bench.estimator_data import NO_CLASS, Task
from bench.meter import spread
from bench.report import Check, Result, Table

ALPHAS = (0.9, 0.95)
BINS = 15
OURS, BASELINES = "reex", ("softmax",)
PACKAGE = ("package as published", "package, sensible rate")


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a contender says of n texts: the prediction, its probability, and whether it is admitted at each alpha."""

    prediction: np.ndarray
    probability: np.ndarray
    admitted: dict[float, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One contender, task and seed."""

    contender: str
    task: str
    seed: int
    facts: dict[str, Any]  # of the training; CPU seconds and memory among them
    answers: dict[str, Answers]  # by set: "test" and the foreign ones


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one set of n texts: mean counts over the seeds, and calibration errors as means."""

    n: int
    right: float
    admitted: dict[float, float]
    admitted_right: dict[float, float]
    ece: float
    brier: float

    def share(self, alpha: float) -> float:
        return self.admitted[alpha] / self.n


def expected_calibration_error(probability: np.ndarray, right: np.ndarray, bins: int = BINS) -> float:
    """Mean distance between said and found over bins of equal mass, (n,) each; in [0, 1]."""
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, bins) if part.size]
    gaps = [abs(float(probability[part].mean() - right[part].mean())) * part.size for part in parts]
    return sum(gaps) / probability.size


def figures(answers: Sequence[Answers], labels: np.ndarray) -> Figures:
    """Over the seeds of one contender; a text of no class (-99) is never right."""
    rights = [each.prediction == labels for each in answers]
    return Figures(
        n=len(labels),
        right=_mean(right.sum() for right in rights),
        admitted={alpha: _mean(each.admitted[alpha].sum() for each in answers) for alpha in ALPHAS},
        admitted_right={
            alpha: _mean(
                (each.admitted[alpha] & right).sum() for each, right in zip(answers, rights, strict=True)
            )
            for alpha in ALPHAS
        },
        ece=_mean(
            expected_calibration_error(each.probability, right)
            for each, right in zip(answers, rights, strict=True)
        ),
        brier=_mean(
            np.square(each.probability - right).mean() for each, right in zip(answers, rights, strict=True)
        ),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Everything by task, contender and set."""

    tasks: Sequence[Task]
    trials: Sequence[Trial]
    sets: dict[tuple[str, str, str], Figures]

    def contenders(self, task: str) -> list[str]:
        return list(dict.fromkeys(trial.contender for trial in self.trials if trial.task == task))

    def of(self, task: str, contender: str) -> list[Trial]:
        return [trial for trial in self.trials if (trial.task, trial.contender) == (task, contender)]


def result(tasks: Sequence[Task], trials: Sequence[Trial], package_rows: int) -> Result:
    found = _Found(tasks, trials, {})
    for task in tasks:
        labels = {"test": task.test.labels} | {name: rows.labels for name, rows in task.foreign.items()}
        for contender in found.contenders(task.name):
            own = found.of(task.name, contender)
            for name, truth in labels.items():
                key = (task.name, contender, name)
                found.sets[key] = figures([trial.answers[name] for trial in own], truth)
    return Result(
        raw=_raw(found),
        tables=[table for task in tasks for table in _tables(found, task)],
        checks=_checks(found),
        notes=_notes(found, package_rows),
    )


def _raw(found: _Found) -> dict[str, Any]:
    return {
        "figures": [
            {"task": task, "contender": contender, "set": name}
            | {field: getattr(each, field) for field in Figures.__slots__}
            for (task, contender, name), each in found.sets.items()
        ],
        "trainings": [
            {"task": trial.task, "contender": trial.contender, "seed": trial.seed} | trial.facts
            for trial in found.trials
        ],
    }


def _tables(found: _Found, task: Task) -> list[Table]:
    head = f"{task.name}: {task.class_count} classes, {len(task.pool.labels)} pooled rows"
    tables = [
        Table(
            f"{head}, {len(task.test.labels)} test documents",
            ("", "accuracy [95 %]", *_admission_columns(), "ECE", "Brier", "training CPU s", "peak MiB"),
            [
                (
                    name,
                    *_row(found.sets[task.name, name, "test"], known=True),
                    *_cost(found.of(task.name, name)),
                )
                for name in found.contenders(task.name)
            ],
        )
    ]
    for name, rows in task.foreign.items():
        known = bool((rows.labels != NO_CLASS).all())
        kind = "the same classes, another source" if known else "of no class; nothing should be admitted"
        first = ("accuracy [95 %]",) if known else ()
        tables.append(
            Table(
                f"{task.name}, off distribution: {len(rows.labels)} {name} ({kind})",
                ("", *first, *_admission_columns(), "ECE", "Brier"),
                [
                    (each, *_row(found.sets[task.name, each, name], known=known))
                    for each in found.contenders(task.name)
                ],
            )
        )
    return tables


def _admission_columns() -> list[str]:
    return [f"admitted at {alpha:g}: right" for alpha in ALPHAS]


def _row(of: Figures, *, known: bool) -> list[str]:
    accuracy = [_share(of.right, of.n)] if known else []
    admissions = []
    for alpha in ALPHAS:
        shown = f"{100 * of.share(alpha):.1f} %"
        if known and of.admitted[alpha]:
            shown += f": {_share(of.admitted_right[alpha], of.admitted[alpha])}"
        elif not known:
            shown = _share(of.admitted[alpha], of.n)
        admissions.append(shown if of.admitted[alpha] or not known else "none")
    return [*accuracy, *admissions, f"{of.ece:.3f}", f"{of.brier:.3f}"]


def _cost(trials: Sequence[Trial]) -> list[str]:
    return [
        spread([trial.facts["training_cpu_s"] for trial in trials]),
        f"{max(trial.facts['resident_peak_mib'] for trial in trials):.0f}",
    ]


def _share(count: float, of: float) -> str:
    """In per cent, with the interval of the rounded mean counts."""
    low, high = clopper_pearson(round(count), max(round(of), 1))
    return f"{100 * count / of:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def _checks(found: _Found) -> list[Check]:
    tasks = [task.name for task in found.tasks]
    foreign = [(task.name, name) for task in found.tasks for name in task.foreign]
    rivals = [*PACKAGE, *BASELINES]
    checks = [
        Check(
            f"every {100 * alpha:g} % rung keeps its promise on the test documents it admits",
            *_worst_promise(found, tasks, alpha),
        )
        for alpha in ALPHAS
    ]
    checks.append(_accuracy(found, tasks))
    for measure in ("ece", "brier"):
        checks.append(
            _better(
                found, f"{measure} off distribution below each rival's mean", foreign, rivals, measure, 0.0
            )
        )
        own = [(name, "test") for name in tasks]
        checks.append(
            _better(found, f"{measure} on distribution at most .01 above each", own, rivals, measure, 0.01)
        )
    outside = [
        (task.name, n)
        for task in found.tasks
        for n, r in task.foreign.items()
        if (r.labels == NO_CLASS).all()
    ]
    checks.append(_admits_less(found, outside))
    return checks


def _worst_promise(found: _Found, tasks: Iterable[str], alpha: float) -> tuple[str, bool]:
    """Whether alpha lies at or below the upper end of every task's interval; the task where least is right."""
    shown, holds = [], True
    for task in tasks:
        own = found.sets[task, OURS, "test"]
        count, right = round(own.admitted[alpha]), round(own.admitted_right[alpha])
        if count == 0:
            shown.append(f"{task} none")
            continue
        holds &= clopper_pearson(right, count)[1] >= alpha
        shown.append(f"{task} {100 * right / count:.1f} % of {count}")
    return "; ".join(shown), holds


def _accuracy(found: _Found, tasks: Iterable[str]) -> Check:
    """Against the package at its better rate, on the rows it got."""
    gaps = {}
    for task in tasks:
        own = found.sets[task, OURS, "test"]
        gaps[task] = min((own.right - found.sets[task, rival, "test"].right) / own.n for rival in PACKAGE)
    shown = "; ".join(f"{task} {100 * gap:+.1f} points" for task, gap in gaps.items())
    return Check("at least as accurate as the package, either way", shown, min(gaps.values()) >= 0)


def _better(
    found: _Found,
    claim: str,
    sets: Sequence[tuple[str, str]],
    rivals: Sequence[str],
    measure: str,
    most: float,
) -> Check:
    """Means over `sets` of (task, set): ours against each rival's plus `most`."""

    def mean(contender: str) -> float:
        return _mean(getattr(found.sets[task, contender, name], measure) for task, name in sets)

    own = mean(OURS)
    theirs = {rival: mean(rival) for rival in rivals}
    shown = ", ".join(f"{rival} {value:.3f}" for rival, value in theirs.items())
    return Check(claim, f"{own:.3f} against {shown}", all(own <= value + most for value in theirs.values()))


def _admits_less(found: _Found, sets: Sequence[tuple[str, str]]) -> Check:
    """Of texts of no class, at alpha .9: a rival that admits nothing of its own test split does not count."""
    alpha = ALPHAS[0]

    def mean(contender: str) -> float:
        return _mean(found.sets[task, contender, name].share(alpha) for task, name in sets)

    own = mean(OURS)
    theirs = {
        rival: mean(rival)
        for rival in (*PACKAGE, *BASELINES)
        if any(found.sets[task, rival, "test"].admitted[alpha] for task, _ in sets)
    }
    shown = ", ".join(f"{rival} {100 * value:.1f} %" for rival, value in theirs.items())
    claim = f"admits less of what has no class at {alpha:g} than each rival that admits anything"
    return Check(claim, f"{100 * own:.2f} % against {shown}", all(own <= value for value in theirs.values()))


def _notes(found: _Found, package_rows: int) -> list[str]:
    notes = [
        f"the package got at most {package_rows} rows of a pool, drawn per seed; CPU seconds are of the training"
        " and its calibration, imports aside; MiB are the peak of the process that trained and answered",
        "the baselines share one training, whose cost each of them shows",
    ]
    for task in found.tasks:
        for name in found.contenders(task.name):
            told = [trial.facts for trial in found.of(task.name, name)]
            if name in BASELINES[1:]:
                continue
            regions = [
                " ".join(f"{alpha:g}" for alpha in facts.get("regions", ())) or "none" for facts in told
            ]
            rungs = f"; rungs by seed: {' | '.join(regions)}" if "regions" in told[0] else ""
            notes.append(
                f"{task.name}, {name}: learning rate {told[0]['learning_rate']:.2g}, {told[0]['shuffles']} shuffles,"
                f" best epoch {' '.join(str(facts['best_epoch']) for facts in told)} of"
                f" {' '.join(str(facts['epochs']) for facts in told)}{rungs}"
            )
    return notes


def _mean(values: Iterable[Any]) -> float:
    listed = [float(value) for value in values]
    return sum(listed) / len(listed)
