"""How evaluations, comparisons and drift reports are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reex.cli import output
from reex.cli.output import Column, percent, safe
from reex.cli.views import class_name, reason_told

if TYPE_CHECKING:
    from reex.figures import Accuracy, DriftReport, Evaluation, Interval, RegionEvaluation, Share
    from reex.versions import Comparison

_CLASSES_SHOWN = 10


def evaluation(figures: Evaluation, as_json: bool) -> None:
    if as_json:
        output.object_line(figures.to_dict())
        return
    output.line(
        f"{figures.split}, {figures.classifier}: {figures.n:,} labelled documents that the version never used "
        f"(of the split {figures.unseen_count:,} unseen, {figures.support_count:,} support, "
        f"{figures.calibration_count:,} calibration{_before(figures)})"
    )
    if figures.stale:
        output.styled(f"stale: {safe(figures.stale)}", "yellow")
    _beside(figures)
    if not figures.n:
        if not figures.out_of_distribution_count:
            why = "the version used every labelled document of the split"
            if figures.unseen_count:
                why = f"none of the {figures.unseen_count:,} unseen documents has a label that the version knows"
            output.styled(f"nothing to measure on: {why}", "yellow")
        _parts(figures)
        return
    output.styled(
        f"accuracy {percent(figures.accuracy)} ({figures.correct:,} of {figures.n:,}, 95 % interval "
        f"{_bounds(figures.interval)}), balanced accuracy {percent(figures.balanced_accuracy)} "
        f"({_bounds(figures.balanced_interval)})",
        "bold",
    )
    _probabilities(figures)
    _parts(figures)
    _regions(figures)
    _classes(figures)


def _before(figures: Evaluation) -> str:
    count = figures.used_before_count
    return f", {count:,} used by versions that it goes on from" if count else ""


def _beside(figures: Evaluation) -> None:
    """Documents that are in no figure of accuracy."""
    if figures.out_of_distribution_count:
        output.line(
            f"of {figures.out_of_distribution_count:,} documents of no class, "
            f"{figures.out_of_distribution_admitted:,} were admitted at alpha 0.9 or higher "
            f"(95 % interval {_bounds(figures.out_of_distribution_interval)})"
        )
    _not_scored(figures.not_scored_count)


def _not_scored(count: int) -> None:
    if count:
        output.styled(
            f"{count:,} documents have attributes that do not fit the version, or no vector that it reads: not scored",
            "yellow",
        )


def _probabilities(figures: Evaluation) -> None:
    """One line each for the probability of being right and for the prediction sets."""
    if (fit := figures.probability) is not None:
        output.line(
            f"{fit.kind} probability of being right: calibration error {percent(fit.calibration_error)}, "
            f"Brier score {fit.brier:.4f}"
        )
    if (sets := figures.prediction_sets) is not None:
        # No set holds a class that was appended after the version was trained.
        unknown = sets.coverage.n - sum(each.n for each in sets.by_label)
        shares = [0.0] * (unknown > 0) + [each.accuracy for each in sets.by_label if each.n]
        lowest = min(shares, default=float("nan"))
        output.line(
            f"prediction sets hold the true class in {percent(sets.coverage.accuracy)} "
            f"({_bounds(sets.coverage.interval)}), {percent(lowest)} of the class where least; aimed at "
            f"{percent(sets.promised)}; mean size {sets.mean_size:.2f}, of one class {sets.single_count:,}"
        )
        if unknown:
            output.styled(
                f"{unknown:,} of the documents {'are' if unknown != 1 else 'is'} of a class that {figures.classifier} "
                "does not know: it was appended after the training",
                "yellow",
            )


def _parts(figures: Evaluation) -> None:
    """What the version used, and the headline without copies of it, where there is any."""
    parts = [
        ("unseen without copies of used texts", figures.without_duplicates, figures.duplicate_count),
        ("calibration, not unseen", figures.calibration, figures.calibration_count),
        ("support, not unseen", figures.support, figures.support_count),
        ("used before, not unseen", figures.used_before, figures.used_before_count),
    ]
    if not any(count for _, _, count in parts):
        return
    output.line()
    if figures.duplicate_count:
        output.line(f"{figures.duplicate_count:,} unseen documents have the very text of one that was used")
    columns = [Column("documents"), Column("labelled", right=True), Column("accuracy", right=True)]
    columns += [Column("95 % interval"), Column("balanced", right=True)]
    rows = [["unseen (the headline)", *_part(figures.n, figures.accuracy, figures.interval)]]
    rows[0].append(percent(figures.balanced_accuracy))
    for title, part, count in parts:
        if count:
            told = _part(part.accuracy.n, part.accuracy.accuracy, part.accuracy.interval)
            rows.append([title, *told, percent(part.balanced_accuracy)])
    output.table(columns, rows)


def _part(n: int, accuracy: float, interval: Interval) -> list[str]:
    return [f"{n:,}", percent(accuracy), _bounds(interval) if n else "-"]


def _regions(figures: Evaluation) -> None:
    output.line()
    names = [each.name for each in figures.classes]
    if not figures.regions:
        output.styled("the version has no reliability region; `reexctl status` says why", "bold red")
    else:
        output.line("admitted to a region of alpha or higher:")
        output.table(_ADMITTED, [_admitted(each, names) for each in figures.regions])
    _rejections(figures)
    if figures.ensemble_size:
        output.line()
        output.line(f"admitted by all {figures.ensemble_size} members of the ensemble, at the lower bound:")
        if figures.ensemble_regions:
            output.table(_ADMITTED, [_admitted(each, names) for each in figures.ensemble_regions])
        else:
            output.line("none")


def _rejections(figures: Evaluation) -> None:
    if not figures.rejections:
        return
    output.line()
    output.line("admitted to no region, by why:")
    columns = [Column("documents", right=True), Column("share", right=True), Column("right", right=True)]
    columns += [Column("accuracy", right=True), Column("95 % interval"), Column("reason", prose=True)]
    rows = []
    for each in figures.rejections:
        told = each.accuracy
        row = [f"{told.n:,}", percent(told.n / figures.n), f"{told.correct:,}", percent(told.accuracy)]
        rows.append([*row, _bounds(told.interval), reason_told(each.reason)])
    output.table(columns, rows)


_ADMITTED = [
    Column("alpha", right=True),
    Column("admitted", right=True),
    Column("share", right=True),
    Column("right", right=True),
    Column("accuracy", right=True),
    Column("95 % interval"),
    Column("lowest by class"),
    Column("by prediction"),
]


def _admitted(row: RegionEvaluation, names: Sequence[str]) -> list[str]:
    return [
        f"{row.alpha:g}",
        f"{row.admitted:,}",
        percent(row.admitted_share),
        f"{row.correct:,}",
        percent(row.accuracy),
        _bounds(row.interval) if row.admitted else "-",
        _lowest(row.by_label, names),
        _lowest(row.by_prediction, names),
    ]


def _lowest(cells: Sequence[Accuracy], names: Sequence[str]) -> str:
    """The class with the smallest accuracy among those that have documents."""
    found = [(cell.accuracy, name) for cell, name in zip(cells, names, strict=False) if cell.n]
    if not found:
        return "-"
    accuracy, name = min(found)
    return f"{percent(accuracy)} {safe(name)}"


def _classes(figures: Evaluation) -> None:
    output.line()
    columns = [Column("class"), Column("documents", right=True), Column("recall", right=True)]
    columns += [Column("predicted", right=True), Column("precision", right=True)]
    few = len(figures.classes) <= _CLASSES_SHOWN
    if few:  # the confusion beside it: rows the true class, columns the predicted one
        columns += [Column(f"as {safe(each.name)}", right=True) for each in figures.classes]
    rows = []
    for each, counts in zip(figures.classes, figures.confusion, strict=False):
        row = [safe(each.name), f"{each.support:,}", percent(each.recall), f"{each.predicted:,}"]
        row.append(percent(each.precision))
        rows.append(row + ([f"{count:,}" for count in counts] if few else []))
    output.table(columns, rows)


def comparison(figures: Comparison, as_json: bool) -> None:
    """Two versions side by side."""
    if as_json:
        output.object_line(figures.to_dict())
        return
    one, other = figures.first, figures.second
    output.line(
        f"{one.name} and {other.name} on {figures.split}: {figures.n:,} labelled documents that neither used "
        f"({figures.left_out_count:,} left out)"
    )
    if figures.n:
        output.line(
            f"same prediction on {figures.agreed:,} ({percent(figures.agreed / figures.n)}); right only in "
            f"{one.name}: {figures.only_first_correct:,}, only in {other.name}: {figures.only_second_correct:,}"
        )
    elif not figures.out_of_distribution_count:
        output.styled(
            "nothing to compare on: no document has a label and was used by neither of them", "yellow"
        )
        return
    output.line()
    columns = [Column(""), Column(one.name, right=True), Column(other.name, right=True)]
    rows = [
        ["made by", *(f"{each.origin} {each.parent}".strip() for each in (one, other))],
        ["accuracy", *(percent(each.accuracy) for each in (one, other))],
        ["95 % interval", *(_bounds(each.interval) if figures.n else "-" for each in (one, other))],
        ["balanced accuracy", *(percent(each.balanced_accuracy) for each in (one, other))],
    ]
    for pair in zip(one.regions, other.regions, strict=True):
        alpha = pair[0].alpha
        rows.append([f"admitted at {alpha:g}", *(percent(each.admitted_share) for each in pair)])
        rows.append(
            [f"accuracy at {alpha:g}", *(percent(each.accuracy) if each.admitted else "-" for each in pair)]
        )
    if figures.out_of_distribution_count:
        title = f"admitted at 0.9 or higher, of {figures.out_of_distribution_count:,} of no class"
        rows.append([title, *(f"{each.out_of_distribution_admitted:,}" for each in (one, other))])
    output.table(columns, rows)


def _bounds(interval: Interval) -> str:
    return f"{percent(interval.lower)} to {percent(interval.upper)}"


_DRIFT_STYLES = {
    "none": "green",
    "slight": "yellow",
    "drift": "bold red",
    "too-few": "yellow",
    "recalibrate-first": "yellow",
}
_QUANTITIES = {"q": "q, similarity", "d0": "d0, distance", "q_prime": "q', rescaled similarity"}


def drift(figures: DriftReport, classes: Sequence[str], as_json: bool) -> None:
    """The verdict and what to do, then the figures behind it."""
    if as_json:
        output.object_line(figures.to_dict())
        return
    output.styled(safe(figures.summary), _DRIFT_STYLES[figures.verdict])
    output.line(f"what to do: {safe(figures.advice)}")
    if figures.stale:
        output.styled(f"stale: {safe(figures.stale)}", "yellow")
    _not_scored(figures.not_scored_count)
    if figures.quantities:
        output.line()
        columns = [Column("quantity"), Column("median", right=True), Column("in calibration", right=True)]
        columns += [Column("difference", right=True), Column("at", right=True), Column("p", right=True)]
        output.table(
            [*columns, Column("effect", right=True)],
            [
                [
                    _QUANTITIES.get(each.name, each.name),
                    f"{each.median:.4g}",
                    f"{each.calibration_median:.4g}",
                    percent(each.difference),
                    f"{each.difference_at:.4g}",
                    f"{each.p_value_adjusted:.2g}",
                    f"{each.effect:+.2f}",
                ]
                for each in figures.quantities
            ],
        )
    output.line()
    _shares(figures, classes)


def _shares(figures: DriftReport, classes: Sequence[str]) -> None:
    """Counts of both sides with their intervals."""
    columns = [Column(""), Column(f"{figures.split}, {figures.n:,}", right=True), Column("95 % interval")]
    columns.append(Column(f"calibration of {figures.classifier}, {figures.calibration_count:,}", right=True))
    rows = [
        [f"admitted at {row.alpha:g}", *_share(row.arriving), percent(row.calibration.share)]
        for row in figures.admission
    ]
    rows.append(
        ["q = 0", *_share(figures.zero_similarity), percent(figures.calibration_zero_similarity.share)]
    )
    shares = list(zip(figures.class_shares, figures.calibration_class_shares, strict=True))
    if figures.n:
        # The classes whose share moved most come first where not all can be shown.
        moved = sorted(range(len(shares)), key=lambda label: -abs(shares[label][0] - shares[label][1]))
        for label in sorted(moved[:_CLASSES_SHOWN]):
            now, then = shares[label]
            rows.append([f"predicted {class_name(label, classes)}", percent(now), "", percent(then)])
    output.table(columns, rows)


def _share(cell: Share) -> tuple[str, str]:
    return percent(cell.share), _bounds(cell.interval) if cell.n else "-"
