"""The claims of `estimator`, each beside what was found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reexd.sdm.intervals import clopper_pearson

from bench.contenders import COVERAGE
from bench.estimator_data import NO_CLASS
from bench.estimator_figures import ALPHAS, BASELINES, OURS, PACKAGE, Found, mean
from bench.report import Check

NAMES = {"ece": "ECE", "brier": "Brier"}


def checks(found: Found) -> list[Check]:
    tasks = [task.name for task in found.tasks]
    foreign = [(task.name, name) for task in found.tasks for name in task.foreign]
    rivals = BASELINES[:2]  # the others bring no probability; the package's is no promise
    made = [
        Check(
            f"of no task is the accuracy among test documents admitted at {alpha:g} or higher below it beyond chance:"
            " the 95 % interval of the counts, means over the seeds, does not end below; tasks that admit none say"
            " nothing",
            *_worst_promise(found, tasks, alpha),
        )
        for alpha in ALPHAS
    ]
    made.append(_accuracy(found, tasks))
    for measure in ("ece", "brier"):
        made.append(
            _better(
                found,
                f"{NAMES[measure]} off distribution below softmax and temperature, on average",
                foreign,
                rivals,
                measure,
                0.0,
            )
        )
        own = [(name, "test") for name in tasks]
        made.append(
            _better(
                found,
                f"{NAMES[measure]} on distribution at most .01 above either, on average",
                own,
                rivals,
                measure,
                0.01,
            )
        )
    outside = [
        (task.name, n)
        for task in found.tasks
        for n, r in task.foreign.items()
        if (r.labels == NO_CLASS).all()
    ]
    made += [_admits_less(found, outside), _covers(found, tasks)]
    return made


def _worst_promise(found: Found, tasks: Iterable[str], alpha: float) -> tuple[str, bool]:
    """(what each task found, whether no interval ends below alpha): what `Check` takes.

    It refutes rather than proves: three right of three hold at any alpha. Where no task admits any, it does not hold.
    """
    shown, holds = [], []
    for task in tasks:
        own = found.figures[task, OURS, "test"]
        count, right = round(own.admitted[alpha]), round(own.admitted_right[alpha])
        if count == 0:
            shown.append(f"{task} none")
            continue
        holds.append(clopper_pearson(right, count)[1] >= alpha)
        shown.append(f"{task} {100 * right / count:.1f} % of {count}")
    return "; ".join(shown), bool(holds) and all(holds)


def _accuracy(found: Found, tasks: Iterable[str]) -> Check:
    """Against the package at its better rate, on the rows it got."""
    gaps = {}
    for task in tasks:
        own = found.figures[task, OURS, "test"]
        gaps[task] = min((own.right - found.figures[task, rival, "test"].right) / own.n for rival in PACKAGE)
    shown = "; ".join(f"{task} {100 * gap:+.1f} points" for task, gap in gaps.items())
    return Check("at least as accurate as the package, either way", shown, min(gaps.values()) >= 0)


def _better(
    found: Found,
    claim: str,
    sets: Sequence[tuple[str, str]],
    rivals: Sequence[str],
    measure: str,
    most: float,
) -> Check:
    """Means over `sets` of (task, set): ours against each rival's plus `most`."""

    def over(contender: str) -> float:
        return mean(getattr(found.figures[task, contender, name], measure) for task, name in sets)

    own = over(OURS)
    theirs = {rival: over(rival) for rival in rivals}
    shown = ", ".join(f"{rival} {value:.3f}" for rival, value in theirs.items())
    return Check(claim, f"{own:.3f} against {shown}", all(own <= value + most for value in theirs.values()))


def _admits_less(found: Found, sets: Sequence[tuple[str, str]]) -> Check:
    """Of texts of no class, at alpha .9: a rival that admits nothing of its own test split does not count."""
    alpha = ALPHAS[0]

    def over(contender: str) -> float:
        return mean(found.figures[task, contender, name].share(alpha) for task, name in sets)

    own = over(OURS)
    theirs = {
        rival: over(rival)
        for rival in (*PACKAGE, *BASELINES)
        if any(found.figures[task, rival, "test"].admitted[alpha] for task, _ in sets)
    }
    shown = ", ".join(f"{rival} {100 * value:.1f} %" for rival, value in theirs.items())
    claim = f"admits less of what has no class at {alpha:g} than each rival that admits anything"
    return Check(claim, f"{100 * own:.2f} % against {shown}", all(own <= value for value in theirs.values()))


def _covers(found: Found, tasks: Iterable[str]) -> Check:
    covered = {task: found.figures[task, OURS, "test"].sets["coverage"] for task in tasks}
    rows = {task.name: len(task.test.labels) for task in found.tasks}
    shown = "; ".join(f"{task} {100 * share:.1f} %" for task, share in covered.items())
    holds = all(
        clopper_pearson(round(share * rows[task]), rows[task])[1] >= COVERAGE
        for task, share in covered.items()
    )
    return Check(f"prediction sets cover {100 * COVERAGE:g} % of the test documents", shown, holds)
