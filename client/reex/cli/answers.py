"""How predictions and evaluations are shown: the class, whether it can be trusted and why, and the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from reex.cli import output
from reex.cli.output import Column, percent, safe
from reex.cli.views import class_name

if TYPE_CHECKING:
    from reex.types import Evaluation, Interval, Prediction
    from reex.versions import Comparison

_STYLES = {"highest": "bold green", "high": "green", "low": "yellow", "lowest": "yellow"}

_REASONS = {
    "zero-similarity": "rejected: the nearest training document is of another class, or was itself predicted wrong",
    "beyond-calibration": "rejected: farther from the training documents than anything seen in calibration",
    "no-calibrated-region": "rejected: documents like it were not reliably right in calibration",
    "below-required-alpha": "below the reliability that was asked for",
}
_CLASSES_SHOWN = 10


def _why(answer: Prediction) -> str:
    """The verdict in plain language."""
    if answer.region_alpha > 0:
        lower = answer.lower_region_alpha
        sure = f"; {lower:g} at the lower confidence bound" if lower != answer.region_alpha else ""
        return f"admitted at alpha {answer.region_alpha:g}{sure}"
    return _REASONS.get(answer.reason, f"rejected: {safe(answer.reason) or 'in no calibrated region'}")


def prediction(answer: Prediction, classes: Sequence[str], as_json: bool) -> None:
    """One answer with its evidence."""
    if as_json:
        output.object_line(answer.to_dict())
        return
    style = _STYLES.get(answer.reliability, "bold red")
    output.styled(f"{safe(answer.prediction_name)}    reliability: {answer.reliability}", style)
    output.line(f"  {_why(answer)}")
    output.line(f"  probabilities  {_probabilities(answer, classes)}")
    sizes = ", ".join(f"{count:,}" for count in answer.effective_sample_sizes)
    output.line(
        f"  evidence       q {answer.q:,}   d {answer.d:.3f}   q' {answer.q_prime:.3f}   d0 {answer.d0:.4g}   "
        f"calibration documents per class {sizes}"
    )
    said = f"  classifier     {answer.classifier}"
    if answer.role:
        said += f", which used this document for {answer.role}"
    if answer.windows > 1:
        said += f"; read in {answer.windows} windows"
    output.line(said)
    if answer.stale:
        output.styled(f"  stale          {safe(answer.stale)}", "yellow")
    if answer.neighbors:
        output.line()
        output.line("nearest training documents:")
        columns = [Column("label"), Column("predicted"), Column("distance", right=True)]
        output.table(
            [*columns, Column("document", long=True)],
            [
                [
                    class_name(each.label, classes),
                    class_name(each.prediction, classes),
                    f"{each.distance:.4g}",
                    safe(each.text),
                ]
                for each in answer.neighbors
            ],
        )


def _probabilities(answer: Prediction, classes: Sequence[str]) -> str:
    ranked = sorted(enumerate(answer.probabilities), key=lambda pair: -pair[1])
    shown = [f"{class_name(label, classes)} {share:.3f}" for label, share in ranked[:_CLASSES_SHOWN]]
    return "   ".join(shown) + ("   ..." if len(ranked) > _CLASSES_SHOWN else "")


def predictions(answers: Iterable[Prediction], classes: Sequence[str], as_json: bool) -> None:
    """One line an answer, each as soon as it is there; counts at the end on stderr."""
    width = max((len(safe(name)) for name in classes), default=0)
    count = admitted = labelled = right = 0
    for answer in answers:
        count += 1
        admitted += answer.region_alpha > 0
        labelled += answer.label >= 0
        right += answer.label >= 0 and answer.label == answer.prediction
        if as_json:
            output.object_line(answer.to_dict())
            continue
        probability = answer.probabilities[answer.prediction] if answer.probabilities else float("nan")
        alpha = f"{answer.region_alpha:g}" if answer.region_alpha else "-"
        head = f"{safe(answer.prediction_name):<{width}}  {answer.reliability:<19}  {alpha:>5}  {probability:.3f}"
        output.line(
            output.shorten(f"{head}  {safe(answer.id)}  {safe(answer.text)}", output.terminal_width())
        )
    if not as_json:
        known = f", {right:,} of {labelled:,} labelled ones right" if labelled else ""
        output.note(f"{count:,} predictions, {admitted:,} admitted to a region{known}")


def evaluation(figures: Evaluation, as_json: bool) -> None:
    if as_json:
        output.object_line(figures.to_dict())
        return
    output.line(
        f"{figures.split}, {figures.classifier}: {figures.n:,} labelled documents that the version never used "
        f"(of the split {figures.unseen_count:,} unseen, {figures.support_count:,} support, "
        f"{figures.calibration_count:,} calibration)"
    )
    if figures.stale:
        output.styled(f"stale: {safe(figures.stale)}", "yellow")
    _beside(figures)
    if not figures.n:
        if not figures.out_of_distribution_count:
            output.styled(
                "nothing to measure on: the version used every labelled document of the split", "yellow"
            )
        return
    interval = figures.interval
    output.styled(
        f"accuracy {percent(figures.accuracy)} ({figures.correct:,} of {figures.n:,}, 95 % interval "
        f"{percent(interval.lower)} to {percent(interval.upper)}), "
        f"balanced accuracy {percent(figures.balanced_accuracy)}",
        "bold",
    )
    if figures.duplicate_count:
        output.line(
            f"{figures.duplicate_count:,} have the very text of a support document; "
            f"accuracy without them {percent(figures.accuracy_without_duplicates)}"
        )
    _regions(figures)
    _classes(figures)


def _beside(figures: Evaluation) -> None:
    """Documents that are in no figure of accuracy."""
    if figures.out_of_distribution_count:
        output.line(
            f"of {figures.out_of_distribution_count:,} documents of no class, "
            f"{figures.out_of_distribution_admitted:,} were admitted at alpha 0.9 or higher"
        )
    if figures.not_scored_count:
        output.styled(
            f"{figures.not_scored_count:,} documents have attributes that do not fit the version: not scored",
            "yellow",
        )


def _regions(figures: Evaluation) -> None:
    output.line()
    if not figures.regions:
        output.styled("the version has no reliability region; `reexctl status` says why", "bold red")
        return
    output.line("admitted to a region of alpha or higher:")
    columns = [Column("alpha", right=True), Column("admitted", right=True), Column("share", right=True)]
    columns += [Column("right", right=True), Column("accuracy", right=True), Column("95 % interval")]
    output.table(
        columns,
        [
            [
                f"{each.alpha:g}",
                f"{each.admitted:,}",
                percent(each.admitted_share),
                f"{each.correct:,}",
                percent(each.accuracy),
                f"{percent(each.interval.lower)} to {percent(each.interval.upper)}" if each.admitted else "-",
            ]
            for each in figures.regions
        ],
    )


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
        output.styled("nothing to compare on: each labelled document was used by one of them", "yellow")
        return
    output.line()
    columns = [Column(""), Column(one.name, right=True), Column(other.name, right=True)]
    rows = [
        ["accuracy", *(percent(each.accuracy) for each in (one, other))],
        ["95 % interval", *(_bounds(each.interval) for each in (one, other))],
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
