"""How predictions are shown: the class, whether it can be trusted and why, and the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from reex.cli import output
from reex.cli.output import Column, safe
from reex.cli.views import class_name

if TYPE_CHECKING:
    from reex.types import Prediction

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
