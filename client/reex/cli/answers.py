"""How predictions are shown: the class, whether it can be trusted and why, and the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from reex.cli import output
from reex.cli.output import Column, safe
from reex.cli.views import class_name, reason_told

if TYPE_CHECKING:
    from reex.types import Ensemble, Prediction

_STYLES = {"highest": "bold green", "high": "green", "low": "yellow", "lowest": "yellow"}

_CLASSES_SHOWN = 10


def _why(answer: Prediction) -> str:
    """The verdict in plain language."""
    if answer.region_alpha > 0:
        lower = answer.lower_region_alpha
        sure = f"; {lower:g} at the lower confidence bound" if lower != answer.region_alpha else ""
        return f"admitted at alpha {answer.region_alpha:g}{sure}"
    return f"rejected: {reason_told(answer.reason) or 'in no calibrated region'}"


def _together(ensemble: Ensemble) -> str:
    """What all members say of a prediction."""
    said = f"{ensemble.agreed} of {ensemble.size} members agree"
    if ensemble.admitted:
        return f"{said}; admitted by all at alpha {ensemble.region_alpha:g} and the lower bound"
    return f"{said}; not admitted by all" if ensemble.agreed == ensemble.size else f"{said}; not admitted"


def prediction(answer: Prediction, classes: Sequence[str], as_json: bool) -> None:
    """One answer with its evidence."""
    if as_json:
        output.object_line(answer.to_dict())
        return
    style = _STYLES.get(answer.reliability, "bold red")
    output.styled(f"{safe(answer.prediction_name)}    reliability: {answer.reliability}", style)
    output.line(f"  {_why(answer)}")
    if answer.ensemble is not None:
        output.line(f"  ensemble       {_together(answer.ensemble)}")
    output.line(f"  probability    {_probability(answer)}")
    if answer.coverage:
        output.line(f"  set            {_prediction_set(answer, classes)}")
    output.line(f"  softmax        {_probabilities(answer, classes)}")
    output.line(
        f"  evidence       q {answer.q:,}   d {answer.d:.3f}   q' {answer.q_prime:.3f}   d0 {answer.d0:.4g}   "
        f"calibration documents per class {_per_class(answer.effective_sample_sizes)}"
    )
    said = f"  classifier     {answer.classifier}"
    if answer.role == "used-before":
        said += ", which goes on from a version that used this document"
    elif answer.role:
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


def _probability(answer: Prediction) -> str:
    if answer.probability is None:
        return (
            f"not known: {answer.classifier} was made without; `reexctl recalibrate` makes a version with it"
        )
    lower, upper = answer.probability_lower or 0.0, answer.probability_upper or 0.0
    behind = answer.probability_documents
    of = f"{behind:,} calibration document{'s' * (behind != 1)} like it"
    of = of if behind else "no calibration document is like it"
    return f"{answer.probability:.3f} that this is right (95 % interval {lower:.3f} to {upper:.3f}; {of})"


def _prediction_set(answer: Prediction, classes: Sequence[str]) -> str:
    """The classes that cannot be excluded; many are counted."""
    members = answer.prediction_set
    named = ", ".join(class_name(label, classes) for label in members[:_CLASSES_SHOWN])
    if len(members) > _CLASSES_SHOWN:
        named = f"{len(members):,} of {len(classes):,} classes: {named}, ..."
    said = f"{named}    at coverage {answer.coverage:g}"
    if few := len(answer.prediction_set_uncalibrated):
        said += f"; {few:,} of them with too few calibration documents to be excluded"
    return said


def _probabilities(answer: Prediction, classes: Sequence[str]) -> str:
    ranked = sorted(enumerate(answer.probabilities), key=lambda pair: -pair[1])
    shown = [f"{class_name(label, classes)} {share:.3f}" for label, share in ranked[:_CLASSES_SHOWN]]
    return "   ".join(shown) + ("   ..." if len(ranked) > _CLASSES_SHOWN else "")


def _per_class(counts: Sequence[int]) -> str:
    """One of each class in their order; of many classes the fewest, which the lower bound goes by, and the most."""
    if len(counts) > _CLASSES_SHOWN:
        return f"{min(counts):,} to {max(counts):,}"
    return ", ".join(f"{count:,}" for count in counts)


def predictions(answers: Iterable[Prediction], classes: Sequence[str], as_json: bool) -> None:
    """One line an answer, each as soon as it is there; counts at the end on stderr."""
    width = max((len(safe(name)) for name in classes), default=0)
    count = admitted = labelled = right = used = 0
    for answer in answers:
        count += 1
        admitted += answer.region_alpha > 0
        labelled += answer.label >= 0
        right += answer.label >= 0 and answer.label == answer.prediction
        used += answer.label >= 0 and bool(answer.role)
        if as_json:
            output.object_line(answer.to_dict())
            continue
        known = answer.probability
        probability = "-" if known is None else f"{known:.3f}"
        alpha = f"{answer.region_alpha:g}" if answer.region_alpha else "-"
        head = (
            f"{safe(answer.prediction_name):<{width}}  {answer.reliability:<19}  {alpha:>5}  {probability:>5}"
        )
        output.line(
            output.shorten(f"{head}  {safe(answer.id)}  {safe(answer.text)}", output.terminal_width())
        )
    if not as_json:
        known = f", {right:,} of {labelled:,} labelled ones right" if labelled else ""
        apart = f"; {used:,} of these the version has used, which evaluate tells apart" if used else ""
        output.note(
            f"{count:,} prediction{'s' * (count != 1)}, {admitted:,} admitted to a region{known}{apart}"
        )
