"""How an explanation is shown: the text with what speaks for and against the class, and the strongest pieces of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reex.cli import answers, output
from reex.cli.output import Column, safe

if TYPE_CHECKING:
    from reex.types import Contribution, Explanation

SHOWN = 5  # tokens each for and against
STRONG, FAINT = 0.5, 0.1  # of the largest contribution


def explanation(found: Explanation, classes: Sequence[str], as_json: bool) -> None:
    if as_json:
        output.object_line(found.to_dict())
        return
    answers.prediction(found.prediction, classes, as_json=False)
    output.line()
    logit = found.prediction.logits[found.label]
    output.line(
        f"why {safe(found.label_name)}: of its logit {logit:+.3f} the average training document has "
        f"{found.baseline:+.3f}, and {found.other:+.3f} come from what is not of the text; the rest adds up to it:"
    )
    output.line()
    output.marked(_marks(found))
    if len(found.sentences) > 1:
        output.line()
        _table(sorted(found.sentences, key=lambda each: -each.contribution), "sentence")
    strongest = sorted(found.tokens, key=lambda each: -each.contribution)
    if len(strongest) > 2 * SHOWN:
        strongest = strongest[:SHOWN] + strongest[-SHOWN:]
    output.line()
    _table(strongest, "token")


def _table(parts: Sequence[Contribution], title: str) -> None:
    rows = [[f"{each.contribution:+.3f}", f"{each.start:,}", safe(each.text)] for each in parts]
    output.table([Column("adds", right=True), Column("at", right=True), Column(title, long=True)], rows)


def _marks(found: Explanation) -> list[tuple[str, str]]:
    """The text in pieces, each with its style."""
    text = found.prediction.text
    most = max((abs(each.contribution) for each in found.tokens), default=0.0)
    pieces: list[tuple[str, str]] = []
    at = 0
    for each in found.tokens:
        if each.start > at:
            pieces.append((safe(text[at : each.start]), ""))
        start = max(at, each.start)
        pieces.append((safe(text[start : each.end]), _style(each.contribution, most)))
        at = max(at, each.end)
    return [*pieces, (safe(text[at:]), "")]


def _style(contribution: float, most: float) -> str:
    if abs(contribution) <= FAINT * most:
        return ""
    colour = "green" if contribution > 0 else "red"
    return f"bold {colour} reverse" if abs(contribution) > STRONG * most else colour
