"""What the answers of the contenders of `estimator` come to: figures and tables. Measures nothing, claims nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from reexd.sdm.intervals import clopper_pearson

from bench import baselines
from bench.contenders import COVERAGE
from bench.estimator_data import NO_CLASS, Task
from bench.meter import spread
from bench.report import Table

ALPHAS = (0.9, 0.95)
OURS, BASELINES = "reex", ("softmax", "temperature", "APS", "RAPS")
PACKAGE = ("package as published", "package, sensible rate")


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a contender says of n texts: the prediction, its probability, and whether it is admitted at each alpha."""

    prediction: np.ndarray
    probability: np.ndarray | None  # None: it has none of its own
    admitted: dict[float, np.ndarray]
    sets: np.ndarray | None = None  # (n, C) bool, prediction sets


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
    ece: float | None
    brier: float | None
    sets: dict[str, float]  # means over the seeds of `baselines.SetFigures`; empty without sets

    def share(self, alpha: float) -> float:
        return self.admitted[alpha] / self.n


def figures(answers: Sequence[Answers], labels: np.ndarray) -> Figures:
    """Over the seeds of one contender; a text of no class (-99) is never right."""
    rights = [each.prediction == labels for each in answers]
    return Figures(
        n=len(labels),
        right=mean(right.sum() for right in rights),
        admitted={alpha: mean(each.admitted[alpha].sum() for each in answers) for alpha in ALPHAS},
        admitted_right={
            alpha: mean(
                (each.admitted[alpha] & right).sum() for each, right in zip(answers, rights, strict=True)
            )
            for alpha in ALPHAS
        },
        ece=_error(baselines.expected_calibration_error, answers, rights),
        brier=_error(baselines.brier, answers, rights),
        sets=_sets(answers, labels),
    )


def _error(
    measure: Callable[..., float], answers: Sequence[Answers], rights: Sequence[np.ndarray]
) -> float | None:
    pairs = [
        (each.probability, right)
        for each, right in zip(answers, rights, strict=True)
        if each.probability is not None
    ]
    return mean(measure(*pair) for pair in pairs) if pairs else None


def _sets(answers: Sequence[Answers], labels: np.ndarray) -> dict[str, float]:
    found = [asdict(baselines.set_figures(each.sets, labels)) for each in answers if each.sets is not None]
    return {name: mean(each[name] for each in found) for name in found[0]} if found else {}


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Everything by task, contender and set."""

    tasks: Sequence[Task]
    trials: Sequence[Trial]
    figures: dict[tuple[str, str, str], Figures]  # by task, contender, set

    def contenders(self, task: str) -> list[str]:
        return list(dict.fromkeys(trial.contender for trial in self.trials if trial.task == task))

    def of(self, task: str, contender: str) -> list[Trial]:
        return [trial for trial in self.trials if (trial.task, trial.contender) == (task, contender)]


def collected(tasks: Sequence[Task], trials: Sequence[Trial]) -> Found:
    """The figures of every task, contender and set."""
    found = Found(tasks, trials, {})
    for task in tasks:
        labels = {"test": task.test.labels} | {name: rows.labels for name, rows in task.foreign.items()}
        for contender in found.contenders(task.name):
            own = found.of(task.name, contender)
            for name, truth in labels.items():
                key = (task.name, contender, name)
                found.figures[key] = figures([trial.answers[name] for trial in own], truth)
    return found


def raw(found: Found) -> dict[str, Any]:
    return {
        "figures": [
            {"task": task, "contender": contender, "set": name}
            | {field: getattr(each, field) for field in Figures.__slots__}
            for (task, contender, name), each in found.figures.items()
        ],
        "trainings": [
            {"task": trial.task, "contender": trial.contender, "seed": trial.seed} | trial.facts
            for trial in found.trials
        ],
    }


def tables(found: Found, task: Task) -> list[Table]:
    head = f"{task.name}: {task.class_count} classes, {len(task.pool.labels)} pooled rows"
    tables = [
        Table(
            f"{head}, {len(task.test.labels)} test documents",
            ("", "accuracy [95 %]", *_admission_columns(), "ECE", "Brier", "training CPU s", "peak MiB"),
            [
                (
                    name,
                    *_row(found.figures[task.name, name, "test"], known=True),
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
                    (each, *_row(found.figures[task.name, each, name], known=known))
                    for each in found.contenders(task.name)
                ],
            )
        )
    return [*tables, _set_table(found, task)]


def _set_table(found: Found, task: Task) -> Table:
    rows = []
    for name in ("test", *task.foreign):
        for contender in found.contenders(task.name):
            sets = found.figures[task.name, contender, name].sets
            if sets:
                known = not np.isnan(sets["coverage"])
                held = [
                    f"{100 * sets[each]:.1f} %" if known else "-" for each in ("coverage", "coverage_least")
                ]
                shares = [f"{100 * sets[each]:.1f} %" for each in ("single", "empty")]
                rows.append((name, contender, *held, f"{sets['size']:.2f}", *shares))
    columns = ("", "", "covered", "of the worst class", "classes in a set", "of one class", "empty")
    return Table(f"{task.name}: prediction sets at coverage {COVERAGE}", columns, rows)


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
    errors = ["-" if error is None else f"{error:.3f}" for error in (of.ece, of.brier)]
    return [*accuracy, *admissions, *errors]


def _cost(trials: Sequence[Trial]) -> list[str]:
    return [
        spread([trial.facts["training_cpu_s"] for trial in trials]),
        f"{max(trial.facts['resident_peak_mib'] for trial in trials):.0f}",
    ]


def _share(count: float, of: float) -> str:
    """In per cent, with the interval of the rounded mean counts."""
    low, high = clopper_pearson(round(count), max(round(of), 1))
    return f"{100 * count / of:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def notes(found: Found, package_rows: int) -> list[str]:
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


def mean(values: Iterable[Any]) -> float:
    listed = [float(value) for value in values]
    return sum(listed) / len(listed)
