"""An evaluation as one HTML page with its plots in it: no script, nothing from elsewhere, every text escaped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from reex.cli.output import percent
from reex.cli.views import reason_told

if TYPE_CHECKING:
    from reex.figures import Evaluation, Interval

_CONFUSION_MAX = 30  # classes; of more the table alone tells
_SIZE, _MARGIN, _TOP = 260, 36, 20  # of a plot, in pixels

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; margin: .5rem 0; } th, td { padding: .2rem .7rem; text-align: right; }
th { border-bottom: 1px solid #888; } td:first-child, th:first-child { text-align: left; }
figure { display: inline-block; margin: 0 2rem 1rem 0; } figcaption { max-width: 22rem; font-size: 13px; color: #555; }
.stale { color: #a60; } svg text { font-size: 11px; fill: #333; }
"""


def page(figures: Evaluation, project: str) -> str:
    """The whole document."""
    title = f"{project}: {figures.split}, {figures.classifier}"
    parts = [f"<h1>{escape(title)}</h1>", _headline(figures)]
    if figures.n:
        parts += [_plots(figures), _regions(figures), _rejections(figures), _classes(figures)]
        if len(figures.classes) <= _CONFUSION_MAX:
            parts.append(_confusion(figures))
    body = "\n".join(part for part in parts if part)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _headline(figures: Evaluation) -> str:
    lines = [
        f"{figures.n:,} labelled documents that the version never used: of the split {figures.unseen_count:,} unseen, "
        f"{figures.support_count:,} support, {figures.calibration_count:,} calibration."
    ]
    if figures.n:
        lines.append(
            f"<b>Accuracy {percent(figures.accuracy)}</b> ({figures.correct:,} of {figures.n:,}, 95 % interval "
            f"{_bounds(figures.interval)}), balanced {percent(figures.balanced_accuracy)} "
            f"({_bounds(figures.balanced_interval)})."
        )
    if figures.duplicate_count:
        lines.append(
            f"{figures.duplicate_count:,} have the very text of a document that was used; without them the accuracy is "
            f"{percent(figures.accuracy_without_duplicates)}."
        )
    if figures.out_of_distribution_count:
        lines.append(
            f"Of {figures.out_of_distribution_count:,} documents of no class {figures.out_of_distribution_admitted:,} "
            f"were admitted at alpha 0.9 or higher (95 % interval {_bounds(figures.out_of_distribution_interval)})."
        )
    if (fit := figures.probability) is not None:
        lines.append(
            f"Probability of being right ({escape(fit.kind)}): calibration error {percent(fit.calibration_error)}, "
            f"Brier score {fit.brier:.4f}."
        )
    if (sets := figures.prediction_sets) is not None:
        lines.append(
            f"Prediction sets hold the true class in {percent(sets.coverage.accuracy)} "
            f"({_bounds(sets.coverage.interval)}), aimed at {percent(sets.promised)}; mean size {sets.mean_size:.2f}."
        )
    if figures.stale:
        lines.append(f'<span class="stale">Stale: {escape(figures.stale)}.</span>')
    return "".join(f"<p>{each}</p>" for each in lines)


def _plots(figures: Evaluation) -> str:
    found = ""
    if figures.probability is not None and figures.probability.bins:
        points = [
            (
                each.mean_probability,
                each.accuracy.accuracy,
                each.accuracy.interval,
                f"{each.accuracy.n:,} documents",
            )
            for each in figures.probability.bins
        ]
        caption = "Reliability: share right against the probability of it, with 95 % intervals. Best is on the line."
        found += _figure(_plot(points, "probability", "right", diagonal=True), caption)
    if figures.regions:
        rows = [
            (each.alpha, each.accuracy, each.interval, f"{each.admitted:,} admitted")
            for each in figures.regions
            if each.admitted
        ]
        caption = "Accuracy of what is admitted at each alpha or higher, with 95 % intervals. The line is alpha itself."
        found += _figure(_plot(rows, "alpha", "right", diagonal=True, least=0.5), caption)
        shares = [
            (each.alpha, each.admitted_share, each.share_interval, f"{each.admitted:,} admitted")
            for each in figures.regions
        ]
        caption = (
            "Coverage: share of the documents that is admitted at each alpha or higher, with 95 % intervals."
        )
        found += _figure(_plot(shares, "alpha", "admitted", least=0.5), caption)
    return f"<h2>Plots</h2>{found}" if found else ""


def _figure(drawn: str, caption: str) -> str:
    return f"<figure>{drawn}<figcaption>{escape(caption)}</figcaption></figure>"


def _plot(
    points: Iterable[tuple[float, float, Interval, str]],
    across: str,
    up: str,
    *,
    diagonal: bool = False,
    least: float = 0.0,  # of the axis across
) -> str:
    """Points with their intervals, in a square from (least, 0) to (1, 1)."""

    def x(value: float) -> float:
        return _MARGIN + (value - least) / (1 - least) * _SIZE

    def y(value: float) -> float:
        return _TOP + (1 - value) * _SIZE

    drawn = [f'<rect x="{x(least)}" y="{y(1)}" width="{_SIZE}" height="{_SIZE}" fill="#f6f6f6"/>']
    for step in range(6):
        value, height = least + (1 - least) * step / 5, step / 5
        drawn.append(f'<text x="{x(value):.1f}" y="{y(0) + 14}" text-anchor="middle">{value:.1f}</text>')
        drawn.append(f'<text x="{_MARGIN - 5}" y="{y(height) + 4:.1f}" text-anchor="end">{height:.1f}</text>')
    if diagonal:
        ends = f'x1="{x(least)}" y1="{y(least)}" x2="{x(1)}" y2="{y(1)}"'
        drawn.append(f'<line {ends} stroke="#999" stroke-dasharray="4"/>')
    for at, value, interval, told in points:
        if math.isnan(value):
            continue
        ends = f'x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{y(interval.lower):.1f}" y2="{y(interval.upper):.1f}"'
        drawn.append(f'<line {ends} stroke="#36c" stroke-width="1.5"/>')
        title = f"<title>{at:.3g}: {percent(value)}, {escape(told)}</title>"
        drawn.append(f'<circle cx="{x(at):.1f}" cy="{y(value):.1f}" r="4" fill="#36c">{title}</circle>')
    drawn.append(
        f'<text x="{x((1 + least) / 2)}" y="{y(0) + 30}" text-anchor="middle">{escape(across)}</text>'
    )
    drawn.append(f'<text x="{x(least)}" y="{_TOP - 7}">{escape(up)}</text>')
    size = f'width="{_MARGIN + _SIZE + 14}" height="{_SIZE + _TOP + 36}"'
    return f'<svg {size} role="img" xmlns="http://www.w3.org/2000/svg">{"".join(drawn)}</svg>'


def _regions(figures: Evaluation) -> str:
    titles = [
        "admitted to a region of alpha or higher",
        "admitted",
        "share",
        "right",
        "accuracy",
        "95 % interval",
    ]
    rows = [
        [
            f"{each.alpha:g}",
            f"{each.admitted:,}",
            percent(each.admitted_share),
            f"{each.correct:,}",
            percent(each.accuracy),
            _bounds(each.interval) if each.admitted else "-",
        ]
        for each in figures.regions
    ]
    return "<h2>Regions</h2>" + (
        _table(titles, rows) if rows else "<p>The version has no reliability region.</p>"
    )


def _rejections(figures: Evaluation) -> str:
    rows = [
        [
            reason_told(each.reason),
            f"{each.accuracy.n:,}",
            percent(each.accuracy.accuracy),
            _bounds(each.accuracy.interval),
        ]
        for each in figures.rejections
    ]
    return (
        _table(["admitted to none, because", "documents", "right all the same", "95 % interval"], rows)
        if rows
        else ""
    )


def _classes(figures: Evaluation) -> str:
    titles = ["class", "documents", "recall", "95 % interval", "predicted", "precision", "95 % interval"]
    rows = [
        [
            each.name,
            f"{each.support:,}",
            percent(each.recall),
            _bounds(each.recall_interval) if each.support else "-",
            f"{each.predicted:,}",
            percent(each.precision),
            _bounds(each.precision_interval) if each.predicted else "-",
        ]
        for each in figures.classes
    ]
    return "<h2>Classes</h2>" + _table(titles, rows)


def _confusion(figures: Evaluation) -> str:
    """Rows the true class, columns the predicted one, shaded by the share of the row."""
    head = "".join(f"<th>as {escape(each.name)}</th>" for each in figures.classes)
    rows = ""
    for each, counts in zip(figures.classes, figures.confusion, strict=False):
        whole = max(sum(counts), 1)
        cells = "".join(
            f'<td style="background: rgba(51, 102, 204, {count / whole * 0.7:.2f})">{count:,}</td>'
            for count in counts
        )
        rows += f"<tr><td>{escape(each.name)}</td>{cells}</tr>"
    return f"<h2>Confusion</h2><table><tr><th>true class</th>{head}</tr>{rows}</table>"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _bounds(interval: Interval) -> str:
    return f"{percent(interval.lower)} to {percent(interval.upper)}"
