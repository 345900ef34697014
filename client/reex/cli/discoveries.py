"""How suspected labels, documents to label next, and duplicates are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reex.cli import output
from reex.cli.output import Column, safe
from reex.cli.views import class_name, listed, reason_told

if TYPE_CHECKING:
    from reex.discoveries import Duplicates, LabelErrors, Suggestions, Suspect
    from reex.types import Prediction


def label_errors(found: LabelErrors, project: str, classes: Sequence[str], as_json: bool) -> None:
    columns = [Column("id"), Column("split"), Column("label"), Column("predicted")]
    columns += [Column("alike", right=True), Column("probable", right=True), Column("alpha", right=True)]
    columns.append(Column("document", long=True))

    def row(each: Suspect) -> list[str]:
        answer = each.prediction
        label = class_name(answer.label, classes)
        said = [safe(answer.id), each.split, label, safe(answer.prediction_name)]
        return [*said, str(each.alike), _probability(answer), _alpha(answer), safe(answer.text)]

    listed(found.suspects, columns, row, as_json, "no label is contradicted")
    _stale(found.suspects)
    shown = len(found.suspects)
    more = f", {shown:,} of them shown" if shown < found.contradicted else ""
    output.note(
        f"{found.contradicted:,} of {found.examined:,} labelled documents are predicted as another class{more}"
    )
    if shown:
        output.note(
            f"to correct one: reexctl documents edit {project} ID --set-label CLASS; then train again"
        )


def suggestions(found: Suggestions, project: str, as_json: bool) -> None:
    columns = [Column("id"), Column("split"), Column("predicted"), Column("probable", right=True)]
    columns += [Column("why"), Column("document", long=True)]

    def row(each: Suspect) -> list[str]:
        answer = each.prediction
        said = [safe(answer.id), each.split, safe(answer.prediction_name), _probability(answer)]
        return [*said, _why(answer), safe(answer.text)]

    listed(found.suggestions, columns, row, as_json, "no document is without a label")
    _stale(found.suggestions)
    if found.suggestions:
        output.note(f"{len(found.suggestions):,} of {found.unlabelled:,} unlabelled documents")
        output.note(
            f"to label one: reexctl documents edit {project} ID --set-label CLASS --set-split train; then train again"
        )


def duplicates(found: Duplicates, classes: Sequence[str], as_json: bool) -> None:
    if as_json:
        for group in found.groups:
            output.object_line(group.to_dict())
    else:
        for group in found.groups:
            told = [
                what
                for what, so in (
                    ("labels differ", group.labels_differ),
                    ("splits differ", group.splits_differ),
                )
                if so
            ]
            output.styled(f"{len(group.documents):,} documents{': ' * bool(told)}{', '.join(told)}", "bold")
            columns = [Column("similarity", right=True), Column("id"), Column("split"), Column("label")]
            rows = [
                [
                    f"{each.similarity:.3f}",
                    safe(each.id),
                    each.split,
                    class_name(each.label, classes),
                    safe(each.text),
                ]
                for each in group.documents
            ]
            output.table([*columns, Column("document", long=True)], rows)
            output.line()
    groups = f"{found.group_count:,} group{'s' * (found.group_count != 1)}"
    shown = f", {len(found.groups):,} of them shown" if len(found.groups) < found.group_count else ""
    output.note(
        f"{groups} among {found.compared:,} documents{shown}; {found.duplicate_count:,} read like an earlier one"
    )


def _stale(found: Sequence[Suspect]) -> None:
    if found and found[0].prediction.stale:
        first = found[0].prediction
        output.note(f"{first.classifier} is stale: {safe(first.stale)}")


def _probability(answer: Prediction) -> str:
    return "-" if answer.probability is None else f"{answer.probability:.3f}"


def _alpha(answer: Prediction) -> str:
    return f"{answer.region_alpha:g}" if answer.region_alpha else "-"


def _why(answer: Prediction) -> str:
    """Why a label of this one is worth having."""
    if answer.region_alpha > 0:
        return f"admitted at {answer.region_alpha:g}: little is left to learn"
    return reason_told(answer.reason)
